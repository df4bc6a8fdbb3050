"""Elementwise expressions on one core: strips through a kernel, against a loop written by hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from benchmarks.timing import Row, at_most, medians, ratio
from sharedcompute.ufuncs.evaluate import evaluate
from sharedcompute.ufuncs.kernel import Kernel
from sharedcompute.ufuncs.program import Builder, Program

COLUMNS, STRIP = 1024, 128
"""Elements of a row, and rows of a strip."""

jit = njit(nogil=True, error_model="numpy")


@jit
def hypot(x: Any, y: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sqrt(x[i, j] * x[i, j] + y[i, j] * y[i, j]) * out.dtype.type(2)


@jit
def choose(x: Any, y: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            a, b = x[i, j], y[i, j]
            out[i, j] = a - b if a > b else (a + b) / out.dtype.type(2)


@jit
def wave(x: Any, y: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.exp(-x[i, j]) * np.sin(y[i, j]) + out.dtype.type(1)


@jit
def scale(x: Any, y: Any, out: Any) -> None:
    """`y` has one row."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = abs(x[i, j] - y[0, j]) * y[0, j] + out.dtype.type(1)


Call = Callable[..., int]


@dataclass(frozen=True)
class Case:
    """An expression in all ways; bars are against the loop by hand and against NumPy."""

    build: Callable[[Call, Callable[[float], int]], int]
    by_hand: Callable[..., None]
    numpy: Callable[[Any, Any], Any]
    numexpr: str
    bars: dict[str, tuple[float | None, float | None]]
    one_row: bool = False


CASES = {
    "sqrt(x**2 + y**2) * 2": Case(
        lambda f, c: f("multiply", f("sqrt", f("add", f("square", 0), f("square", 1))), c(2.0)),
        hypot,
        lambda x, y: np.sqrt(x**2 + y**2) * 2.0,
        "sqrt(x**2 + y**2) * 2",
        {"f4": (0.95, 5), "f8": (0.95, 5)},
    ),
    "where(x > y, x - y, (x + y) / 2)": Case(
        lambda f, c: f(
            "where", f("greater", 0, 1), f("subtract", 0, 1), f("divide", f("add", 0, 1), c(2.0))
        ),
        choose,
        lambda x, y: np.where(x > y, x - y, (x + y) / 2.0),
        "where(x > y, x - y, (x + y) / 2)",
        {"f4": (0.95, 5), "f8": (0.95, 5)},
    ),
    "exp(-x) * sin(y) + 1": Case(
        lambda f, c: f("add", f("multiply", f("exp", f("negative", 0)), f("sin", 1)), c(1.0)),
        wave,
        lambda x, y: np.exp(-x) * np.sin(y) + 1.0,
        "exp(-x) * sin(y) + 1",
        {"f4": (3, None), "f8": (None, None)},
    ),
    "abs(x - row) * row + 1": Case(
        lambda f, c: f("add", f("multiply", f("absolute", f("subtract", 0, 1)), 1), c(1.0)),
        scale,
        lambda x, y: np.abs(x - y) * y + 1.0,
        "abs(x - y) * y + 1",
        {"f4": (0.95, 5), "f8": (0.95, 5)},
        one_row=True,
    ),
}


def expressions(nbytes: int, repeats: int) -> list[Row]:
    """Each expression of f4 and of f8 on arrays of so many bytes."""
    rows = []
    for text, case in CASES.items():
        for dtype in ("f4", "f8"):
            rows += _compare(f"{text}, {dtype}", case, np.dtype(dtype), nbytes, repeats)
    return [*rows, _small()]


def _compare(what: str, case: Case, dtype: np.dtype[Any], nbytes: int, repeats: int) -> list[Row]:
    rng = np.random.default_rng(0)
    length = nbytes // dtype.itemsize // COLUMNS
    x = rng.random((length, COLUMNS), dtype.type)
    y = rng.random((1 if case.one_row else length, COLUMNS), dtype.type)
    out, by_hand = np.empty_like(x), np.empty_like(x)
    program = _program(case, dtype)
    fused = Kernel(program, 1 if case.one_row else 2, fused=True)
    contenders: dict[str, Callable[[], object]] = {
        "sharedcompute": lambda: _strips(fused, x, y, out),
        "a loop by hand": lambda: case.by_hand(x, y, by_hand),
        "NumPy": lambda: case.numpy(x, y),
        "NumPy on strips": lambda: _strips(Kernel(program, fused.strips), x, y, by_hand),
    }
    if importlib.util.find_spec("numexpr"):
        import numexpr

        numexpr.set_num_threads(1)
        contenders["numexpr"] = lambda: numexpr.evaluate(
            case.numexpr, {"x": x, "y": y}, out=by_hand
        )
    seconds = medians(contenders, repeats)
    if out.tobytes() != case.numpy(x, y).tobytes():
        raise AssertionError(f"{what}: the bits are not NumPy's")
    least = dict(zip(("a loop by hand", "NumPy"), case.bars[dtype.str[1:]], strict=True))
    peers = [name for name in contenders if name != "sharedcompute"]
    return [ratio(what, seconds, peer, least.get(peer)) for peer in peers]


def _program(case: Case, dtype: np.dtype[Any]) -> Program:
    builder = Builder([dtype, dtype])
    return builder.program(case.build(builder.call, builder.constant))


def _strips(kernel: Kernel, x: Any, y: Any, out: Any) -> None:
    for first in range(0, len(x), STRIP):
        part = slice(first, first + STRIP)
        if len(y) == 1:
            kernel(x[part], out[part], y)
        else:
            kernel(x[part], y[part], out[part])


def _small() -> Row:
    """What an expression costs on an array of 100 x 10."""
    program = _program(CASES["sqrt(x**2 + y**2) * 2"], np.dtype("f8"))
    x = np.random.default_rng(0).random((100, 10))
    seconds = medians({"evaluate": lambda: evaluate(program, (x, x))}, 5000, 0)
    return at_most("evaluate on 100 x 10 of f8", seconds["evaluate"], 12e-6, "us", 1e6)
