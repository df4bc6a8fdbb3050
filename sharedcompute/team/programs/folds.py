"""Reductions over ranks, for `Worker.allreduce` and `reduce`: always in rank order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.validation.arrays import plain_array, refuse_meaning
from sharedcompute.validation.names import meant

Combine = Callable[[Any, Any], Any]
Op = str | Combine

UFUNCS: dict[str, np.ufunc] = {
    "sum": np.add,
    "min": np.minimum,
    "max": np.maximum,
    "prod": np.multiply,
}
_SLICE = 1 << 14
"""Elements that are combined over all ranks at a time: they stay in the L2 cache."""


def resolve_op(op: Op) -> np.ufunc | Combine:
    """Return the ufunc of a name; a user's function is returned as it is."""
    if isinstance(op, str) and op in UFUNCS:
        return UFUNCS[op]
    if callable(op):
        return op
    close = meant(str(op), UFUNCS)
    hint = "" if close is None else f"; did you mean {close!r}?"
    raise InputError(f"expected op to be {', '.join(UFUNCS)} or a function, got {op!r}{hint}")


def op_name(op: Op) -> str:
    """Return the name of an op, for errors."""
    return op if isinstance(op, str) else str(getattr(op, "__qualname__", op))


def numeric_array(value: object, op: Op) -> NDArray[Any]:
    """Return the array to combine; booleans as integers for sums and products, as in NumPy.

    Raises
    ------
    InputError
        If it is no array of numbers.
    """
    array = plain_array(value).view(np.ndarray)
    if array.dtype.kind not in "biufc":
        raise InputError(
            f"expected numbers for {op}, got {array.dtype}; "
            "give a function f(a, b) as op to combine other things"
        )
    return array.astype(np.int64) if array.dtype.kind == "b" and op in ("sum", "prod") else array


def is_integer(value: object) -> bool:
    """Return whether a value is a Python integer, which has any size."""
    return isinstance(value, int) and not isinstance(value, np.generic)


def like(value: object, result: NDArray[Any]) -> Any:
    """Return the result in the type of `value`: a scalar for a scalar."""
    if isinstance(value, np.generic):
        return result[()]
    if isinstance(value, (float, complex)):
        return result.item()
    return result


def fold_integers(values: list[Any], op: str) -> Any:
    """Combine Python integers exactly. Sums and products of booleans are integers."""
    if op in ("sum", "prod"):
        values = [int(value) for value in values]
    return functools.reduce(lambda a, b: UFUNCS[op](a, b, dtype=object), values)


def fold(ufunc: np.ufunc, parts: list[NDArray[Any]], out: NDArray[Any]) -> None:
    """Combine flat arrays in their order: ``((parts[0] + parts[1]) + parts[2]) + ...``.

    A slice at a time; `out` must not share memory with the parts.
    """
    *earlier, last = parts
    for start in range(0, last.size, _SLICE):
        at = slice(start, start + _SLICE)
        if not earlier:
            out[at] = last[at]
            continue
        # Not into `out` each time: NumPy treats an operation in place on one element as a
        # reduction, and multiplies complex numbers in another way then.
        total = functools.reduce(ufunc, [part[at] for part in earlier])
        ufunc(total, last[at], out=out[at])


def fold_by(f: Combine, values: list[Any]) -> Any:
    """Combine values in their order with a user's function."""
    result = functools.reduce(f, values)
    if result is None:
        raise InputError(
            f"expected {op_name(f)} to return what it makes of its two arguments, got None; "
            "return it"
        )
    return result


def check_out(out: object, array: NDArray[Any]) -> None:
    """Check that the result fits `out`."""
    refuse_meaning(out)
    if isinstance(out, np.ndarray) and (out.dtype, out.shape) == (array.dtype, array.shape):
        if not out.flags.writeable:
            raise InputError("expected an out that can be written, got a read-only array")
        return
    got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
    raise InputError(f"expected out to be an array of {array.dtype} {array.shape}, got {got}")
