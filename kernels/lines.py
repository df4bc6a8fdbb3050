"""One-dimensional filters along the middle axis of an (outer, n, inner) array.

The edges are the caller's: `table` holds the index of `x` at each position of the extended
axis, so that one kernel serves every mode of scipy.ndimage, blocks with a halo, and cut windows.

`x` and `out` are real. A complex array is viewed as floats, (outer, n, inner * 2), which is how
scipy.ndimage filters it: real and imaginary parts apart.

How it runs: a panel of `width` neighbouring inner positions is gathered into a float64 buffer, the
edges filled in, so that each value is looked up and converted once and not once per weight. In the
buffer a step along the filtered axis is a step of `width`, the same for ``inner == 1`` (width 1)
and for wide arrays: one flat loop over neighbouring elements, which vectorises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Floats, Ints

# float64 elements of the rows that one output row reads: 24 KiB, so that they stay in L1.
WINDOW = 3072
# Outputs accumulated at once: 16 KiB. Shorter ones cost (numba counts references to each slice).
SEGMENT = 2048
# The least number of outputs of a panel, if there are so many.
PANEL = 8192

# scipy.ndimage calls weights symmetric within this (DBL_EPSILON), and so must we for equal bits.
EPSILON = 2.220446049250313e-16

kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def correlate_lines(x: Array, out: Array, weights: Floats, table: Ints, cval: float) -> None:
    """Correlate along the middle axis: ``out[o, i, j] = sum_k weights[k] * x[o, table[i + k], j]``.

    Sums are in float64 and in the order of scipy.ndimage's ``NI_Correlate1D``, so that they have
    the same bits as `scipy.ndimage.correlate1d` where that was compiled without fused operations.

    Parameters
    ----------
    x : ndarray, shape (outer, n, inner)
        Real or boolean.
    out : ndarray, shape (outer, m, inner)
        Converted to its dtype as C does: integers are cut towards zero.
    weights : ndarray of float64, shape (2 * r + 1,)
        An odd number of weights.
    table : ndarray of int64, shape (m + 2 * r,)
        For each extended position the index of `x` along the middle axis, or -1 for `cval`.
    cval : float
        The constant value.
    """
    outer, inner = x.shape[0], x.shape[2]
    m, taps = out.shape[1], weights.size
    symmetry, run = _symmetry(weights), _runs(table)
    width, height = _panel(m, inner, taps)
    extended = _aligned((height + taps - 1) * width)
    acc = _aligned(min(SEGMENT, height * width))
    for o in range(outer):
        for left in range(0, inner, width):
            right = min(left + width, inner)
            for top in range(0, m, height):
                bottom = min(top + height, m)
                end = bottom + taps - 1
                _gather(x[o], table[top:end], run[top:end], left, right, cval, extended)
                step = right - left
                for p in range(0, (bottom - top) * step, SEGMENT):
                    some = acc[: min(SEGMENT, (bottom - top) * step - p)]
                    if symmetry == 0:
                        _correlate(extended, p, step, weights, some)
                    else:
                        _correlate_pairs(extended, p, step, weights, symmetry, some)
                    _store(some, p, out[o, top:bottom], left, right)


@kernel
def _aligned(n: int) -> Floats:
    """Allocate `n` float64 from a cache line on: twice as fast, as panels are whole lines wide."""
    room = np.empty(n + 8)
    begin = -(room.ctypes.data // 8) % 8
    return room[begin : begin + n]


@kernel
def _symmetry(weights: Floats) -> int:
    """Tell symmetric (1), antisymmetric (-1) and other (0) weights apart, as scipy.ndimage does."""
    r = weights.size // 2
    even = odd = True
    for k in range(1, r + 1):
        even = even and abs(weights[r + k] - weights[r - k]) <= EPSILON
        odd = odd and abs(weights[r + k] + weights[r - k]) <= EPSILON
    return 1 if even else (-1 if odd else 0)


@kernel
def _panel(m: int, inner: int, taps: int) -> tuple[int, int]:
    """Choose how many inner positions and outputs along the axis are worked on at once."""
    # At least a cache line of float32, so that narrow panels do not read lines twice.
    width = min(inner, max(16, WINDOW // taps // 16 * 16))
    # What neighbouring panels gather twice is kept to an eighth of the work on wide windows.
    return max(width, 1), max(1, min(m, max(PANEL // max(width, 1), 4 * taps)))


@kernel
def _runs(table: Ints) -> Ints:
    """Count the positions from each one on that are neighbours in `x` too, itself included."""
    run = np.ones_like(table)
    for i in range(table.size - 2, -1, -1):
        if table[i] >= 0 and table[i + 1] == table[i] + 1:
            run[i] = run[i + 1] + 1
    return run


@kernel
def _gather(
    x: Array, table: Ints, run: Ints, left: int, right: int, cval: float, extended: Floats
) -> None:
    """Put the panel's columns of `x` into `extended`, row after row of the extended axis."""
    width, inner = right - left, x.shape[1]
    flat = x.reshape(x.size)
    i = 0
    while i < table.size:
        # Where the panel is as wide as `x`, neighbouring rows are one piece.
        rows = min(run[i], table.size - i) if width == inner else 1
        row = extended[i * width : (i + rows) * width]
        if table[i] < 0:
            row[:] = cval
        else:
            begin = table[i] * inner + left
            source = flat[begin : begin + row.size]
            for j in range(row.size):
                row[j] = np.float64(source[j])
        i += rows


