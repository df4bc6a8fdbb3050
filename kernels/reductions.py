"""Column-wise reductions of one strip of rows into running state.

Every kernel takes a strip `x` of shape (rows, cols), C-contiguous, and updates state arrays of
shape (cols,) in place, in row order. Nothing but the order of the rows (and, for `moments`, where
the strips are cut) decides the bits of a result: not the tile width, not the unrolling.

Two measured reasons shape the loops (f4 strip of 128 x 1024 in L2, one core, AVX-512):

* A row is taken as a 1-D slice (``x[i, lo:hi]``). Indexing ``x[i, j]`` makes numba test every
  ``j`` for wraparound, which LLVM does not vectorise: 10 GB/s in place of 80.
* Columns go in tiles whose state stays in L1, four rows to one load and store of the state.

NaN is found by ``v == v``, which LLVM folds to true for integers and booleans.
"""

# ruff: noqa: PLR0124 - `v == v` is the test for NaN that costs nothing on integers.

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sharedcompute.kernels.cache import cached

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Columns whose state is worked on at once: `moments` holds six float64 arrays of them, 24 KiB.
TILE = 512

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
        The running sum, added row by row. Integers wrap as in NumPy.
    """
    rows, cols = x.shape
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        if skipna:
            _add_known(x, lo, hi, count[lo:hi], total[lo:hi])
        else:
            _add(x, lo, hi, total[lo:hi])
    if not skipna:
        count += rows


@kernel
def _add(x: Array, lo: int, hi: int, total: Array) -> None:
    kind = total.dtype.type
    rows = x.shape[0]
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        a, b, c, d = x[i, lo:hi], x[i + 1, lo:hi], x[i + 2, lo:hi], x[i + 3, lo:hi]
        for j in range(total.size):
            t = total[j] + kind(a[j])
            t += kind(b[j])
            t += kind(c[j])
            total[j] = t + kind(d[j])
    for i in range(whole, rows):
        a = x[i, lo:hi]
        for j in range(total.size):
            total[j] += kind(a[j])


@kernel
def _add_known(x: Array, lo: int, hi: int, count: Ints, total: Array) -> None:
    kind = total.dtype.type
    zero = x.dtype.type(0)
    rows = x.shape[0]
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        a, b, c, d = x[i, lo:hi], x[i + 1, lo:hi], x[i + 2, lo:hi], x[i + 3, lo:hi]
        for j in range(total.size):
            p, q, r, s = a[j], b[j], c[j], d[j]
            t = total[j] + kind(p if p == p else zero)
            t += kind(q if q == q else zero)
            t += kind(r if r == r else zero)
            total[j] = t + kind(s if s == s else zero)
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


@kernel
def exact_moments(x: Array, _skipna: bool, count: Ints, total: Array, squares: Array) -> None:
    """Update count, sum and the sum of squares of integers, all exact.

    Parameters
    ----------
    x : ndarray, shape (rows, cols)
        A strip of booleans or of integers of up to 16 bits.
    count, total
        As for `sums`, which gives the same bits in `count` and `total`.
    squares : ndarray of uint64, shape (cols,)
        The sum of ``v ** 2``, modulo ``2 ** 64``: see `deviations`.
    """
    kind = total.dtype.type
    rows, cols = x.shape
    whole = rows - rows % 4
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        t, q = total[lo:hi], squares[lo:hi]
        for i in range(0, whole, 4):
            a, b, c, d = x[i, lo:hi], x[i + 1, lo:hi], x[i + 2, lo:hi], x[i + 3, lo:hi]
            for j in range(t.size):
                k, m, n, o = kind(a[j]), kind(b[j]), kind(c[j]), kind(d[j])
                t[j] += (k + m) + (n + o)
                q[j] += np.uint64((k * k + m * m) + (n * n + o * o))
        for i in range(whole, rows):
            a = x[i, lo:hi]
            for j in range(t.size):
                k = kind(a[j])
                t[j] += k
                q[j] += np.uint64(k * k)
    count += rows


@kernel
def deviations(count: Ints, total: Array, squares: Array, m2: Floats) -> None:
    """Work out the sums of squared deviations from the mean of integers from `exact_moments`.

    With an integer q next to the mean, ``sum((v - q) ** 2)`` is ``squares - q * (total + r)``,
    where ``r = total - n * q``. All of it is exact modulo ``2 ** 64``, so that it is exact where
    the sum itself fits; and taking off ``r * r / n``, at most half of it, costs no digits. So
    nothing is lost where the mean is large and the deviations are small.
    """
    for j in range(m2.size):
        n = count[j if count.size == m2.size else 0]
        t = np.int64(total[j])
        q = np.int64(np.rint(t / max(n, 1)))
        r = t - n * q
        about_q = squares[j] - np.uint64(q * (t + r))
        m2[j] = np.float64(about_q) - np.float64(r) * (np.float64(r) / max(n, 1))


@kernel
def moments(x: Array, skipna: bool, count: Ints, total: Array, m2: Floats) -> None:
    """Update count, sum and the sum of squared deviations from the mean.

    Parameters
    ----------
    x, skipna, count, total
        As for `sums`, which gives the same bits in `count` and `total`; `total` is float64 or
        complex128.
    m2 : ndarray of float64, shape (cols,)
        The sum of ``abs(v - mean) ** 2`` over all values seen so far.

    Notes
    -----
    A second pass over the strip, in cache, sums the deviations from the strip's own mean, with the
    correction of [2]_ for that mean's rounding; then the strip is merged into the state [1]_.

    References
    ----------
    .. [1] Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
       variances", Stanford STAN-CS-79-773, 1979, eq. 2.1.
    .. [2] Chan, Golub, LeVeque, "Algorithms for computing the sample variance", The American
       Statistician 37, 1983, eq. 1.7.
    """
    rows, cols = x.shape
    if rows == 0:
        return
    size = min(TILE, cols)
    # One by one: to numba the rows of one array, unpacked, are strided and not worth vectors.
    centres, firsts = np.empty(size, total.dtype), np.empty(size, total.dtype)
    sums_before, seconds = np.empty(size, total.dtype), np.empty(size)
    known_before, known_here = np.empty(size), np.full(size, np.float64(rows))
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        n = count[lo:hi] if count.size == cols else count
        sum_, squares = total[lo:hi], m2[lo:hi]
        before, here, sum_before = (
            known_before[: n.size],
            known_here[: n.size],
            sums_before[: hi - lo],
        )
        centre, first, second = centres[: hi - lo], firsts[: hi - lo], seconds[: hi - lo]
        before[:], sum_before[:], first[:], second[:] = n, sum_, 0, 0
        if skipna:
            _add_known(x, lo, hi, n, sum_)
            here[:] = n - before
        else:
            _add(x, lo, hi, sum_)
        # Without NaN left out there are as many values in all columns, so one divisor does.
        for j in range(centre.size):
            centre[j] = (sum_[j] - sum_before[j]) / (max(here[j], 1.0) if skipna else rows)
        if skipna:
            _deviate_known(x, lo, hi, centre, first, second)
        else:
            _deviate(x, lo, hi, centre, first, second)
        _merge(centre, first, second, here, sum_before, before, squares)
    if not skipna:
        count += rows


@kernel
def _merge(
    centre: Array,
    first: Array,
    second: Floats,
    here: Floats,
    sum_before: Array,
    before: Floats,
    squares: Floats,
) -> None:
    """Merge a strip into `squares`; `here` and `before` have a number for each column, or one."""
    if before.size == squares.size:
        for j in range(squares.size):
            squares[j] = _merged(
                centre[j], first[j], second[j], here[j], sum_before[j], before[j], squares[j]
            )
    else:
        n, m = here[0], before[0]
        for j in range(squares.size):
            squares[j] = _merged(centre[j], first[j], second[j], n, sum_before[j], m, squares[j])


@kernel
def merge_moments(
    count: Ints, total: Array, m2: Floats, count_b: Ints, total_b: Array, m2_b: Floats
) -> None:
    """Add the moments `b` to those before, in place: the pairwise update of `moments`."""
    for j in range(m2.size):
        k = j if count.size == m2.size else 0
        n, n_b = np.float64(count[k]), np.float64(count_b[k])
        apart = total_b[j] / max(n_b, 1.0) - total[j] / max(n, 1.0)
        # An empty side has no mean: 0 * inf of the other side would make NaN.
        between = _square(apart) * (n * (n_b / (n + n_b))) if n * n_b > 0 else 0.0
        m2[j] += m2_b[j] + between
        total[j] += total_b[j]
    count += count_b


@kernel
def _merged(
    centre: Any, first: Any, second: Any, here: Any, sum_before: Any, before: Any, squares: Any
) -> Any:
    """Add to `squares` of `before` values those of `here` values of a strip."""
    if here == 0:
        return squares
    # Rounding may leave a constant column a little below zero; NaN must stay. Where the squares
    # overflow the correction may too: inf - inf.
    less = second - _square(first) / here
    less = 0.0 if less < 0 else less
    spread = less if second < np.inf else second
    if before > 0:
        delta = centre + first / here - sum_before / before
        spread += squares + _square(delta) * (before * (here / (before + here)))
    return spread


@kernel
def _square(d: Any) -> Any:
    return (d * np.conj(d)).real


@kernel
def _deviate(x: Array, lo: int, hi: int, centre: Array, first: Array, second: Floats) -> None:
    kind = centre.dtype.type
    rows = x.shape[0]
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        a, b, c, d = x[i, lo:hi], x[i + 1, lo:hi], x[i + 2, lo:hi], x[i + 3, lo:hi]
        for j in range(centre.size):
            m = centre[j]
            p, q, r, s = kind(a[j]) - m, kind(b[j]) - m, kind(c[j]) - m, kind(d[j]) - m
            first[j] += (p + q) + (r + s)
            second[j] += (_square(p) + _square(q)) + (_square(r) + _square(s))
    for i in range(whole, rows):
        a = x[i, lo:hi]
        for j in range(centre.size):
            p = kind(a[j]) - centre[j]
            first[j] += p
            second[j] += _square(p)


@kernel
def _deviate_known(x: Array, lo: int, hi: int, centre: Array, first: Array, second: Floats) -> None:
    kind = centre.dtype.type
    for i in range(x.shape[0]):
        a = x[i, lo:hi]
        for j in range(centre.size):
            p = kind(a[j]) - centre[j]
            p = p if a[j] == a[j] else kind(0)
            first[j] += p
            second[j] += _square(p)
