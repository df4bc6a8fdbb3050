"""Cumulative operations along rows, strip by strip.

`x` and `out` are C-contiguous of shape (rows, cols); `carry`, shape (cols,), is the running state:
it begins as the caller sets it and is updated in place, so that the next strip goes on from it.
Values are added or multiplied in row order in the dtype of `carry`, so that neither the strips nor
the tiles of columns change a bit.
"""

# ruff: noqa: PLR0124 - `v == v` is the test for NaN that costs nothing on integers.

from __future__ import annotations

from typing import TYPE_CHECKING

from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array

# Columns whose carry stays in L1 while the rows pass.
TILE = 1024

kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def cumsum(x: Array, out: Array, carry: Array, skipna: bool) -> None:
    """Cumulative sum, as `numpy.cumsum` or, with `skipna`, `numpy.nancumsum` along rows.

    `carry` is float64, int64 (wraps as in NumPy), uint64 or complex128, and begins with zeros.
    """
    kind = carry.dtype.type
    zero = x.dtype.type(0)
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        state = carry[lo:hi]
        for i in range(rows):
            a, b = x[i, lo:hi], out[i, lo:hi]
            if skipna:
                for j in range(state.size):
                    t = state[j] + kind(a[j] if a[j] == a[j] else zero)
                    state[j] = t
                    b[j] = t
            else:
                for j in range(state.size):
                    t = state[j] + kind(a[j])
                    state[j] = t
                    b[j] = t


@kernel
def cumprod(x: Array, out: Array, carry: Array, skipna: bool) -> None:
    """Cumulative product, as `numpy.cumprod` or, with `skipna`, `numpy.nancumprod` along rows.

    `carry` is float64, int64 (wraps as in NumPy), uint64 or complex128, and begins with ones.
    """
    kind = carry.dtype.type
    one = x.dtype.type(1)
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        state = carry[lo:hi]
        for i in range(rows):
            a, b = x[i, lo:hi], out[i, lo:hi]
            if skipna:
                for j in range(state.size):
                    t = state[j] * kind(a[j] if a[j] == a[j] else one)
                    state[j] = t
                    b[j] = t
            else:
                for j in range(state.size):
                    t = state[j] * kind(a[j])
                    state[j] = t
                    b[j] = t


@kernel
def cummax(x: Array, out: Array, carry: Array, skipna: bool) -> None:
    """Cumulative maximum, as `numpy.maximum.accumulate` or, with `skipna`, `numpy.fmax.accumulate`.

    `x` is real or boolean and `carry` has its dtype. It begins with what exceeds no value (minus
    infinity, the dtype's least, False), or with NaN for none yet where `skipna` is given.
    """
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        state = carry[lo:hi]
        for i in range(rows):
            a, b = x[i, lo:hi], out[i, lo:hi]
            if skipna:
                for j in range(state.size):
                    m, v = state[j], a[j]
                    m = v if (v > m) | (m != m) else m
                    state[j] = m
                    b[j] = m
            else:
                for j in range(state.size):
                    m, v = state[j], a[j]
                    m = m if (m >= v) | (m != m) else v
                    state[j] = m
                    b[j] = m
