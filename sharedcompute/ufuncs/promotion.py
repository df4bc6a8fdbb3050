"""Dtypes of elementwise functions, by the rules of NumPy 2.

A Python scalar is weak: it takes the dtype of what it is combined with, if that is of its kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sharedcompute.ufuncs.functions import COMPARISONS, FUNCTIONS, Array

DType = np.dtype[Any]
Scalar = bool | int | float | complex | np.generic
Weak = type[int] | type[float] | type[complex]
Attributes = tuple[tuple[str, object], ...]
"""What a function needs to know besides its operands: names and values."""

BOOL = np.dtype(np.bool_)
# Values by which functions that are no ufuncs are asked for their dtypes.
EXAMPLES: dict[type, complex] = {int: 1, float: 1.0, complex: 1j}


@dataclass(frozen=True)
class Loop:
    """Dtypes that a function computes in: what operands are converted to, and what it returns."""

    operands: tuple[DType, ...]
    result: DType


def kind(operand: DType | Scalar) -> DType | Weak:
    """Return a dtype; of a Python number, which is weak, its type."""
    if isinstance(operand, np.dtype):
        return operand
    if type(operand) is int or type(operand) is float:
        return type(operand)
    if isinstance(operand, np.generic | bool):
        return np.dtype(type(operand))
    for weak in (int, float, complex):
        if isinstance(operand, weak):
            return weak
    raise TypeError(
        f"an operand is a dtype or a number, not {type(operand).__name__}: make an array of it"
    )


def find_loop(name: str, operands: Sequence[DType | Scalar], attributes: Attributes = ()) -> Loop:
    """Return the dtypes in which a function computes.

    Parameters
    ----------
    name : str
        One of `FUNCTIONS`.
    operands : sequence of dtype or scalar
        Dtypes of arrays, and numbers.
    attributes : tuple of (str, object)
        As ``(("dtype", np.dtype("f4")),)`` of ``astype``.

    Raises
    ------
    TypeError
        The function is not defined for these dtypes.
    OverflowError
        A Python integer does not fit into the integers that it is combined with.
    ValueError
        Integers to a negative power.
    """
    kinds = tuple([x if isinstance(x, np.dtype) else kind(x) for x in operands])
    loop = _loop(name, kinds, attributes)
    if loop is None:
        # No array among them: then Python's numbers are of 64 and 128 bits.
        loop = _loop(name, tuple([np.dtype(kind) for kind in kinds]), attributes)
        assert loop is not None
    for operand in operands:
        if type(operand) is int:
            _check_integers(name, operands, loop)
            break
    return loop


def result_dtype(
    name: str, operands: Sequence[DType | Scalar], attributes: Attributes = ()
) -> DType:
    """Return the dtype of a function's result; parameters and errors as of `find_loop`."""
    return find_loop(name, operands, attributes).result


def power_operator(base: DType, exponent: DType | Scalar) -> str:
    """Return the function that ``array ** exponent`` is in NumPy.

    Returns
    -------
    str
        ``"square"``, ``"reciprocal"`` or ``"sqrt"``, of the array alone; or ``"power"``.
    """
    if type(exponent) is int and exponent == 2 and base.kind in "biufc":
        return "square"
    if type(exponent) is int and exponent == -1 and base.kind in "fc":
        return "reciprocal"
    if type(exponent) is float and exponent == 0.5 and base.kind in "fc":
        return "sqrt"
    return "power"


def fits(value: int, dtype: DType) -> bool:
    """Return whether an integer dtype has the value; others have all."""
    least, most = _limits(dtype)
    return least <= value <= most


def as_operand(value: Scalar, dtype: DType) -> Array:
    """Return a number as a constant of a dtype: an array without axes, which is not written to."""
    with np.errstate(all="ignore"):
        constant: Array = (
            np.array(value).astype(dtype) if _is_inexact(value) else np.array(value, dtype)
        )
    constant.flags.writeable = False
    return constant


def _is_inexact(value: Scalar) -> bool:
    return isinstance(value, np.generic | float | complex)


@lru_cache
def _limits(dtype: DType) -> tuple[float, float]:
    """Return the least and the greatest integer that may be converted to a dtype."""
    if dtype.kind not in "biu":
        return -math.inf, math.inf
    limits = np.iinfo(np.int64 if dtype.kind == "b" else dtype)
    return int(limits.min), int(limits.max)


@lru_cache(maxsize=4096)
def _loop(name: str, kinds: tuple[DType | Weak, ...], attributes: Attributes) -> Loop | None:
    """Return the loop for dtypes and weak types; None where all are weak."""
    function = FUNCTIONS[name]
    if len(kinds) != function.operands:
        raise TypeError(f"{name} takes {function.operands} operands, not {len(kinds)}")
    if tuple(key for key, _ in attributes) != function.attributes:
        raise TypeError(f"{name} needs {' and '.join(function.attributes) or 'no attributes'}")
    if not any(isinstance(kind, np.dtype) for kind in kinds):
        return None
    try:
        if isinstance(function.call, np.ufunc):
            *operands, result = function.call.resolve_dtypes((*kinds, None))
            loop = Loop(tuple(operands), result)
        else:
            loop = _special_loop(name, kinds, attributes)
    except TypeError:
        loop = None
    if loop is None or any(dtype.hasobject for dtype in (*loop.operands, loop.result)):
        said = " and ".join(str(k) if isinstance(k, np.dtype) else k.__name__ for k in kinds)
        raise TypeError(f"{name} is not defined for {said}: convert with astype first")
    return loop


def _special_loop(name: str, kinds: tuple[DType | Weak, ...], attributes: Attributes) -> Loop:
    """Return the loop of a function that is no ufunc: NumPy's, on arrays of one element."""
    examples = [
        np.ones(1, kind) if isinstance(kind, np.dtype) else EXAMPLES[kind] for kind in kinds
    ]
    result: DType = FUNCTIONS[name].call(*examples, **dict(attributes)).dtype
    if name == "where":
        return Loop((np.dtype(np.bool_), result, result), result)
    if name == "clip":
        return Loop((result, result, result), result)
    return Loop(tuple(kind for kind in kinds if isinstance(kind, np.dtype)), result)


def _check_integers(name: str, operands: Sequence[DType | Scalar], loop: Loop) -> None:
    """Raise where a Python integer does not fit into the integers of the others.

    It may be compared with all integers, but not with a boolean.
    """
    if name in COMPARISONS and BOOL not in map(kind, operands):
        return
    for position, (operand, dtype) in enumerate(zip(operands, loop.operands, strict=True)):
        if type(operand) is not int:
            continue
        value = within(name, position, operand, dtype) if name == "clip" else operand
        if not fits(value, dtype):
            raise OverflowError(f"Python integer {operand} out of bounds for {dtype}")
        if name == "power" and position and value < 0 and dtype.kind in "iu":
            raise ValueError(
                f"integers to negative integer powers ({value}) are not allowed: write {value}.0"
            )


def within(name: str, position: int, value: int, dtype: DType) -> int:
    """Return a bound of ``clip`` that nothing of the dtype is beyond, where `value` is one."""
    if name != "clip" or dtype.kind not in "iu":
        return value
    least, most = _limits(dtype)
    return int((max(value, least), min(value, most))[position - 1]) if position else value
