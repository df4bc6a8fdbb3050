"""Column-wise counts, sums and squared deviations of one strip of rows, and their merging.

Strips, state and the shape of the loops are those of `reductions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sharedcompute.kernels.reductions import TILE, add, add_known, kernel

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Floats, Ints


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
def moments(x: Array, skipna: bool, count: Ints, total: Array, rest: Array, m2: Floats) -> None:
    """Update count, sum, what the mean is above it, and the sum of squared deviations.

    Parameters
    ----------
    x, skipna, count, total
        As for `sums`, which gives the same bits in `count` and `total`; `total` is float64 or
        complex128.
    rest : ndarray of the dtype of `total`, shape (cols,)
        The mean is ``total * (1 / count) + rest``, to digits of the spread: the first of the two
        has those of the mean only, and where the data are narrow and far from zero these are none.
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
    owns, centres, firsts = (
        np.empty(size, total.dtype),
        np.empty(size, total.dtype),
        np.empty(size, total.dtype),
    )
    seconds, knowns, befores = np.empty(size), np.empty(size, np.int64), np.empty(size, np.int64)
    for lo in range(0, cols, TILE):
        hi = min(lo + TILE, cols)
        n = count[lo:hi] if count.size == cols else count
        known, before = knowns[: n.size], befores[: n.size]
        own, centre = owns[: hi - lo], centres[: hi - lo]
        first, second = firsts[: hi - lo], seconds[: hi - lo]
        own[:], first[:], second[:], before[:] = 0, 0, 0, n
        if skipna:
            add_known(x, lo, hi, n, own)
            known[:] = n - before
            for j in range(own.size):
                centre[j] = own[j] * (1.0 / max(known[j], 1))
            deviate_known(x, lo, hi, centre, first, second)
        else:
            known[:] = rows
            add(x, lo, hi, own)
            one = 1.0 / rows
            for j in range(own.size):
                centre[j] = own[j] * one
            deviate(x, lo, hi, centre, first, second)
        _correct(known, first, second)
        _merge(before, total[lo:hi], rest[lo:hi], m2[lo:hi], known, own, first, second)
    if not skipna:
        count += rows


@kernel
def merge_moments(
    count: Ints,
    total: Array,
    rest: Array,
    m2: Floats,
    count_b: Ints,
    total_b: Array,
    rest_b: Array,
    m2_b: Floats,
) -> None:
    """Add the moments `b` to those before, in place: the pairwise update of `moments`."""
    _merge(count, total, rest, m2, count_b, total_b, rest_b, m2_b)
    count += count_b


@kernel
def _correct(known: Ints, first: Array, second: Floats) -> None:
    """Turn sums of deviations from a centre into what the mean is above it, and those from it."""
    for j in range(second.size):
        one = 1.0 / max(known[j if known.size == second.size else 0], 1)
        above = first[j] * one
        # Rounding may leave a constant column a little below zero; NaN must stay. Where the squares
        # overflow the correction may too: inf - inf.
        less: Array | float = second[j] - (first[j] * np.conj(above)).real
        less = 0.0 if less < 0 else less
        second[j] = less if second[j] < np.inf else second[j]
        first[j] = above


@kernel
def _merge(
    count: Ints,
    total: Array,
    rest: Array,
    m2: Floats,
    count_b: Ints,
    total_b: Array,
    rest_b: Array,
    m2_b: Floats,
) -> None:
    """Merge as `merge_moments`, except counts, of which there is one a column or one for all."""
    each = count.size == m2.size
    if each:
        for j in range(m2.size):
            total[j], rest[j], m2[j] = _merged(
                count[j], total[j], rest[j], m2[j], count_b[j], total_b[j], rest_b[j], m2_b[j]
            )
        return
    n, n_b = count[0], count_b[0]
    if n == 0:
        # Nothing to divide by. The loop below is for vectors, and has no branch.
        for j in range(m2.size):
            total[j] += total_b[j]
            rest[j], m2[j] = rest_b[j], m2_b[j]
        return
    if n_b == 0:
        return
    one, one_b, both = 1.0 / n, 1.0 / n_b, 1.0 / (n + n_b)
    share, weight = n_b * both, n * (n_b * both)
    for j in range(m2.size):
        mean, sum_ = total[j] * one, total[j] + total_b[j]
        apart = (total_b[j] * one_b - mean) + (rest_b[j] - rest[j])
        rest[j] = (mean - sum_ * both) + (rest[j] + apart * share)
        m2[j] += m2_b[j] + _square(apart) * weight
        total[j] = sum_


@kernel
def _merged(
    n: int,
    total: Array,
    rest: Array,
    m2: float,
    n_b: int,
    total_b: Array,
    rest_b: Array,
    m2_b: float,
) -> tuple[Array, Array, Array | float]:
    """Merge the moments of one column."""
    if n == 0:
        return total + total_b, rest_b, m2_b
    if n_b == 0:
        return total, rest, m2
    both = 1.0 / (n + n_b)
    share, mean, sum_ = n_b * both, total * (1.0 / n), total + total_b
    apart = (total_b * (1.0 / n_b) - mean) + (rest_b - rest)
    return (
        sum_,
        (mean - sum_ * both) + (rest + apart * share),
        m2 + (m2_b + _square(apart) * (n * share)),
    )


@kernel
def _square(d: Array | np.float64) -> Any:
    return (d * np.conj(d)).real


@kernel
def deviate(x: Array, lo: int, hi: int, centre: Array, first: Array, second: Floats) -> None:
    """Add deviations from `centre`, and their squares, of the columns from `lo` to `hi`."""
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
def deviate_known(x: Array, lo: int, hi: int, centre: Array, first: Array, second: Floats) -> None:
    """Add deviations of what is not NaN, as `deviate`."""
    kind = centre.dtype.type
    for i in range(x.shape[0]):
        a = x[i, lo:hi]
        for j in range(centre.size):
            p: Array | np.float64 = kind(a[j]) - centre[j]
            p = p if a[j] == a[j] else kind(0)
            first[j] += p
            second[j] += _square(p)
