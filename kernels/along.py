"""Reductions of each row of a strip by itself, into running state.

Every kernel takes a strip `x` of shape (rows, n), C-contiguous, and updates state arrays of shape
(rows,) in place: the same fields as the column-wise kernels of `reductions`, `variances` and
`extrema` have. How a row is added up depends on its dtype and its length alone, so that a strip may
be cut between any two rows.

A sum of floats waits for the one before: 4 GB/s of single precision, whatever the memory. So rows
are added up in *lanes* side by side: four or eight numbers, or from `LONG` on an array of `LANES`
by the column-wise kernels. Whole numbers, which may be added in any order, LLVM takes apart by
itself.
"""

# ruff: noqa: PLR0124 - `v == v` is the test for NaN that costs nothing on integers.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached
from sharedcompute.kernels.extrema import known_lower, known_upper, lower, maximum, minimum, upper
from sharedcompute.kernels.reductions import add, add_known
from sharedcompute.kernels.variances import deviate, deviate_known

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Bools, Floats, Ints

# Rows from which on an array of lanes is faster, threefold at 10,000. Before, its slices cost more:
# numba counts references to each, and so short rows are not even passed on, but `part` is inlined.
LONG = 1024
LANES = 64
# As many do for deviations, which take longer.
SPREAD = 512

kernel = cached(njit(nogil=True, error_model="numpy"))
part = njit(nogil=True, error_model="numpy", inline="always")


@kernel
def counts(x: Array, count: Ints) -> None:
    """Add the number of values that are not NaN in each row of `x` to `count`."""
    for i in range(x.shape[0]):
        a = x[i]
        known = 0
        for j in range(a.size):
            known += a[j] == a[j]
        count[i] += known


@kernel
def sums(x: Array, skipna: bool, count: Ints, total: Array) -> None:
    """Add the rows of `x` to `total`, and how many values were added to `count`.

    Parameters
    ----------
    x : ndarray, shape (rows, n)
        A strip of any numeric or boolean dtype.
    skipna : bool
        Pass over NaN; else every value counts.
    count : ndarray of int64, shape (rows,)
        How many values `total` holds. Without `skipna` one number may do for all: shape (1,).
    total : ndarray of float64, int64, uint64 or complex128, shape (rows,)
        The running sum. Integers wrap as in NumPy.
    """
    lanes, known = np.empty(LANES, total.dtype), np.empty(LANES, np.int64)
    rows, n = x.shape
    if _is_long(x, total):
        for i in range(rows):
            if skipna:
                some, sum_ = _sum_of_many_known(x[i], lanes, known)
                count[i] += some
                total[i] += sum_
            else:
                total[i] += _sum_of_many(x[i], lanes)
    elif skipna:
        for i in range(rows):
            some, sum_ = _sum_of_few_known(x[i], total.dtype.type)
            count[i] += some
            total[i] += sum_
    else:
        for i in range(rows):
            total[i] += _sum_of_few(x[i], total.dtype.type)
    if not skipna:
        count += n


@kernel
def exact_moments(x: Array, _skipna: bool, count: Ints, total: Array, squares: Array) -> None:
    """Update count, sum and sum of squares of integers, as `variances.exact_moments`."""
    kind = total.dtype.type
    for i in range(x.shape[0]):
        a = x[i]
        t, q = kind(0), kind(0)
        for j in range(a.size):
            k = kind(a[j])
            t += k
            q += k * k
        total[i] += t
        squares[i] += np.uint64(q)
    count += x.shape[1]


@kernel
def moments(x: Array, skipna: bool, count: Ints, total: Array, rest: Array, m2: Floats) -> None:
    """Set count, sum, what the mean is above it, and the sum of squared deviations.

    The fields are those of `variances.moments`, and hold nothing before; `count` and `total` get
    the same bits as by `sums`.
    """
    lanes, known = np.empty(LANES, total.dtype), np.empty(LANES, np.int64)
    firsts, seconds = np.empty(LANES, total.dtype), np.empty(LANES)
    rows, n = x.shape
    some, many = n, _is_long(x, total)
    for i in range(rows):
        a = x[i]
        if many:
            if skipna:
                some, own = _sum_of_many_known(a, lanes, known)
            else:
                own = _sum_of_many(a, lanes)
        elif skipna:
            some, own = _sum_of_few_known(a, total.dtype.type)
        else:
            own = _sum_of_few(a, total.dtype.type)
        one = 1.0 / max(some, 1)
        mean = own * one
        if n < SPREAD:
            first, second = _deviations_of_few(a, mean, skipna)
        else:
            lanes[:], firsts[:], seconds[:] = mean, 0, 0
            first, second = _deviations_of_many(a, skipna, lanes, firsts, seconds)
        above = first * one
        # As the column-wise moments correct the mean's rounding.
        less = second - (first * np.conj(above)).real
        less = 0.0 if less < 0 else less
        total[i] += own
        rest[i] = above
        m2[i] = less if second < np.inf else second
        if skipna:
            count[i] += some
    if not skipna:
        count += n


