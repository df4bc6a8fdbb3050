"""Packed numbers to what they mean, as the CF conventions store them.

`x` and `out` are C-contiguous, of one shape. `missing`, of shape (n,), holds the numbers that stand
for no value, in the dtype that the elements of `x` are meant in: an element of `x` is compared and
converted as one of that dtype, of the same size (bytes that are meant unsigned, a boolean as 0 and
1).

The elements are gone through once to convert them and once for each number in `missing`: such loops
are vectorised, one with an inner loop over `missing` is not, and strips are in cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array

kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def mask(x: Array, out: Array, missing: Array, instead: Array) -> None:
    """Copy `x` in the dtype of `out`, and write `instead` where it is one of `missing`."""
    v, w = x.reshape(x.size).view(missing.dtype), out.reshape(out.size)
    for p in range(v.size):
        w[p] = v[p]
    for k in range(missing.size):
        m = missing[k]
        for p in range(v.size):
            w[p] = instead if v[p] == m else w[p]


@kernel
def unpack(x: Array, out: Array, missing: Array, factor: float, offset: float) -> None:
    """Compute ``out = x * factor + offset``, NaN where `x` is one of `missing`.

    As NumPy does it in place: `x` is first converted to the dtype of `out`, and each of the two
    results is rounded to that dtype, also where `factor` and `offset` are more precise.
    """
    kind = out.dtype.type
    nan = kind(np.nan)
    v, w = x.reshape(x.size).view(missing.dtype), out.reshape(out.size)
    for p in range(v.size):
        scaled = kind(kind(v[p]) * factor)
        w[p] = kind(scaled + offset)
    for k in range(missing.size):
        m = missing[k]
        for p in range(v.size):
            w[p] = nan if v[p] == m else w[p]
