"""Reductions along the middle axis of an (outer, n, inner) array, into running state.

They are the column-wise kernels of `reductions`, `variances` and `extrema`, on one (n, inner) part
after the other: a part is a strip, whose columns have a state of their own, shape (outer * inner,).
So the bits of a part are its own, and `x` may be cut anywhere along the outer axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels import extrema, reductions, variances
from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Floats, Ints

kernel = cached(njit(nogil=True, error_model="numpy"))

add_sums, add_moments = reductions.sums, variances.moments
add_exact_moments = variances.exact_moments
add_least, add_greatest = extrema.minimum, extrema.maximum
add_counts = reductions.counts


@kernel
def counts(x: Array, count: Ints) -> None:
    """Add the number of values that are not NaN to `count`, shape (outer * inner,)."""
    inner = x.shape[2]
    for o in range(x.shape[0]):
        add_counts(x[o], count[o * inner : (o + 1) * inner])


@kernel
def sums(x: Array, skipna: bool, count: Ints, total: Array) -> None:
    """Update count and sum, as `reductions.sums`."""
    inner = x.shape[2]
    for o in range(x.shape[0]):
        lo, hi = o * inner, (o + 1) * inner
        known = count[lo:hi] if skipna else np.zeros(1, np.int64)
        add_sums(x[o], skipna, known, total[lo:hi])
    if not skipna:
        count += x.shape[1]


@kernel
def exact_moments(x: Array, skipna: bool, count: Ints, total: Array, squares: Array) -> None:
    """Update count, sum and sum of squares of integers, as `variances.exact_moments`."""
    inner = x.shape[2]
    for o in range(x.shape[0]):
        lo, hi = o * inner, (o + 1) * inner
        add_exact_moments(x[o], skipna, np.zeros(1, np.int64), total[lo:hi], squares[lo:hi])
    count += x.shape[1]


@kernel
def moments(x: Array, skipna: bool, count: Ints, total: Array, rest: Array, m2: Floats) -> None:
    """Update count, sum and deviations, as `variances.moments`."""
    inner = x.shape[2]
    for o in range(x.shape[0]):
        lo, hi = o * inner, (o + 1) * inner
        known = count[lo:hi] if skipna else np.zeros(1, np.int64)
        add_moments(x[o], skipna, known, total[lo:hi], rest[lo:hi], m2[lo:hi])
    if not skipna:
        count += x.shape[1]


@kernel
def least(x: Array, skipna: bool, value: Array) -> None:
    """Update the least value, as `extrema.minimum`."""
    inner = x.shape[2]
    for o in range(x.shape[0]):
        add_least(x[o], skipna, value[o * inner : (o + 1) * inner])


@kernel
def greatest(x: Array, skipna: bool, value: Array) -> None:
    """Update the greatest value, as `extrema.maximum`."""
    inner = x.shape[2]
    for o in range(x.shape[0]):
        add_greatest(x[o], skipna, value[o * inner : (o + 1) * inner])
