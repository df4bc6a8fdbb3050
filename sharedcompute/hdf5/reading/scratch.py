"""The private memory that readers take, which is forecast before any is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sharedcompute.hdf5.reading.window_rows import has_whole_rows, lies_in_rows
from sharedcompute.hdf5.window import Window

if TYPE_CHECKING:
    from sharedcompute.hdf5.reading.stored import Part, Stored

OPEN_LIMIT = 128
"""Readers kept open at most: a process may often have no more than 1,024 files."""

RUN_NBYTES = 1 << 20
"""Bytes of neighbouring small chunks that are read at once: they stay in the core's cache."""

CACHE_LIMIT = 64 << 20
"""Bytes of decoded chunks that an h5py reader keeps at most."""


def window_nbytes(source: Stored, window: Window, rows: int) -> int:
    """Return the private memory for blocks of `rows` rows of a window."""
    whole = source.whole
    if has_whole_rows(window):
        return whole.scratch_nbytes(rows)
    if whole.read_path == "mmap" and lies_in_rows(window):
        return 0
    keeps = whole.chunks and not whole.parts and source.keeps_chunks
    partly = 2 * (source.chunk_rows - 1) if keeps else 0
    return (rows + partly) * source.row_nbytes + _filling_nbytes(whole, rows * source.row_nbytes)


def _filling_nbytes(source: Stored, nbytes: int) -> int:
    """Return the private memory that it takes to fill a box of `nbytes` bytes."""
    if source.parts:
        beside = 2 * nbytes if any(part.unpacking for part in source.parts) else 0
        deepest = max(_filling_nbytes(part.source, nbytes) for part in source.parts)
        return open_at_once(source) * deepest + beside
    if source.read_path == "h5py":
        return nbytes + cache_nbytes(source)
    return source.box_nbytes


def most_in_a_row(parts: Sequence[Part]) -> int:
    """Return the most parts that any one row has elements of."""
    starts = np.sort([part.corner[0] for part in parts])
    stops = np.sort([part.stop for part in parts])
    begun = np.searchsorted(starts, starts, side="right")
    ended = np.searchsorted(stops, starts, side="right")
    return int((begun - ended).max(initial=0))


def cache_nbytes(source: Stored) -> int:
    """Return bytes of decoded chunks to keep: those that blocks off the chunk grid read again.

    That is one strip of chunks across all columns. Where a strip is larger than `CACHE_LIMIT` the
    cache would be emptied before it is used again, and holds one chunk.
    """
    if source.chunks is None or source.chunks[0] == 1:
        return 0
    chunk = int(np.prod(source.chunks, dtype=np.int64)) * source.element_nbytes
    across = [-(-n // c) for n, c in zip(source.shape[1:], source.chunks[1:], strict=True)]
    strip = chunk * int(np.prod(across, dtype=np.int64))
    return strip if strip <= CACHE_LIMIT else min(chunk, CACHE_LIMIT)


def open_at_once(source: Stored) -> int:
    """Return how many parts' readers are kept open: those of two neighbouring rows."""
    return min(2 * most_in_a_row(source.parts), OPEN_LIMIT)


def parts_nbytes(source: Stored, rows: int) -> int:
    """Return the private memory for blocks of `rows` rows, that of open readers included."""
    deepest = max(
        (part.source.scratch_nbytes(_source_rows(part, rows)) for part in source.parts), default=0
    )
    # Stored and unpacked, before they are put in their place.
    beside = 2 if any(part.unpacking for part in source.parts) else 0
    return (1 + beside) * rows * source.row_nbytes + open_at_once(source) * deepest


def _source_rows(part: Part, rows: int) -> int:
    """Return the most rows of a part's source read at once for `rows` rows of the whole."""
    sides = (min(rows, part.shape[0]), *part.shape[1:])
    return part.in_source(part.corner, sides)[1][0]
