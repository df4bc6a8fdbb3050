"""Random expressions, each as a program and as NumPy computes it on whole arrays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.ufuncs.functions import FUNCTIONS
from sharedcompute.ufuncs.program import Builder, Program

CODES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
DTYPES = [np.dtype(code) for code in CODES]
NATIVE = [d for d in DTYPES if d.kind in "biuf" and d != np.float16]
SCALARS: list[Any] = [True, 0, 1, 2, -1, 7, 100, 2.5, -0.0, 0.5, 1e30, 1j, np.float32(0.1)]
SCALARS += [np.int8(-3), np.uint16(9), np.float64(1 / 3), float("nan"), float("inf")]
# The sign of a NaN is whose of two operands it was, and that compilers may exchange.
SHOWS_SIGN_OF_NAN = {"signbit", "copysign", "isnat"}
NAMES = sorted({f.name for f in FUNCTIONS.values()} - SHOWS_SIGN_OF_NAN)
EXACT = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "sqrt",
    "square",
    "negative",
    "absolute",
    "where",
    "less",
    "greater_equal",
    "equal",
    "logical_and",
    "logical_or",
    "logical_not",
    "bitwise_and",
    "invert",
    "minimum",
    "maximum",
    "astype",
    "sign",
    "rint",
    "floor",
    "isnan",
    "isfinite",
    "reciprocal",
]
ATTRIBUTES: dict[str, list[Any]] = {"astype": DTYPES, "round": [0, 2, -1]}


@dataclass
class Expression:
    """A program, its operands, and NumPy's result for them."""

    program: Program
    operands: list[Any]
    strips: int
    wanted: Any


def array(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return numbers of all sizes, and in places those at the limits."""
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        special: list[Any] = [limits.min, limits.max, 0, 1, limits.max - 1]
        x = rng.integers(max(limits.min, -40), 40, shape).astype(dtype)
    else:
        least, most = np.finfo(dtype).tiny, np.finfo(dtype).max
        special = [np.nan, np.inf, -np.inf, -0.0, 0.0, least / 4, most, 1.0]
        x = np.asarray(rng.normal(0, 4, shape)).astype(dtype)
        if dtype.kind == "c":
            x = x + np.asarray(1j * rng.normal(0, 4, shape)).astype(dtype)
    chosen = rng.random(shape) < 0.15
    return np.where(chosen, rng.choice(np.array(special).astype(dtype), shape), x)


def expression(
    seed: int,
    shape: tuple[int, ...],
    names: list[str] = NAMES,
    dtypes: list[np.dtype[Any]] = DTYPES,
    depth: int = 8,
) -> Expression:
    """Return a random expression over operands that are broadcast to `shape`."""
    with np.errstate(all="ignore"):
        return _expression(np.random.default_rng(seed), shape, names, dtypes, depth)


def _expression(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    names: list[str],
    dtypes: list[np.dtype[Any]],
    depth: int,
) -> Expression:
    row = shape[1:]
    column = (shape[0], *[1] * len(row))
    shapes = [shape, [shape, column][rng.integers(2)]]
    shapes.append((*shape[:-1], 1) if len(shape) > 1 else shape)
    strips = len(shapes)
    shapes += [row, (1, *row), row[-1:], (), (*row[:-1], 1) if row else ()]
    operands = [array(rng, s, dtypes[rng.integers(len(dtypes))]) for s in shapes]
    builder = Builder([x.dtype for x in operands])
    values: list[tuple[int, Any]] = list(enumerate(operands))
    while len(values) < len(operands) + depth:
        grown = call(rng, builder, values, names)
        if grown is not None:
            values.append(grown)
    # What all have a part in, at its full shape.
    number, wanted = values[-1]
    if wanted.shape != shape:
        number, wanted = full(builder, values[-1], values[0], shape)
    return Expression(builder.program(number), operands, strips, wanted)


def full(
    builder: Builder, result: tuple[int, Any], whole: tuple[int, Any], shape: tuple[int, ...]
) -> tuple[int, Any]:
    """Return a result that is at least as large as a strip."""
    number = builder.call("where", builder.call("equal", whole[0], whole[0]), result[0], result[0])
    return number, np.where(whole[1] == whole[1], result[1], result[1])


def call(
    rng: np.random.Generator,
    builder: Builder,
    values: list[tuple[int, Any]],
    names: list[str],
) -> tuple[int, Any] | None:
    """Return a call of a random function, and its result; None where NumPy refuses it."""
    function = FUNCTIONS[names[rng.integers(len(names))]]
    # Late values are taken more often, so that expressions are deep.
    chosen = [
        values[max(-len(values), -1 - int(rng.exponential(3)))] for _ in range(function.operands)
    ]
    numbers, arrays = [number for number, _ in chosen], [x for _, x in chosen]
    if function.operands > 1 and rng.random() < 0.3:
        place = int(rng.integers(function.operands))
        scalar = SCALARS[rng.integers(len(SCALARS))]
        if function.name == "where" and scalar == -1:
            return None  # of unsigned integers NumPy would take the low bits
        numbers[place], arrays[place] = builder.constant(scalar), scalar
    attributes = tuple(
        (name, options[rng.integers(len(options))])
        for name in function.attributes
        for options in [ATTRIBUTES[function.name]]
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = function.call(*arrays, **dict(attributes))
        except (TypeError, ValueError, OverflowError):
            return None
    if not isinstance(result, np.ndarray | np.generic) or result.dtype.kind not in "biufc":
        return None
    return builder.call(function.name, *numbers, attributes=attributes), np.asarray(result)


def bits(x: Any) -> bytes:
    """Return the bytes of an array; all NaN are one, as their signs and payloads say nothing."""
    if x.dtype.kind == "c":
        return bits(x.real) + bits(x.imag)
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), x.dtype.type(np.nan), x)
    return np.ascontiguousarray(x).tobytes()
