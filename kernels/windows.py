"""The value of a given rank in a moving window of any shape, over an array of any dimension."""

# ruff: noqa: PLR0124 - `v == v` is the test for NaN that costs nothing on integers.

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Ints

# Neighbouring outputs that are sorted side by side, one per lane of the buffer: as many as keep it
# in L1 (bytes), within bounds.
LANES = 512
BUFFER = 32768
# Windows of more elements are selected from one by one, as passes cost the square of their size.
# Median of f4 in ns, side by side (one by one): 3 x 3 3 (98), 7 x 7 65 (690), 11 x 11 420 (1600).
PASSES = 256

# Outputs whose keys are bisected side by side: two or four vectors of counts.
KEY_LANES = 64

kernel = cached(njit(nogil=True))


@kernel
def rank_window(
    padded: Array,
    out: Array,
    offsets: Ints,
    out_shape: Ints,
    strides: Ints,
    rank: int,
) -> None:
    """Write the element of rank `rank` of each window.

    Parameters
    ----------
    padded : ndarray, 1-D
        The array with its edges filled in, flat, C order. Real or boolean.
    out : ndarray, 1-D
        Flat, C order, of the dtype of `padded` or one it converts to.
    offsets : ndarray of int64
        Where the window's elements lie in `padded` from the window's first position on.
    out_shape : ndarray of int64, shape (ndim,)
        The shape of `out`.
    strides : ndarray of int64, shape (ndim,)
        How many elements of `padded` one step along each dimension is.
    rank : int
        From 0, the least, to ``len(offsets) - 1``. NaN is sorted last, as by `numpy.sort`.

    Notes
    -----
    Small windows are sorted as far as `rank` by passes of compare and exchange, the same for each
    of a run of neighbouring outputs, so that they run as vector minima and maxima. Large ones are
    selected from by quickselect [1]_.

    References
    ----------
    .. [1] Hoare, "Algorithm 65: find", Communications of the ACM 4, 1961.
    """
    length = out_shape[-1]
    size = offsets.size
    fit = BUFFER // (max(size, 1) * padded.itemsize) // 16 * 16
    lanes = min(length, max(32, min(LANES, fit)))
    if out.size == 0:
        return
    buffer = np.empty((size if size <= PASSES else 0, lanes), padded.dtype)
    window = np.empty(size, padded.dtype)
    at = np.zeros_like(out_shape)
    for line in range(out.size // length):
        begin = 0
        for k in range(at.size - 1):
            begin += at[k] * strides[k]
        target = out[line * length : (line + 1) * length]
        if size <= PASSES:
            for j in range(0, length, lanes):
                some = target[j : j + lanes]
                _rank_lanes(
                    padded, begin + j * strides[-1], strides[-1], offsets, rank, buffer, some
                )
        else:
            for j in range(length):
                for k in range(size):
                    window[k] = padded[begin + j * strides[-1] + offsets[k]]
                target[j] = _select(window, rank)
        _advance(at, out_shape)


@kernel
def rank_keys(
    keys: Array,
    out: Array,
    offsets: Ints,
    out_shape: Ints,
    strides: Ints,
    rank: int,
) -> None:
    """Write the key of rank `rank` of each window of unsigned keys.

    Parameters are those of `rank_window`, but for `keys` and `out`: unsigned integers.

    Notes
    -----
    The key is found bit by bit: how many keys of the window lie below a middle, for a run of
    neighbouring outputs at once, so that it runs as vector compares. It reads the window once for
    each bit, whatever its size: 3 ns for each element of 32 bits, where `rank_window` takes 12.
    """
    length = out_shape[-1]
    if out.size == 0:
        return
    lanes = min(length, KEY_LANES)
    middle, below = np.empty(lanes, keys.dtype), np.empty(lanes, np.int32)
    at = np.zeros_like(out_shape)
    for line in range(out.size // length):
        begin = 0
        for k in range(at.size - 1):
            begin += at[k] * strides[k]
        for j in range(0, length, lanes):
            n = min(lanes, length - j)
            some = out[line * length + j : line * length + j + n]
            _bisect(keys, begin + j, offsets, rank, some, middle[:n], below[:n])
        _advance(at, out_shape)


@kernel
def _bisect(
    keys: Array, begin: int, offsets: Ints, rank: int, found: Array, middle: Array, below: Ints
) -> None:
    """Find the keys of one run of outputs, whose windows begin side by side from `begin` on."""
    lanes = found.size
    for j in range(lanes):
        found[j] = 0
    for bit in range(8 * keys.itemsize - 1, -1, -1):
        half = (1 << bit) - 1
        for j in range(lanes):
            middle[j] = found[j] + half
            below[j] = 0
        for k in range(offsets.size):
            first = begin + offsets[k]
            row = keys[first : first + lanes]
            for j in range(lanes):
                below[j] += row[j] <= middle[j]
        for j in range(lanes):
            if below[j] <= rank:
                found[j] = middle[j] + 1


@kernel
def _advance(at: Ints, shape: Ints) -> None:
    """Step to the next line: count up in the dimensions before the last one."""
    for k in range(at.size - 2, -1, -1):
        at[k] += 1
        if at[k] < shape[k]:
            return
        at[k] = 0


@kernel
def _rank_lanes(
    padded: Array, begin: int, stride: int, offsets: Ints, rank: int, buffer: Array, out: Array
) -> None:
    """Rank windows that begin `stride` apart; row k of `buffer` is to hold their elements k."""
    size, lanes = offsets.size, out.size
    for k in range(size):
        row = buffer[k, :lanes]
        first = begin + offsets[k]
        source = padded[first : first + (lanes - 1) * stride + 1]
        if stride == 1:
            for j in range(lanes):
                row[j] = source[j]
        else:
            for j in range(lanes):
                row[j] = source[j * stride]
    if rank < size - rank:
        # The least of rows k on goes to row k, for k = 0 ... rank.
        for k in range(rank + 1):
            _sink(buffer, k, k + 1, size, False)
    else:
        # The greatest of rows 0 to k goes to row k, for k = size - 1 ... rank.
        for k in range(size - 1, rank - 1, -1):
            _sink(buffer, k, 0, k, True)
    row = buffer[rank, :lanes]
    for j in range(lanes):
        out[j] = row[j]


@kernel
def _sink(buffer: Array, k: int, start: int, stop: int, greatest: bool) -> None:
    """Exchange rows `start` to `stop` with row `k` so that it gets the least or greatest of them.

    Three rows to one load and store of row `k`; with four LLVM gives up on proving that the rows do
    not overlap. NaN is greater than all.
    """
    best = buffer[k]
    whole = stop - (stop - start) % 3
    for i in range(start, whole, 3):
        a, b, c = buffer[i], buffer[i + 1], buffer[i + 2]
        if greatest:
            for j in range(best.size):
                m = best[j]
                a[j], m = _least(a[j], m), _greatest(a[j], m)
                b[j], m = _least(b[j], m), _greatest(b[j], m)
                c[j], best[j] = _least(c[j], m), _greatest(c[j], m)
        else:
            for j in range(best.size):
                m = best[j]
                a[j], m = _greatest(m, a[j]), _least(m, a[j])
                b[j], m = _greatest(m, b[j]), _least(m, b[j])
                c[j], best[j] = _greatest(m, c[j]), _least(m, c[j])
    for i in range(whole, stop):
        a = buffer[i]
        if greatest:
            for j in range(best.size):
                a[j], best[j] = _least(a[j], best[j]), _greatest(a[j], best[j])
        else:
            for j in range(best.size):
                a[j], best[j] = _greatest(best[j], a[j]), _least(best[j], a[j])


@kernel
def _least(a: Array, b: Array) -> Array:
    return a if (a <= b) | (b != b) else b


@kernel
def _greatest(a: Array, b: Array) -> Array:
    return b if (a <= b) | (b != b) else a


@kernel
def _select(a: Array, rank: int) -> Array:
    """Quickselect with the median of three as pivot; `a` is reordered. NaN goes last."""
    low, high = 0, _nan_last(a) - 1
    if rank > high:
        return a[rank]
    while low < high:
        pivot = _median_of_three(a[low], a[(low + high) // 2], a[high])
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return a[rank]


@kernel
def _median_of_three(a: Array, b: Array, c: Array) -> Array:
    if b < a:
        a, b = b, a
    if c < b:
        return a if c < a else c
    return b


@kernel
def _nan_last(a: Array) -> int:
    """Move NaN to the end and return how many values are before it."""
    n = a.size
    k = 0
    while k < n:
        if a[k] != a[k]:
            n -= 1
            a[k], a[n] = a[n], a[k]
        else:
            k += 1
    return n
