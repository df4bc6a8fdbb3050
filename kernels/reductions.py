"""Column-wise reductions of one strip of rows into running state.

Every kernel takes a strip `x` of shape (rows, cols), C-contiguous, and updates state arrays of
shape (cols,) in place, in row order. Nothing but the order of the rows and where the strips are cut
decides the bits of a result: not the tile width.

Two measured reasons shape the loops (f4 strip of 128 x 1024 in L2, one core, AVX-512):

* A row is taken as a 1-D slice (``x[i, lo:hi]``). Indexing ``x[i, j]`` makes numba test every
  ``j`` for wraparound, which LLVM does not vectorise: 10 GB/s in place of 80.
* Columns go in tiles whose state stays in L1, four rows to one load and store of the state.

NaN is found by ``v == v``, which LLVM folds to true for integers and booleans.
"""

# ruff: noqa: PLR0124 - `v == v` is the test for NaN that costs nothing on integers.

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Ints

# Columns whose state is worked on at once: `variances.moments` holds seven float64 arrays of them,
# 28 KiB.
TILE = 512

# Rows that are added up at once.
GROUP = 4

kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def counts(x: Array, count: Ints) -> None:
    """Add the number of values that are not NaN in each column of `x` to `count`."""
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        known = count[lo:hi]
        for i in range(rows):
            a = x[i, lo:hi]
            for j in range(known.size):
                known[j] += a[j] == a[j]


@kernel
def sums(x: Array, skipna: bool, count: Ints, total: Array) -> None:
    """Add the columns of `x` to `total`, and how many values were added to `count`.

    Parameters
    ----------
    x : ndarray, shape (rows, cols)
        A strip of any numeric or boolean dtype.
    skipna : bool
        Pass over NaN; else every row counts.
    count : ndarray of int64, shape (cols,)
        How many values `total` holds. Without `skipna` one number may do for all: shape (1,).
    total : ndarray of float64, int64, uint64 or complex128, shape (cols,)
        The running sum. Integers wrap as in NumPy. Four rows are added up first, and then those
        of the strip: what is rounded is small, as in NumPy's pairwise sums.
    """
    rows, cols = x.shape
    apart = rows > GROUP or skipna
    own = np.empty(min(TILE, cols), total.dtype)
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        sum_ = total[lo:hi]
        here = own[: hi - lo] if apart else sum_
        if apart:
            here[:] = 0
        if skipna:
            add_known(x, lo, hi, count[lo:hi], here)
        else:
            add(x, lo, hi, here)
        if apart:
            for j in range(here.size):
                sum_[j] += here[j]
    if not skipna:
        count += rows


@kernel
def add(x: Array, lo: int, hi: int, total: Array) -> None:
    """Add the rows of the columns from `lo` to `hi` to `total`."""
    kind = total.dtype.type
    rows = x.shape[0]
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        a, b, c, d = x[i, lo:hi], x[i + 1, lo:hi], x[i + 2, lo:hi], x[i + 3, lo:hi]
        for j in range(total.size):
            total[j] += (kind(a[j]) + kind(b[j])) + (kind(c[j]) + kind(d[j]))
    left = rows - whole
    if left == 1:
        a = x[whole, lo:hi]
        for j in range(total.size):
            total[j] += kind(a[j])
    elif left == 2:
        a, b = x[whole, lo:hi], x[whole + 1, lo:hi]
        for j in range(total.size):
            total[j] += kind(a[j]) + kind(b[j])
    elif left == 3:
        a, b, c = x[whole, lo:hi], x[whole + 1, lo:hi], x[whole + 2, lo:hi]
        for j in range(total.size):
            total[j] += (kind(a[j]) + kind(b[j])) + kind(c[j])


@kernel
def add_known(x: Array, lo: int, hi: int, count: Ints, total: Array) -> None:
    """Add what is not NaN in the columns from `lo` to `hi` to `total`, and count it."""
    kind = total.dtype.type
    zero = x.dtype.type(0)
    rows = x.shape[0]
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        a, b, c, d = x[i, lo:hi], x[i + 1, lo:hi], x[i + 2, lo:hi], x[i + 3, lo:hi]
        for j in range(total.size):
            p, q, r, s = a[j], b[j], c[j], d[j]
            u = kind(p if p == p else zero) + kind(q if q == q else zero)
            v = kind(r if r == r else zero) + kind(s if s == s else zero)
            total[j] += u + v
            count[j] += np.int64(p == p) + np.int64(q == q) + np.int64(r == r) + np.int64(s == s)
    for i in range(whole, rows):
        a = x[i, lo:hi]
        for j in range(total.size):
            p = a[j]
            total[j] += kind(p if p == p else zero)
            count[j] += p == p


@kernel
def products(x: Array, skipna: bool, total: Array) -> None:
    """Multiply `total`, shape (cols,), by the columns of `x`, row by row.

    `total` is float64, int64 (wraps as in NumPy), uint64 or complex128. With `skipna` NaN counts
    as one.
    """
    kind = total.dtype.type
    one = x.dtype.type(1)
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        state = total[lo:hi]
        for i in range(rows):
            a = x[i, lo:hi]
            if skipna:
                for j in range(state.size):
                    state[j] *= kind(a[j] if a[j] == a[j] else one)
            else:
                for j in range(state.size):
                    state[j] *= kind(a[j])
