"""A dataset as it is stored, described as plain data, and the numbers that follow from that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.filters.pipeline import Pipeline
from sharedcompute.hdf5.format.chunks import Box
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.format.packing import Packing
from sharedcompute.hdf5.reading.unpacking import Unpacking
from sharedcompute.hdf5.safety.input_files import InputFiles, Seen

OPEN_LIMIT = 128
"""Readers kept open at most: a process may often have no more than 1,024 files."""


RUN_NBYTES = 1 << 20
"""Bytes of neighbouring small chunks that are read at once: they stay in the core's cache."""

WINDOW_NBYTES = 64 << 20
"""Rows that were not requested are decoded, and kept for the next read, up to so many bytes."""

CACHE_LIMIT = 64 << 20
"""Bytes of decoded chunks that an h5py reader keeps at most."""


@dataclass(frozen=True)
class Stored:
    """One numeric dataset of a file, found and checked. It pickles.

    Readers take it; `DatasetSource` adds their opening.

    Parameters
    ----------
    file : str
        The file's absolute path, links resolved.
    path : str
        The dataset's path inside it.
    shape : tuple of int
    dtype : numpy.dtype
        Of the rows that a reader gives: native byte order; an enum is its integers, HDF5's boolean
        is ``bool``, and a compound of ``r`` and ``i`` is complex.
    stored_dtype : numpy.dtype
        The same in the byte order of the file.
    chunks : tuple of int or None
    maxshape : tuple of (int or None)
    filters : tuple of Filter
    fill : Fill
    read_path, reason : str
        Which reader will be used, and one phrase that says why.
    packing : Packing or None
        The CF attributes that say what the numbers mean. Readers do not apply them.
    parts : tuple of Part
        The datasets that this one consists of: files joined along rows, or the sources of
        a virtual dataset. `file` and `path` are then those of the dataset that gives the metadata.
    glob : str or None
        What named the files that are joined, as it was given.
    seen : tuple of Seen
        The files that led here and that rows are read from, as they were then: the one that was
        named, those after links, the sources of a virtual dataset, external storage.
    offset : int or None
        Where the data of a contiguous dataset begin, in bytes from the start of the file.
    """

    file: str
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored_dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    maxshape: tuple[int | None, ...]
    filters: Pipeline
    fill: Fill
    read_path: str
    reason: str
    offset: int | None
    packing: Packing | None = None
    parts: tuple[Part, ...] = ()
    glob: str | None = None
    seen: tuple[Seen, ...] = ()

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def row_nbytes(self) -> int:
        """Bytes of one row in memory."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all rows in memory."""
        return self.shape[0] * self.row_nbytes

    @property
    def row_alignment(self) -> int:
        """Rows of one chunk, 1 without chunks: blocks that follow it decode each chunk once.

        Parts may begin anywhere; with the rows of their largest chunk, each is decoded twice at
        most.
        """
        if self.parts:
            return min(max(part.row_alignment for part in self.parts), max(1, self.shape[0]))
        return self.chunk_rows

    @property
    def filter_names(self) -> tuple[str, ...]:
        """The filters for a person: ``("shuffle", "gzip:4")``."""
        return tuple(step.name for step in self.filters)

    @property
    def filtered(self) -> bool:
        """True if reading costs decoding."""
        return bool(self.filters) or any(part.source.filtered for part in self.parts)

    @property
    def chunk_rows(self) -> int:
        """Rows of the largest chunk: so many are decoded where one is wanted."""
        own = min(self.chunks[0], max(1, self.shape[0])) if self.chunks else 1
        return max([own, *(part.source.chunk_rows for part in self.parts)])

    @property
    def keeps_chunks(self) -> bool:
        """True if a reader keeps the chunks that a read ends in for the next one."""
        return self.chunk_rows * self.row_nbytes <= WINDOW_NBYTES

    @property
    def reads(self) -> InputFiles:
        """All files that rows and metadata are read from, and those that led to them."""
        below = (seen for part in self.parts for seen in part.source.reads.seen)
        return InputFiles.of((*self.seen, *below))

    def scratch_nbytes(self, rows: int) -> int:
        """Return bytes of private memory that a reader takes for blocks of `rows` rows."""
        if self.parts:
            return parts_nbytes(self, rows)
        if self.read_path == "mmap":
            return 0
        if self.read_path == "h5py":
            return rows * self.row_nbytes + cache_nbytes(self)
        partly = 2 * (self.chunk_rows - 1) if self.keeps_chunks else 0
        return (rows + partly) * self.row_nbytes + self.box_nbytes

    @property
    def box_nbytes(self) -> int:
        """Bytes of private memory that a reader takes to fill a box: a chunk, raw and decoded."""
        if self.chunks is None:
            return max([0, *(part.source.box_nbytes for part in self.parts)])
        return 2 * math.prod(self.chunks) * self.dtype.itemsize + RUN_NBYTES

    def __str__(self) -> str:
        return str(Address(self.glob or self.file, self.path))


@dataclass(frozen=True)
class Part:
    """A box of a source that is a box of another dataset, perhaps in another file.

    Both boxes have the same sides, but for sides of length 1, which either may have more of: a
    frame of ``(ny, nx)`` is the box ``(1, ny, nx)`` of a stack.

    Parameters
    ----------
    corner : tuple of int
        Where the box begins in the whole.
    shape : tuple of int
    source : Stored
        Where its elements lie.
    source_corner : tuple of int
        Where the box begins there.
    source_shape : tuple of int
    unpacking : Unpacking or None
        What is done with the rows of the source; None: they are taken as they are.
    """

    corner: tuple[int, ...]
    shape: tuple[int, ...]
    source: Stored
    source_corner: tuple[int, ...]
    source_shape: tuple[int, ...]
    unpacking: Unpacking | None = None

    @property
    def stop(self) -> int:
        """The row of the whole after its last one."""
        return self.corner[0] + self.shape[0]

    @property
    def row_alignment(self) -> int:
        """Rows of the whole that one chunk of the source has."""
        ours, theirs = long_axes(self.shape), long_axes(self.source_shape)
        if not ours or ours[0] != 0:
            return 1
        if theirs[0] == 0:
            return self.source.row_alignment
        return self.source.chunks[theirs[0]] if self.source.chunks else 1

    def shared(self, corner: Sequence[int], shape: Sequence[int]) -> Box | None:
        """Return what it has in common with a box of the whole, in coordinates of the whole."""
        first = tuple(map(max, self.corner, corner))
        ends = zip(self.corner, self.shape, corner, shape, strict=True)
        last = (min(a + m, b + n) for a, m, b, n in ends)
        sides = tuple(stop - start for start, stop in zip(first, last, strict=True))
        return (first, sides) if min(sides) > 0 else None

    def in_source(self, corner: Sequence[int], shape: Sequence[int]) -> Box:
        """Return the box of the source that lies at a box which this part has all of."""
        first, sides = list(self.source_corner), list(self.source_shape)
        axes = zip(long_axes(self.shape), long_axes(self.source_shape), strict=True)
        for here, there in axes:
            first[there] += corner[here] - self.corner[here]
            sides[there] = shape[here]
        return tuple(first), tuple(sides)


def long_axes(shape: Sequence[int]) -> list[int]:
    """Return the axes that are not of length 1."""
    return [axis for axis, side in enumerate(shape) if side != 1]


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
    chunk = int(np.prod(source.chunks, dtype=np.int64)) * source.stored_dtype.itemsize
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
