"""Maps of one element to one element, some with a value per column.

`x` and `out` are C-contiguous of shape (rows, cols). Arithmetic is done in float64 (complex128 for
complex `x`) whatever the dtypes are, and the result is converted to the dtype of `out` as C does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Floats

HALF, TOP = 2.0**63, np.uint64(2**63)

# The deviation of constant columns, in units of their mean, is below 2.5e-16 (1,000 to
# 3,000,000 rows).
NOISE = 8.9e-16

# error_model: 0 / 0 is NaN and 1 / 0 is infinite, as in NumPy.
kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def cast(x: Array, out: Array) -> None:
    """Convert `x` to the dtype of `out`."""
    v, w = x.reshape(x.size), out.reshape(out.size)
    for p in range(v.size):
        w[p] = v[p]


@kernel
def all_finite(x: Array) -> bool:
    """Return whether no element of `x`, shape (n,), is NaN or infinite.

    What is finite gives 0 times itself, and NaN stays NaN in a sum. In eight sums, which are one
    vector: no branch, so it runs as fast as memory does.
    """
    sums = np.zeros(8, x.dtype)
    whole = x.size // 8 * 8
    for p in range(0, whole, 8):
        for q in range(8):
            sums[q] += x[p + q] * x.dtype.type(0)
    for p in range(whole, x.size):
        sums[0] += x[p] * x.dtype.type(0)
    return bool(np.isfinite(sums.sum()))


@kernel
def narrow(x: Array, out: Array) -> None:
    """Convert real `x` to whole numbers of 8 or 16 bits: the low bits of 32, as compilers of C do.

    What does not fit is anything to LLVM: vectors of them would be saturated.
    """
    v, w = x.reshape(x.size), out.reshape(out.size)
    for p in range(v.size):
        w[p] = np.int32(v[p])


@kernel
def wrap(x: Array, out: Array) -> None:
    """Convert real `x` to the unsigned dtype of `out`: modulo ``2**32`` or ``2**64``, as C does.

    C says so of whole numbers only, and LLVM's direct conversion of negative ones depends on the
    processor: with AVX-512 all of them give the greatest number. So it goes through int64.
    """
    kind = out.dtype.type
    v, w = x.reshape(x.size), out.reshape(out.size)
    for p in range(v.size):
        a = np.float64(v[p])
        above = a >= HALF
        low = np.uint64(np.int64(a - HALF if above else a))
        w[p] = kind(low ^ TOP if above else low)


@kernel
def scale(x: Array, out: Array, factor: float, offset: float) -> None:
    """Compute ``out = x * factor + offset``."""
    v, w = x.reshape(x.size), out.reshape(out.size)
    a, b = np.float64(factor), np.float64(offset)
    for p in range(v.size):
        w[p] = v[p] * a + b


@kernel
def clip(x: Array, out: Array, lower: Array, upper: Array) -> None:
    """Clip as `numpy.clip`: NaN stays NaN, `upper` wins where it is below `lower`.

    `lower` and `upper` are scalars of the dtype of `x`.
    """
    v, w = x.reshape(x.size), out.reshape(out.size)
    for p in range(v.size):
        raised = lower if v[p] < lower else v[p]
        w[p] = upper if raised > upper else raised


@kernel
def threshold(x: Array, out: Array, level: Array, value: Array) -> None:
    """Copy `x` where it is above `level`, and write `value` elsewhere; NaN stays NaN.

    `level` and `value` are scalars of the dtype of `x`, so that large integers keep their bits.
    """
    v, w = x.reshape(x.size), out.reshape(out.size)
    for p in range(v.size):
        w[p] = value if v[p] <= level else v[p]


@kernel
def subtract_row(x: Array, out: Array, row: Array) -> None:
    """Compute ``out = x - row`` with `row` float64 or complex128 of shape (cols,)."""
    for i in range(x.shape[0]):
        a, b = x[i], out[i]
        for j in range(row.size):
            b[j] = a[j] - row[j]


@kernel
def flatfield(x: Array, out: Array, dark: Floats, gain: Floats) -> None:
    """Compute ``out = (x - dark) * gain`` with `dark` and `gain` of shape (cols,)."""
    for i in range(x.shape[0]):
        a, b = x[i], out[i]
        for j in range(dark.size):
            b[j] = (a[j] - dark[j]) * gain[j]


@kernel
def standardise(x: Array, out: Array, mean: Floats, std: Floats) -> None:
    """Compute ``out = (x - mean) / std`` as `scipy.stats.zscore`; both have shape (cols,).

    A column whose deviation is no more than the rounding of its mean gives NaN. Complex `x` is for
    the caller to view as pairs of floats: numba raises on complex division by zero in every error
    model.
    """
    for i in range(x.shape[0]):
        a, b = x[i], out[i]
        for j in range(mean.size):
            spread = std[j] if std[j] > NOISE * abs(mean[j]) else np.nan
            b[j] = (a[j] - mean[j]) / spread
