"""HDF5's own filters: the byte shuffle, and the Fletcher checksum.

All arrays are one-dimensional uint8. The shuffle of n items of w bytes is w planes of n bytes, the
first bytes of all items first. Bytes after the last whole item stay where they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sharedcompute.kernels.cache import cached

Bytes = NDArray[np.uint8]

kernel = cached(njit(nogil=True, boundscheck=False))

TILE = 512
"""Items, or words, in hand at a time: they stay in cache, and the sums of a checksum in 64 bits."""


@kernel
def unshuffle(data: Bytes, itemsize: int, out: Bytes) -> None:
    """Put the items of `data` together again: what `shuffle` made into planes.

    The loops over a constant width are vectorised: 70 GB/s in cache where the general one has 6.
    """
    n = data.size // itemsize
    a, b = data[:n], data[n : 2 * n]
    if itemsize == 2:
        for i in range(n):
            out[2 * i], out[2 * i + 1] = a[i], b[i]
    elif itemsize == 4:
        c, d = data[2 * n : 3 * n], data[3 * n : 4 * n]
        for i in range(n):
            out[4 * i], out[4 * i + 1], out[4 * i + 2], out[4 * i + 3] = a[i], b[i], c[i], d[i]
    elif itemsize == 8:
        c, d = data[2 * n : 3 * n], data[3 * n : 4 * n]
        e, f = data[4 * n : 5 * n], data[5 * n : 6 * n]
        g, h = data[6 * n : 7 * n], data[7 * n : 8 * n]
        for i in range(n):
            out[8 * i], out[8 * i + 1], out[8 * i + 2], out[8 * i + 3] = a[i], b[i], c[i], d[i]
            out[8 * i + 4], out[8 * i + 5], out[8 * i + 6], out[8 * i + 7] = e[i], f[i], g[i], h[i]
    else:
        for low in range(0, n, TILE):
            count = min(TILE, n - low)
            for k in range(itemsize):
                plane = data[k * n + low : k * n + low + count]
                items = out[low * itemsize + k : (low + count) * itemsize]
                for i in range(count):
                    items[i * itemsize] = plane[i]
    out[n * itemsize : data.size] = data[n * itemsize :]


@kernel
def shuffle(data: Bytes, itemsize: int, out: Bytes) -> None:
    """Put the bytes of the items of `data` into planes."""
    n = data.size // itemsize
    a, b = out[:n], out[n : 2 * n]
    if itemsize == 2:
        for i in range(n):
            a[i], b[i] = data[2 * i], data[2 * i + 1]
    elif itemsize == 4:
        c, d = out[2 * n : 3 * n], out[3 * n : 4 * n]
        for i in range(n):
            a[i], b[i], c[i], d[i] = data[4 * i], data[4 * i + 1], data[4 * i + 2], data[4 * i + 3]
    elif itemsize == 8:
        c, d = out[2 * n : 3 * n], out[3 * n : 4 * n]
        e, f = out[4 * n : 5 * n], out[5 * n : 6 * n]
        g, h = out[6 * n : 7 * n], out[7 * n : 8 * n]
        for i in range(n):
            a[i], b[i], c[i], d[i] = data[8 * i], data[8 * i + 1], data[8 * i + 2], data[8 * i + 3]
            e[i], f[i] = data[8 * i + 4], data[8 * i + 5]
            g[i], h[i] = data[8 * i + 6], data[8 * i + 7]
    else:
        for low in range(0, n, TILE):
            count = min(TILE, n - low)
            for k in range(itemsize):
                plane = out[k * n + low : k * n + low + count]
                items = data[low * itemsize + k : (low + count) * itemsize]
                for i in range(count):
                    plane[i] = items[i * itemsize]
    out[n * itemsize : data.size] = data[n * itemsize :]


@kernel
def fletcher32(data: Bytes) -> np.uint64:
    """HDF5's checksum: ``H5_checksum_fletcher32``, Fletcher's over big-endian words of 16 bits.

    An odd byte at the end is the high one of a last word.
    """
    words = data.size // 2
    low, high = np.uint64(0), np.uint64(0)
    for first in range(0, words, TILE):
        count = min(TILE, words - first)
        block = data[2 * first : 2 * (first + count)]
        plain, weighted = np.uint64(0), np.uint64(0)
        for i in range(count):
            word = np.uint64(block[2 * i]) << np.uint64(8) | np.uint64(block[2 * i + 1])
            plain += word
            weighted += word * np.uint64(count - i)
        high = _fold(high + low * np.uint64(count) + weighted)
        low = _fold(low + plain)
    if data.size % 2:
        low = _fold(low + (np.uint64(data[data.size - 1]) << np.uint64(8)))
        high = _fold(high + low)
    return high << np.uint64(16) | low


@kernel
def _fold(total: np.uint64) -> np.uint64:
    """Reduce `total` modulo 65535, as sums with end-around carry do: 65535 in place of 0."""
    while total > np.uint64(0xFFFF):
        total = (total & np.uint64(0xFFFF)) + (total >> np.uint64(16))
    return total


@kernel
def sized_blocks(data: Bytes, itemsize: int, room: int) -> bool:
    """Return whether data of the LZ4 filter, or of bitshuffle, hold all blocks that they declare.

    Both begin with the count of decoded bytes (8), that of a block (4), and have its stored bytes
    (4) before each block; big-endian.

    Parameters
    ----------
    itemsize : int
        Bitshuffle's: what does not fill 8 items is at the end as it is. 0 for LZ4.
    room : int
        Most bytes that decoding may give.
    """
    if data.size < 12:
        return False
    nbytes, block = _big_endian(data, 0, 8), _big_endian(data, 8, 4)
    if nbytes < 0 or nbytes > room or (block <= 0 and nbytes > 0):
        return False
    raw = 0
    if itemsize > 0:
        if nbytes % itemsize or block % (8 * itemsize):
            return False
        raw = nbytes // itemsize % 8 * itemsize
    at, left = 12, nbytes - raw
    while left > 0:
        if at + 4 > data.size:
            return False
        at += 4 + _big_endian(data, at, 4)
        left -= block
    return at + raw <= data.size


@kernel
def _big_endian(data: Bytes, at: int, count: int) -> Any:
    value = np.int64(0)
    for i in range(at, at + count):
        value = value << np.int64(8) | np.int64(data[i])
    return value
