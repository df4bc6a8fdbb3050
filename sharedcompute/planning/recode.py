"""Storing a dataset in another way: its storage, and the boxes in which it is done.

A box is read and written by one worker. Its sides are common multiples of the chunks of both, so
that each chunk is decoded once and encoded once. Where such a box is too large for the memory,
everything is decoded first: into shared memory, or into a file without a name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import h5py

from sharedcompute.errors import InputError
from sharedcompute.hdf5.copying.storage import Storage
from sharedcompute.hdf5.filters.pipeline import Pipeline
from sharedcompute.hdf5.filters.selection import parse_filter, with_shuffle, without_chunks
from sharedcompute.hdf5.format.chunking import Chunks, auto_chunks, fit_chunks, parse_chunks
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.format.dtypes import is_plain, numeric_dtype
from sharedcompute.hdf5.format.layout import lies_here
from sharedcompute.hdf5.inspection.inspector import Inspector
from sharedcompute.hdf5.reading.boxes import units
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.options.groups import StorageOptions
from sharedcompute.planning.planned import Into

BOX_NBYTES = 64 * 1024**2
"""Bytes of a box up to which each worker holds one of its own."""


@dataclass(frozen=True)
class StorageRequest:
    """The storage that is asked for; None is as it is.

    Parameters
    ----------
    filter, shuffle
        As ``--filter`` and ``--shuffle``.
    chunks : tuple of int, 'auto', 'contiguous' or None
    """

    filter: str | None = None
    chunks: Chunks | None = None
    shuffle: bool | None = None

    @classmethod
    def of(cls, given: StorageOptions) -> StorageRequest:
        """Check the options that were given.

        Raises
        ------
        InputError
            An option is wrong, or they exclude each other.
        """
        sides = None if given.chunks is None else parse_chunks(given.chunks)
        if given.filter is not None:
            pipeline = parse_filter(given.filter, given.shuffle)
            if pipeline and sides == "contiguous":
                raise without_chunks(given.filter)
        return cls(given.filter, sides, given.shuffle)

    def storage(self, source: DatasetSource) -> Storage:
        """Return how one dataset will be stored."""
        sides = self._sides(source)
        pipeline = self._pipeline(source)
        if sides is None and pipeline and self.chunks != "contiguous":
            sides = auto_chunks(source.shape, source.dtype.itemsize)
        return Storage(sides, pipeline if sides else ())

    @cached_property
    def _asked(self) -> Pipeline | None:
        return None if self.filter is None else parse_filter(self.filter, self.shuffle)

    def _pipeline(self, source: DatasetSource) -> Pipeline:
        if self._asked is not None:
            return self._asked
        if self.shuffle is not None and source.filters:
            return with_shuffle(source.filters, self.shuffle)
        return source.filters

    def _sides(self, source: DatasetSource) -> tuple[int, ...] | None:
        itemsize = source.dtype.itemsize
        grows = source.maxshape != source.shape
        if self.chunks == "auto" or (self.chunks == "contiguous" and grows and not source.chunks):
            return auto_chunks(source.shape, itemsize)
        if self.chunks == "contiguous":
            return source.chunks if grows else None
        if self.chunks is not None and len(self.chunks) == source.ndim:
            return fit_chunks(self.chunks, source.shape, source.maxshape, itemsize)
        return source.chunks


def recodable(
    dataset: h5py.Dataset, describer: Inspector, elsewhere: bool = False
) -> DatasetSource | None:
    """Return the source of a dataset whose rows can be stored in another way, else None.

    Numbers that are stored as NumPy has them. All else (strings, compounds, enumerations, single
    numbers) is copied by HDF5 as it is, and so are numbers in other files, unless `elsewhere`:
    who names a virtual dataset wants its numbers.
    """
    # First: HDF5 may have to open other files for the shape of a virtual dataset.
    if not lies_here(dataset):
        return describer.source(dataset) if elsewhere else None
    try:
        if not dataset.shape or not dataset.size:
            return None
        dtype = numeric_dtype(dataset)
        if h5py.check_enum_dtype(dataset.dtype) is not None or not is_plain(dataset, dtype):
            return None
        return describer.source(dataset)
    except InputError:
        if elsewhere:
            raise
        return None


@dataclass(frozen=True)
class Recoding:
    """One dataset on its way into other chunks.

    Parameters
    ----------
    source : DatasetSource
    storage : Storage
    load : {"memory", "file"} or None
        Where all chunks are decoded to first.
    boxes : ChunkGrid
        What a worker does at a time.
    """

    source: DatasetSource
    storage: Storage
    load: Into | None
    boxes: ChunkGrid

    @property
    def scratch(self) -> int:
        """Private memory of one worker: a box, its padded chunks, and what they are encoded to."""
        box = min(math.prod(self.boxes.chunks) * self.source.dtype.itemsize, self.source.nbytes)
        chunk = math.prod(self.storage.chunks or (0,)) * self.source.dtype.itemsize
        return 2 * box + 3 * chunk + self.source.box_nbytes

    @property
    def shared(self) -> int:
        """Memory that all workers share."""
        return self.source.nbytes if self.load == "memory" else 0

    @property
    def file(self) -> int:
        """Bytes of a file without a name."""
        return self.source.nbytes if self.load == "file" else 0

    def sink(self, path: str) -> DatasetSink:
        """Describe the dataset of the output that takes the rows."""
        source = self.source
        return DatasetSink(
            path=path,
            shape=source.shape,
            dtype=source.dtype,
            chunks=self.storage.chunks,
            filters=self.storage.filters,
            fill=source.fill,
            maxshape=source.maxshape if self.storage.chunks else None,
            stored_dtype=source.stored_dtype,
        )


def plan_recoding(
    source: DatasetSource, storage: Storage, runners: int, room: int, shared_room: int
) -> Recoding:
    """Choose boxes.

    Parameters
    ----------
    runners : int
        How many boxes are done at a time.
    room : int
        Bytes of memory for all workers' boxes, or for all chunks decoded.
    shared_room : int
        Bytes free for shared blocks.
    """
    written = storage.chunks or (1, *source.shape[1:])
    itemsize = source.dtype.itemsize
    common = units(source.shape, _common(source, written), itemsize)
    direct = Recoding(source, storage, None, common)
    small = math.prod(common.chunks) * itemsize <= BOX_NBYTES
    if small and runners * direct.scratch <= room:
        return direct
    boxes = units(source.shape, written, itemsize)
    staged = Recoding(source, storage, "memory", boxes)
    needed = source.nbytes + runners * staged.scratch
    fits = needed <= room and source.nbytes <= shared_room
    return staged if fits else Recoding(source, storage, "file", boxes)


def _common(source: DatasetSource, written: tuple[int, ...]) -> tuple[int, ...]:
    read = source.chunks or (1,) * source.ndim
    sides = (math.lcm(a, b) for a, b in zip(read, written, strict=True))
    # Past the edge there is nothing to be cut.
    return tuple(
        side if side < n else -(-n // w) * w
        for side, n, w in zip(sides, source.shape, written, strict=True)
    )