@kernel
def least(x: Array, skipna: bool, value: Array) -> None:
    """Update the least value of each row, as `extrema.minimum` does that of each column."""
    rows, n = x.shape
    lanes = np.empty(LANES, value.dtype)
    for i in range(rows):
        a = x[i]
        if n < LONG:
            value[i] = _least_of_few(a, skipna, value[i])
            continue
        whole, left = n - n % LANES, n % LANES
        lanes[:] = value[i]
        minimum(a[:whole].reshape((whole // LANES, LANES)), skipna, lanes)
        minimum(a[whole:].reshape((1, left)), skipna, lanes[:left])
        value[i] = _least_of_few(lanes, skipna, lanes[0])


@part
def _least_of_few(a: Array, skipna: bool, value: Array) -> Array:
    """Return the least of a short row, in four lanes."""
    w = x = y = z = value
    whole = a.size - a.size % 4
    if skipna:
        for j in range(0, whole, 4):
            w, x, y, z = (
                known_lower(w, a[j]),
                known_lower(x, a[j + 1]),
                known_lower(y, a[j + 2]),
                known_lower(z, a[j + 3]),
            )
        for j in range(whole, a.size):
            w = known_lower(w, a[j])
        return known_lower(known_lower(w, x), known_lower(y, z))
    for j in range(0, whole, 4):
        w, x, y, z = lower(w, a[j]), lower(x, a[j + 1]), lower(y, a[j + 2]), lower(z, a[j + 3])
    for j in range(whole, a.size):
        w = lower(w, a[j])
    return lower(lower(w, x), lower(y, z))


@kernel
def greatest(x: Array, skipna: bool, value: Array) -> None:
    """Update the greatest value of each row, as `extrema.maximum` does that of each column."""
    rows, n = x.shape
    lanes = np.empty(LANES, value.dtype)
    for i in range(rows):
        a = x[i]
        if n < LONG:
            value[i] = _greatest_of_few(a, skipna, value[i])
            continue
        whole, left = n - n % LANES, n % LANES
        lanes[:] = value[i]
        maximum(a[:whole].reshape((whole // LANES, LANES)), skipna, lanes)
        maximum(a[whole:].reshape((1, left)), skipna, lanes[:left])
        value[i] = _greatest_of_few(lanes, skipna, lanes[0])


@part
def _greatest_of_few(a: Array, skipna: bool, value: Array) -> Array:
    """Return the greatest of a short row, in four lanes."""
    w = x = y = z = value
    whole = a.size - a.size % 4
    if skipna:
        for j in range(0, whole, 4):
            w, x, y, z = (
                known_upper(w, a[j]),
                known_upper(x, a[j + 1]),
                known_upper(y, a[j + 2]),
                known_upper(z, a[j + 3]),
            )
        for j in range(whole, a.size):
            w = known_upper(w, a[j])
        return known_upper(known_upper(w, x), known_upper(y, z))
    for j in range(0, whole, 4):
        w, x, y, z = upper(w, a[j]), upper(x, a[j + 1]), upper(y, a[j + 2]), upper(z, a[j + 3])
    for j in range(whole, a.size):
        w = upper(w, a[j])
    return upper(upper(w, x), upper(y, z))


@kernel
def any_true(x: Array, skipna: bool, found: Bools) -> None:
    """Set `found` where a row has a value that is not zero, as `extrema.any_true`."""
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        a = x[i]
        here: Any = False
        for j in range(a.size):
            here |= (a[j] != zero) & ((a[j] == a[j]) | (not skipna))
        found[i] |= here


@kernel
def all_true(x: Array, skipna: bool, found: Bools) -> None:  # noqa: ARG001
    """Clear `found` where a row has a zero, as `extrema.all_true`."""
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        a = x[i]
        here: Any = True
        for j in range(a.size):
            here &= a[j] != zero
        found[i] &= here


@kernel
def _folded(lanes: Any) -> Any:
    """Add up lanes in a binary tree."""
    half = lanes.size
    while half > 1:
        half //= 2
        for k in range(half):
            lanes[k] += lanes[k + half]
    return lanes[0]


@kernel
def _is_long(x: Array, total: Array) -> bool:
    """Return whether rows are for an array of lanes: floats shorter than their sums, and many."""
    return x.shape[1] >= LONG and x.itemsize < total.itemsize and total.dtype.type(0.5) != 0


@kernel
def _sum_of_many(a: Array, lanes: Array) -> Any:
    """Return the sum of a long row."""
    n = a.size
    whole, left = n - n % LANES, n % LANES
    lanes[:] = 0
    add(a[:whole].reshape((whole // LANES, LANES)), 0, LANES, lanes)
    add(a[whole:].reshape((1, left)), 0, left, lanes[:left])
    return _folded(lanes)


@kernel
def _sum_of_many_known(a: Array, lanes: Array, known: Ints) -> tuple[int, Any]:
    """Return how many values of a long row are not NaN, and their sum."""
    n = a.size
    whole, left = n - n % LANES, n % LANES
    lanes[:], known[:] = 0, 0
    add_known(a[:whole].reshape((whole // LANES, LANES)), 0, LANES, known, lanes)
    add_known(a[whole:].reshape((1, left)), 0, left, known[:left], lanes[:left])
    return _folded(known), _folded(lanes)


@part
def _sum_of_few(a: Array, kind: Any) -> Any:
    """Return the sum of a row: in eight lanes, or of whole numbers as LLVM likes."""
    n = a.size
    s = t = u = v = p = q = r = o = rest = kind(0)
    whole = n - n % 8 if kind(0.5) != 0 else 0
    for j in range(0, whole, 8):
        s += kind(a[j])
        t += kind(a[j + 1])
        u += kind(a[j + 2])
        v += kind(a[j + 3])
        p += kind(a[j + 4])
        q += kind(a[j + 5])
        r += kind(a[j + 6])
        o += kind(a[j + 7])
    for j in range(whole, n):
        rest += kind(a[j])
    return (((s + t) + (u + v)) + ((p + q) + (r + o))) + rest


@part
def _sum_of_few_known(a: Array, kind: Any) -> tuple[int, Any]:
    """Return how many values of a row are not NaN, and their sum: in four lanes."""
    zero = kind(0)
    s = t = u = v = rest = zero
    count: Any = 0
    n = a.size
    whole = n - n % 4
    for j in range(0, whole, 4):
        w, x, y, z = kind(a[j]), kind(a[j + 1]), kind(a[j + 2]), kind(a[j + 3])
        s += w if w == w else zero
        t += x if x == x else zero
        u += y if y == y else zero
        v += z if z == z else zero
        count += np.int64(w == w) + np.int64(x == x) + np.int64(y == y) + np.int64(z == z)
    for j in range(whole, n):
        w = kind(a[j])
        rest += w if w == w else zero
        count += np.int64(w == w)
    return count, ((s + t) + (u + v)) + rest


@part
def _deviations_of_few(a: Array, mean: Any, skipna: bool) -> tuple[Any, Any]:
    """Return the sums of a row's deviations from its mean, and of their squares: in four lanes."""
    n = a.size
    whole = n - n % 4
    zero = mean * 0 if mean == mean and abs(mean) < np.inf else mean
    s = t = u = v = rest = zero
    f = g = h = k = last = 0.0
    for j in range(0, whole, 4):
        p, q, r, o = a[j] - mean, a[j + 1] - mean, a[j + 2] - mean, a[j + 3] - mean
        if skipna:
            p, q = p if a[j] == a[j] else zero, q if a[j + 1] == a[j + 1] else zero
            r, o = r if a[j + 2] == a[j + 2] else zero, o if a[j + 3] == a[j + 3] else zero
        s, t, u, v = s + p, t + q, u + r, v + o
        f, g = f + (p * np.conj(p)).real, g + (q * np.conj(q)).real
        h, k = h + (r * np.conj(r)).real, k + (o * np.conj(o)).real
    for j in range(whole, n):
        p = a[j] - mean
        p = p if a[j] == a[j] or not skipna else zero
        rest += p
        last += (p * np.conj(p)).real
    return ((s + t) + (u + v)) + rest, ((f + g) + (h + k)) + last


@kernel
def _deviations_of_many(
    a: Array, skipna: bool, centre: Array, firsts: Array, seconds: Floats
) -> tuple[Any, Any]:
    """Return what `_deviations_of_few` does, of a long row."""
    n = a.size
    whole, left = n - n % LANES, n % LANES
    middle, end = a[:whole].reshape((whole // LANES, LANES)), a[whole:].reshape((1, left))
    if skipna:
        deviate_known(middle, 0, LANES, centre, firsts, seconds)
        deviate_known(end, 0, left, centre[:left], firsts[:left], seconds[:left])
    else:
        deviate(middle, 0, LANES, centre, firsts, seconds)
        deviate(end, 0, left, centre[:left], firsts[:left], seconds[:left])
    return _folded(firsts), _folded(seconds)
