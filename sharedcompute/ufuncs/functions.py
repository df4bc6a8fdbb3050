"""All elementwise functions: NumPy's ufuncs of one result, and a few functions that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

COMPARISONS = frozenset(
    {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"},
)

# What IEEE 754 or integer arithmetic fixes to the bit; the others are libraries' and processors'.
EXACT = COMPARISONS | {
    "absolute",
    "add",
    "astype",
    "bitwise_and",
    "bitwise_count",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clip",
    "conjugate",
    "copysign",
    "divide",
    "fabs",
    "floor",
    "fmax",
    "fmin",
    "gcd",
    "heaviside",
    "imag",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "isnat",
    "lcm",
    "ldexp",
    "left_shift",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "positive",
    "real",
    "reciprocal",
    "right_shift",
    "rint",
    "round",
    "sign",
    "signbit",
    "spacing",
    "sqrt",
    "square",
    "subtract",
    "trunc",
    "where",
}


@dataclass(frozen=True)
class Function:
    """An elementwise function.

    Attributes
    ----------
    name : str
        NumPy's name; of several the one that the ufunc itself has.
    operands : int
        How many there are.
    call : callable
        ``call(*operands, out=None, **attributes)``.
    attributes : tuple of str
        What it needs to know besides its operands, by name.
    in_place : bool
        Whether `out` may be one of the operands.
    """

    name: str
    operands: int
    call: Callable[..., Any]
    attributes: tuple[str, ...] = ()
    in_place: bool = True

    def depends_on_processor(self, dtypes: tuple[np.dtype[Any], ...]) -> bool:
        """Return whether the bits for operands of these dtypes may differ on another processor.

        The product of complex numbers does: it is made of fused multiplications where there are.
        """
        return self.name not in EXACT or any(dtype.kind == "c" for dtype in dtypes)


def where(condition: Array, x: Array, y: Array, out: Array | None = None) -> Any:
    """Return `x` where `condition` is true, otherwise `y`."""
    if out is None:
        return np.where(condition, x, y)
    np.copyto(out, y, casting="unsafe")
    chosen = condition if condition.dtype == np.bool_ else condition.astype(np.bool_)
    np.copyto(out, x, casting="unsafe", where=chosen)
    return out


def astype(x: Array, out: Array | None = None, *, dtype: np.dtype[Any]) -> Any:
    """Return `x` converted to `dtype`, as C does; of complex numbers that is the real part."""
    x = np.asarray(x)
    if x.dtype.kind == "c" and dtype.kind not in "bc":
        x = x.real
    if out is None:
        return x.astype(dtype)
    if out.size == 1 and out.ndim and out.dtype.kind in "iu":
        # What an integer cannot hold is converted in one way in arrays, and alone in another one.
        x = np.repeat(x, 2).astype(dtype)[:1].reshape(out.shape)
    np.copyto(out, x, casting="unsafe")
    return out


def clip(x: Array, low: Array, high: Array, out: Array | None = None) -> Any:
    """Return `x`, and the bounds where it is beyond them."""
    return np.clip(x, low, high, out=out)


def real(x: Array, out: Array | None = None) -> Any:
    """Return the real part."""
    return np.positive(np.real(x), out=out)


def imag(x: Array, out: Array | None = None) -> Any:
    """Return the imaginary part."""
    return np.positive(np.imag(x), out=out)


def round_(x: Array, out: Array | None = None, *, decimals: int) -> Any:
    """Return `x` rounded to decimals, to even ones where two are as near."""
    if out is None or x.dtype.kind not in "iu":
        return np.round(x, decimals, out=out)
    # NumPy rounds integers to tens in floating point, which it does not write to `out`.
    np.copyto(out, np.round(x, decimals))
    return out


def _ufuncs() -> dict[str, Function]:
    """Return the ufuncs that NumPy's namespace has, under all names that they have there."""
    named = {name: value for name, value in vars(np).items() if isinstance(value, np.ufunc)}
    return {
        name: Function(ufunc.__name__, ufunc.nin, ufunc)
        for name, ufunc in sorted(named.items())
        if ufunc.nout == 1 and ufunc.signature is None
    }


SPECIAL = (
    Function("astype", 1, astype, ("dtype",)),
    Function("clip", 3, clip),
    Function("imag", 1, imag, in_place=False),
    Function("real", 1, real, in_place=False),
    Function("round", 1, round_, ("decimals",)),
    Function("where", 3, where, in_place=False),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    _ufuncs() | {function.name: function for function in SPECIAL}
)
"""Each elementwise function by its name, and by NumPy's other names of it."""