@kernel
def _correlate_pairs(
    extended: Floats, p: int, step: int, weights: Floats, sign: int, acc: Floats
) -> None:
    """Take the middle first, then pairs from the outermost inwards, as scipy.ndimage does."""
    n, r = acc.size, weights.size // 2
    middle = extended[p + r * step : p + r * step + n]
    for q in range(n):
        acc[q] = middle[q] * weights[r]
    whole = r - r % 4
    for k in range(0, whole, 4):
        _add_pairs(extended, p, step, weights, k, sign, acc)
    for k in range(whole, r):
        a = extended[p + k * step : p + k * step + n]
        z = extended[p + (2 * r - k) * step : p + (2 * r - k) * step + n]
        w = weights[k]
        for q in range(n):
            acc[q] += (a[q] + sign * z[q]) * w


@kernel
def _add_pairs(
    extended: Floats, p: int, step: int, weights: Floats, k: int, sign: int, acc: Floats
) -> None:
    """Four pairs of weights to one load and store of the accumulators."""
    n = acc.size
    s0, s1, s2, s3 = p + k * step, p + (k + 1) * step, p + (k + 2) * step, p + (k + 3) * step
    end = 2 * p + (weights.size - 1) * step
    a, b, c, d = (
        extended[s0 : s0 + n],
        extended[s1 : s1 + n],
        extended[s2 : s2 + n],
        extended[s3 : s3 + n],
    )
    e, f, g, h = (
        extended[end - s0 : end - s0 + n],
        extended[end - s1 : end - s1 + n],
        extended[end - s2 : end - s2 + n],
        extended[end - s3 : end - s3 + n],
    )
    w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
    if sign > 0:
        for q in range(n):
            t = acc[q] + (a[q] + e[q]) * w0
            t += (b[q] + f[q]) * w1
            t += (c[q] + g[q]) * w2
            acc[q] = t + (d[q] + h[q]) * w3
    else:
        for q in range(n):
            t = acc[q] + (a[q] - e[q]) * w0
            t += (b[q] - f[q]) * w1
            t += (c[q] - g[q]) * w2
            acc[q] = t + (d[q] - h[q]) * w3


@kernel
def _correlate(extended: Floats, p: int, step: int, weights: Floats, acc: Floats) -> None:
    """Take the last weight first, then the others in order, as scipy.ndimage does."""
    n, last = acc.size, weights.size - 1
    a = extended[p + last * step : p + last * step + n]
    for q in range(n):
        acc[q] = a[q] * weights[last]
    for k in range(last):
        a, w = extended[p + k * step : p + k * step + n], weights[k]
        for q in range(n):
            acc[q] += a[q] * w


@kernel
def _store(acc: Floats, p: int, out: Array, left: int, right: int) -> None:
    """Put the outputs from flat position `p` of the panel on where they belong."""
    width = right - left
    if width == out.shape[1]:
        flat = out.reshape(out.size)[p : p + acc.size]
        for q in range(acc.size):
            flat[q] = acc[q]
        return
    q = 0
    while q < acc.size:
        i, j = (p + q) // width, (p + q) % width
        n = min(width - j, acc.size - q)
        row, some = out[i, left + j : left + j + n], acc[q : q + n]
        for k in range(n):
            row[k] = some[k]
        q += n


@kernel
def uniform_lines(x: Array, out: Array, size: int, table: Ints, cval: float) -> None:
    """Mean over a window of `size` along the middle axis.

    Parameters
    ----------
    x : ndarray, shape (outer, n, inner)
        Real or boolean.
    out : ndarray, shape (outer, m, inner)
        Converted to its dtype as C does.
    size : int
        At least 1. Output i is the mean of the extended positions i to ``i + size - 1``.
    table : ndarray of int64, shape (m + size - 1,)
        For each extended position the index of `x` along the middle axis, or -1 for `cval`.
    cval : float
        The constant value.

    Notes
    -----
    The sums of 1, 2, 4, ... neighbours are made by doubling, and those that `size` has in binary
    are added: log2(size) additions, in an order that depends on `size` alone. A running sum, as in
    scipy.ndimage, costs less for large windows, but carries a NaN and rounding along the line, and
    gives other bits where a line is begun elsewhere.
    """
    outer, inner = x.shape[0], x.shape[2]
    m, run = out.shape[1], _runs(table)
    width = min(inner, max(16, min(256, PANEL // size // 16 * 16)))
    height = max(1, min(m, max(PANEL // max(width, 1), 4 * size)))
    extended = _aligned((height + size - 1) * width)
    other = _aligned(extended.size)
    acc = _aligned(height * width)
    for o in range(outer):
        for left in range(0, inner, max(width, 1)):
            right = min(left + width, inner)
            for top in range(0, m, height):
                bottom = min(top + height, m)
                step, rows = right - left, bottom - top
                end = bottom + size - 1
                _gather(x[o], table[top:end], run[top:end], left, right, cval, extended)
                n, some = (rows + size - 1) * step, acc[: rows * step]
                _windows(extended[:n], other[:n], step, size, some)
                _store(some, 0, out[o, top:bottom], left, right)


@kernel
def _windows(sums: Floats, other: Floats, step: int, size: int, acc: Floats) -> None:
    """Compute means of `size` positions `step` apart; `sums` and `other` are overwritten."""
    acc[:] = 0.0
    begin, bit = 0, 1
    while bit <= size:
        # Here sums[q] is the sum of `bit` positions from q on, as far as there are so many.
        if size & bit:
            some = sums[begin * step : begin * step + acc.size]
            for q in range(acc.size):
                acc[q] += some[q]
            begin += bit
        if 2 * bit <= size:
            # Into the other buffer: in place the loop would not be vectorised.
            n = sums.size - (2 * bit - 1) * step
            _add(sums[:n], sums[bit * step : bit * step + n], other[:n])
            sums, other = other, sums
        bit *= 2
    for q in range(acc.size):
        acc[q] /= size


@kernel
def _add(a: Floats, b: Floats, total: Floats) -> None:
    for q in range(total.size):
        total[q] = a[q] + b[q]
