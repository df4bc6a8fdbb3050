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
from sharedcompute.hdf5.format.members import Member
from sharedcompute.hdf5.format.packing import Packing
from sharedcompute.hdf5.reading.scratch import (
    RUN_NBYTES,
    cache_nbytes,
    parts_nbytes,
    window_nbytes,
)
from sharedcompute.hdf5.reading.unpacking import Unpacking
from sharedcompute.hdf5.reading.window_rows import on_grid, rows_of, window_alignment
from sharedcompute.hdf5.safety.input_files import InputFiles, Seen
from sharedcompute.hdf5.window import Steps, Window

WINDOW_NBYTES = 64 << 20
"""Rows that were not requested are decoded, and kept for the next read, up to so many bytes."""


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
    window : Window or None
        What this is of the one source in `parts`; `file`, `path` and the storage are those of that
        source.
    member : Member or None
        What is read of the elements of a compound type.
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
    window: Window | None = None
    member: Member | None = None

    @property
    def name(self) -> str:
        """The dataset's path, with the member that is read of it."""
        return self.path if self.member is None else f"{self.path}.{self.member.name}"

    @property
    def element_nbytes(self) -> int:
        """Bytes of an element in the file."""
        return self.dtype.itemsize if self.member is None else self.member.record_nbytes

    @property
    def whole(self) -> Stored:
        """The source that this is a window of; itself where it is none."""
        return self if self.window is None else self.parts[0].source

    @property
    def datasets(self) -> tuple[Stored, ...]:
        """The stored datasets that rows are read from: itself, or those that its parts lie in."""
        return tuple(d for part in self.parts for d in part.source.datasets) or (self,)

    @property
    def unpacks(self) -> bool:
        """True if what the rows mean is worked out as they are read, for each part by itself."""
        return any(part.unpacking or part.source.unpacks for part in self.parts)

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
        if self.window is not None:
            return window_alignment(self, self.window)
        if self.parts:
            return min(max(part.row_alignment for part in self.parts), max(1, self.shape[0]))
        return self.chunk_rows

    @property
    def begins_inside(self) -> bool:
        """True if a chunk has rows before the first one: blocks cannot follow the chunks then."""
        if self.window is None:
            return False
        cut, side = rows_of(self, self.window)
        before = cut.start % side if cut.step > 0 else side - 1 - cut.start % side
        return before >= abs(cut.step)

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
        if self.window is not None:
            cut, side = rows_of(self, self.window)
            return min(-(-side // abs(cut.step)), max(1, self.shape[0]))
        own = min(self.chunks[0], max(1, self.shape[0])) if self.chunks else 1
        return max([own, *(part.source.chunk_rows for part in self.parts)])

    @property
    def grid(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The sides of chunks and the elements that the first has before; None without chunks.

        Boxes that follow it decode each chunk once, as far as steps allow.
        """
        if self.chunks is None:
            return None
        if self.window is None or self.whole.parts:
            return self.chunks, (0,) * self.ndim
        assert self.whole.chunks is not None
        kept = [(self.window.axes[a], self.whole.chunks[a]) for a in self.window.kept]
        sides, lead = zip(*(on_grid(cut, side) for cut, side in kept), strict=True)
        return sides, lead

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
        if self.window is not None:
            return window_nbytes(self, self.window, rows)
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
        if self.window is not None:
            return self.whole.box_nbytes
        if self.chunks is None:
            return max([0, *(part.source.box_nbytes for part in self.parts)])
        return 2 * math.prod(self.chunks) * self.element_nbytes + RUN_NBYTES

    def named(self, file: str) -> str:
        """Return its address, with another name for the file."""
        return f"{Address(file, self.name)}{self.window or ''}"

    def __str__(self) -> str:
        return self.named(self.glob or self.file)


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

    def picked(
        self, corner: Sequence[int], shape: Sequence[int], steps: Steps
    ) -> tuple[tuple[slice, ...], tuple[int, ...], tuple[int, ...], Steps] | None:
        """Return what it has in common with a box that has only every ``step``-th element.

        Returns
        -------
        inside : tuple of slice
            Where the elements lie in the box.
        corner, shape, steps : tuple of int
            Where they lie in the source.
        """
        inside, first = [], []
        for mine, side, at, count, step in zip(
            self.corner, self.shape, corner, shape, steps, strict=True
        ):
            begin, end = max(0, -(-(mine - at) // step)), min(count, -(-(mine + side - at) // step))
            if begin >= end:
                return None
            inside.append(slice(begin, end))
            first.append(at + begin * step)
        sides = tuple(part.stop - part.start for part in inside)
        there, there_sides = self.in_source(first, sides)
        strides = [1] * len(there)
        axes = zip(long_axes(self.shape), long_axes(self.source_shape), strict=True)
        for here, where in axes:
            strides[where] = steps[here]
        return tuple(inside), there, there_sides, tuple(strides)

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


def stored_element(source: Stored) -> np.dtype[Any]:
    """Return the dtype of an element as it lies in the file."""
    if source.member is None:
        return source.stored_dtype
    return source.member.record(source.stored_dtype)


def long_axes(shape: Sequence[int]) -> list[int]:
    """Return the axes that are not of length 1."""
    return [axis for axis, side in enumerate(shape) if side != 1]
