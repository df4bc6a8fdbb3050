"""A dataset that rows come from: found, checked, and described as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.errors import InputChanged
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.filters.filter_pipeline import Pipeline
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.format.packing import Packing
from sharedcompute.hdf5.reading.assembled import PartsReader, parts_nbytes
from sharedcompute.hdf5.reading.chunked import RUN_NBYTES, WINDOW_NBYTES
from sharedcompute.hdf5.reading.library import cache_nbytes
from sharedcompute.hdf5.reading.parts import Part
from sharedcompute.hdf5.reading.read_paths import open_for, open_reader
from sharedcompute.hdf5.reading.row_reader import Reader
from sharedcompute.hdf5.safety.input_files import InputFiles, Seen


@dataclass(frozen=True)
class DatasetSource:
    """One numeric dataset of a file: what a plan reads and a worker opens. It pickles.

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
        The datasets that this one is put together from: files joined along rows, or the sources of
        a virtual dataset. `file` and `path` are then those of the dataset that gives the metadata.
    glob : str or None
        What named the files that are joined, as it was given.
    seen : tuple of Seen
        The files that led here and that rows are read from, as they were then: the one that was
        named, those behind links, the sources of a virtual dataset, external storage.
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
        """How many dimensions."""
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
        """Whether reading costs decoding."""
        return bool(self.filters) or any(part.source.filtered for part in self.parts)

    @property
    def chunk_rows(self) -> int:
        """Rows of the largest chunk: so many are decoded where one is wanted."""
        own = min(self.chunks[0], max(1, self.shape[0])) if self.chunks else 1
        return max([own, *(part.source.chunk_rows for part in self.parts)])

    @property
    def keeps_chunks(self) -> bool:
        """Whether a reader keeps the chunks that a read ends in for the next one."""
        return self.chunk_rows * self.row_nbytes <= WINDOW_NBYTES

    @property
    def reads(self) -> InputFiles:
        """All files that rows and metadata are read from, and those that led to them."""
        below = (seen for part in self.parts for seen in part.source.reads.seen)
        return InputFiles.of((*self.seen, *below))

    def scratch_nbytes(self, rows: int) -> int:
        """Bytes of private memory that a reader takes for blocks of `rows` rows."""
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

    def open(self) -> Reader:
        """A reader of the rows, for this process.

        Raises
        ------
        InputChanged
            A file is not what it was when this description was made.
        """
        return self._still(lambda: PartsReader(self) if self.parts else open_reader(self))

    def open_for(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> Reader:
        """A reader for this process, to read one box, once.

        Raises
        ------
        InputChanged
            As `open`.
        """
        return self._still(lambda: open_for(self, corner, shape))

    def _still(self, opened: Callable[[], Reader]) -> Reader:
        """What was opened, if the files are what they were. Parts look at theirs themselves."""
        own = InputFiles(self.seen)
        with own.unchanged():
            reader = opened()
        try:
            # After the opening: what is at the path now is what was opened, or newer.
            own.check()
        except InputChanged:
            reader.close()
            raise
        return reader

    def __str__(self) -> str:
        return str(Address(self.glob or self.file, self.path))
