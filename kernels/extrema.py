"""Column-wise extremes and truth of one strip of rows, into running state.

The conventions, and the reasons for the form of the loops, are those of `reductions`.
"""

# ruff: noqa: PLR0124 - `v == v` is the test for NaN that costs nothing on integers.

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Bools, Ints, Labels

# Columns whose state is worked on at once, so that it stays in L1.
TILE = 512

kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def minimum(x: Array, skipna: bool, value: Array) -> None:
    """Update the least value of each column, as `numpy.minimum` or, with `skipna`, `numpy.fmin`.

    `value`, shape (cols,), has the dtype of `x`. The caller begins it with what no value exceeds
    (infinity, the dtype's largest, True), or with NaN where `skipna` is to leave NaN for columns
    that hold nothing else.
    """
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        m = value[lo:hi]
        for i in range(0, rows, 4):
            # Past the end the last row comes again, which changes nothing.
            k, n, o = min(i + 1, rows - 1), min(i + 2, rows - 1), min(i + 3, rows - 1)
            a, b, c, d = x[i, lo:hi], x[k, lo:hi], x[n, lo:hi], x[o, lo:hi]
            if skipna:
                for j in range(m.size):
                    m[j] = known_lower(
                        known_lower(known_lower(known_lower(m[j], a[j]), b[j]), c[j]), d[j]
                    )
            else:
                for j in range(m.size):
                    m[j] = lower(lower(lower(lower(m[j], a[j]), b[j]), c[j]), d[j])


@kernel
def maximum(x: Array, skipna: bool, value: Array) -> None:
    """Update the greatest value of each column, as `numpy.maximum` or, with `skipna`, `numpy.fmax`.

    `value` is as for `minimum`: it begins with what exceeds no value, or with NaN.
    """
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        m = value[lo:hi]
        for i in range(0, rows, 4):
            k, n, o = min(i + 1, rows - 1), min(i + 2, rows - 1), min(i + 3, rows - 1)
            a, b, c, d = x[i, lo:hi], x[k, lo:hi], x[n, lo:hi], x[o, lo:hi]
            if skipna:
                for j in range(m.size):
                    m[j] = known_upper(
                        known_upper(known_upper(known_upper(m[j], a[j]), b[j]), c[j]), d[j]
                    )
            else:
                for j in range(m.size):
                    m[j] = upper(upper(upper(upper(m[j], a[j]), b[j]), c[j]), d[j])


# `|` and not `or`: no branch, so that the comparisons become one vector select.
@kernel
def lower(m: Array, v: Array) -> Array:
    """Return the less of two numbers, NaN before all others."""
    return m if (m <= v) | (m != m) else v


@kernel
def known_lower(m: Array, v: Array) -> Array:
    """Return the less of two numbers that are not NaN."""
    return v if (v < m) | (m != m) else m


@kernel
def upper(m: Array, v: Array) -> Array:
    """Return the greater of two numbers, NaN before all others."""
    return m if (m >= v) | (m != m) else v


@kernel
def known_upper(m: Array, v: Array) -> Array:
    """Return the greater of two numbers that are not NaN."""
    return v if (v > m) | (m != m) else m


@kernel
def argmin(
    x: Array, skipna: bool, start: int, step: int, width: int, value: Array, index: Ints
) -> None:
    """Update where the least value of each column is, the first of equals.

    Parameters
    ----------
    x : ndarray, shape (rows, cols)
        A strip of fewer than 2**31 rows. Element (i, j) is of row
        ``start + i * step + j // width``.
    skipna : bool
        Pass over NaN; else the first NaN is taken, as by `numpy.argmin`.
    start, step, width : int
        Which row an element is of.
    value : ndarray of the dtype of x, shape (cols,)
        The least value so far; of no account where `index` is -1.
    index : ndarray of int64, shape (cols,)
        Its row, -1 for none yet.
    """
    rows, cols = x.shape
    if rows == 0:
        return
    at = np.empty(min(TILE, cols), np.int32)
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        m, here = value[lo:hi], at[: hi - lo]
        _begin(x[0, lo:hi], skipna, index[lo:hi], m, here)
        for i in range(rows):
            a, row = x[i, lo:hi], np.int32(i)
            if skipna:
                for j in range(m.size):
                    take = (a[j] < m[j]) | ((m[j] != m[j]) & (a[j] == a[j]))
                    m[j] = a[j] if take else m[j]
                    here[j] = row if take else here[j]
            else:
                for j in range(m.size):
                    keep = (m[j] <= a[j]) | (m[j] != m[j])
                    m[j] = m[j] if keep else a[j]
                    here[j] = here[j] if keep else row
        _settle(here, lo, start, step, width, index)


@kernel
def argmax(
    x: Array, skipna: bool, start: int, step: int, width: int, value: Array, index: Ints
) -> None:
    """Update where the greatest value of each column is, the first of equals: see `argmin`."""
    rows, cols = x.shape
    if rows == 0:
        return
    at = np.empty(min(TILE, cols), np.int32)
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        m, here = value[lo:hi], at[: hi - lo]
        _begin(x[0, lo:hi], skipna, index[lo:hi], m, here)
        for i in range(rows):
            a, row = x[i, lo:hi], np.int32(i)
            if skipna:
                for j in range(m.size):
                    take = (a[j] > m[j]) | ((m[j] != m[j]) & (a[j] == a[j]))
                    m[j] = a[j] if take else m[j]
                    here[j] = row if take else here[j]
            else:
                for j in range(m.size):
                    keep = (m[j] >= a[j]) | (m[j] != m[j])
                    m[j] = m[j] if keep else a[j]
                    here[j] = here[j] if keep else row
        _settle(here, lo, start, step, width, index)


@kernel
def _begin(a: Array, skipna: bool, index: Ints, value: Array, here: Labels) -> None:
    """Take the strip's first row where there is nothing yet; `here` is -1 where it is not taken."""
    for j in range(value.size):
        here[j] = -1
        if index[j] < 0:
            value[j] = a[j]
            if a[j] == a[j] or not skipna:
                here[j] = 0


@kernel
def _settle(here: Labels, lo: int, start: int, step: int, width: int, index: Ints) -> None:
    for j in range(here.size):
        if here[j] >= 0:
            index[lo + j] = start + here[j] * step + (lo + j) // width


@kernel
def any_true(x: Array, skipna: bool, found: Bools) -> None:
    """Set `found`, shape (cols,), where a column has a value that is not zero.

    NaN is true as in NumPy; with `skipna` it is passed over.
    """
    zero = x.dtype.type(0)
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        state = found[lo:hi]
        for i in range(rows):
            a = x[i, lo:hi]
            if skipna:
                for j in range(state.size):
                    state[j] = state[j] | ((a[j] != zero) & (a[j] == a[j]))
            else:
                for j in range(state.size):
                    state[j] = state[j] | (a[j] != zero)


@kernel
def all_true(x: Array, skipna: bool, found: Bools) -> None:  # noqa: ARG001
    """Clear `found`, shape (cols,), where a column has a zero.

    NaN is true as in NumPy, and to pass over it is the same, so `skipna` changes nothing: it is
    there because the kernels of a reduction are called alike.
    """
    zero = x.dtype.type(0)
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        state = found[lo:hi]
        for i in range(rows):
            a = x[i, lo:hi]
            for j in range(state.size):
                state[j] = state[j] & (a[j] != zero)
