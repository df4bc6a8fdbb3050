"""Chunks of a result, encoded by the worker that has the rows."""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5 import filters
from sharedcompute.hdf5.filters import Pipeline
from sharedcompute.hdf5.writers import EncodedChunk, RowTarget, RowWriter

BATCH_NBYTES = 256 << 10
"""Strips are encoded so many bytes at a time: with chunks of 7 kB, each on its own would cost as
much in calls of h5py as in the codec."""

MEMORY_FILE_LIMIT = 4
"""An in-memory file is made anew when it has grown to this many times a batch's bytes."""


@dataclass(frozen=True)
class ChunkTarget(RowTarget):
    """Rows of a chunked dataset, encoded by whoever has them and stored by the parent.

    Parameters
    ----------
    shape, chunks : tuple of int
    dtype, stored_dtype : numpy.dtype
        Of the rows given, and in the file.
    filters : tuple of Filter
    fill_value : scalar or None
        What stands in chunks beyond the edge of the dataset; None is 0.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    stored_dtype: np.dtype[Any]
    filters: Pipeline
    fill_value: Any

    def open(self) -> ChunkEncoder:
        """A writer for this process."""
        return ChunkEncoder(self)


class ChunkEncoder(RowWriter):
    """Cuts strips of rows into chunks and encodes them here, in the worker.

    With filters, a strip goes through a dataset of an in-memory HDF5 file with the same filters,
    and the chunks are read back as they were stored: any filter, in HDF5's own bytes. The dataset
    has whole chunks only; a chunk over the edge is filled up here, as HDF5 does, so that no chunk
    is ever decoded to be written in part.
    """

    def __init__(self, target: ChunkTarget) -> None:
        self._target = target
        self._grid = tuple(
            max(1, -(-side // chunk))
            for side, chunk in zip(target.shape[1:], target.chunks[1:], strict=True)
        )
        across = (n * c for n, c in zip(self._grid, target.chunks[1:], strict=True))
        self._strip_shape = (target.chunks[0], *across)
        strip_nbytes = math.prod(self._strip_shape) * target.dtype.itemsize
        strips = -(-target.shape[0] // target.chunks[0])
        self._batch = max(1, min(strips, BATCH_NBYTES // strip_nbytes)) if target.filters else 1
        self._padded: NDArray[Any] | None = None
        self._memory: h5py.File | None = None
        self._dataset: Any = None

    def write(self, start: int, rows: NDArray[Any]) -> list[EncodedChunk]:
        """Encode `rows`, which begin at a chunk and end at one or at the dataset's last row.

        Raises
        ------
        ValueError
            They do not: two workers would each write half of a chunk.
        """
        target = self._target
        step = target.chunks[0]
        stop = start + len(rows)
        if start % step or (stop % step and stop != target.shape[0]):
            raise ValueError(
                f"expected rows that follow chunks of {step} rows, got {start}:{stop}; "
                "align the blocks to row_alignment"
            )
        if not rows.size:
            return []
        encode = self._filtered if target.filters else self._plain
        encoded: list[EncodedChunk] = []
        batch = self._batch * step
        for first in range(0, len(rows), batch):
            strips = self._whole_chunks(rows[first : first + batch])
            encoded.extend(encode(start + first, strips))
        return encoded

    def close(self) -> None:
        """Drop the in-memory file."""
        if self._memory is not None:
            self._memory.close()
            self._memory = self._dataset = None
        self._padded = None

    def _whole_chunks(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Fill strips up to whole chunks; `rows` itself where it has them."""
        target = self._target
        step = target.chunks[0]
        if rows.shape[1:] == self._strip_shape[1:] and len(rows) % step == 0:
            return np.ascontiguousarray(rows, dtype=target.dtype)
        fill = 0 if target.fill_value is None else target.fill_value
        if self._padded is None:
            padded = (self._batch * step, *self._strip_shape[1:])
            self._padded = np.full(padded, fill, target.dtype)
        inside = tuple(slice(0, side) for side in rows.shape)
        self._padded[inside] = rows
        whole = -(-len(rows) // step) * step
        self._padded[len(rows) : whole] = fill
        return self._padded[:whole]

    def _corners(self, rows: int) -> Iterator[tuple[int, ...]]:
        """The first element of each chunk of `rows` rows."""
        sides = self._target.chunks
        grid = (rows // sides[0], *self._grid)
        for index in itertools.product(*map(range, grid)):
            yield tuple(i * side for i, side in zip(index, sides, strict=True))

    def _plain(self, start: int, strips: NDArray[Any]) -> Iterator[EncodedChunk]:
        """Cut the chunks; without filters HDF5 stores them as they are in memory."""
        target = self._target
        for corner in self._corners(len(strips)):
            ends = zip(corner, target.chunks, strict=True)
            part = strips[tuple(slice(at, at + side) for at, side in ends)]
            data = np.ascontiguousarray(part, dtype=target.stored_dtype).tobytes()
            yield EncodedChunk((start + corner[0], *corner[1:]), 0, data)

    def _filtered(self, start: int, strips: NDArray[Any]) -> Iterator[EncodedChunk]:
        """Encode the chunks as HDF5 does."""
        dataset = self._scratch_dataset(strips.nbytes)
        memory = h5s.create_simple(strips.shape)
        place = h5s.create_simple(dataset.shape)
        place.select_hyperslab((0,) * strips.ndim, strips.shape)
        dataset.write(memory, place, strips)
        for corner in self._corners(len(strips)):
            mask, data = dataset.read_direct_chunk(corner)
            yield EncodedChunk((start + corner[0], *corner[1:]), mask, data)

    def _scratch_dataset(self, nbytes: int) -> Any:
        """Give the dataset that encodes, in a file that is used again.

        Chunks of other sizes replace those of the batch before, and the file keeps their holes.
        """
        grown = MEMORY_FILE_LIMIT * nbytes + (4 << 20)
        if self._memory is not None and self._memory.id.get_filesize() > grown:
            self._memory.close()
            self._memory = None
        if self._memory is None:
            self._memory = memory_file()
            self._dataset = self._create(self._memory)
        return self._dataset

    def _create(self, file: h5py.File) -> Any:
        target = self._target
        dcpl = h5p.create(h5p.DATASET_CREATE)
        dcpl.set_chunk(target.chunks)
        dcpl.set_fill_time(h5d.FILL_TIME_NEVER)
        filters.apply(target.filters, dcpl)
        rows = self._batch * target.chunks[0]
        space = h5s.create_simple((rows, *self._strip_shape[1:]))
        kind = h5t.py_create(target.stored_dtype, logical=True)
        try:
            return h5d.create(file.id, b"strip", kind, space, dcpl)
        except (ValueError, OSError, RuntimeError) as error:
            names = ", ".join(step.name for step in target.filters)
            raise InputError(
                f"expected filters that can encode {target.dtype} in chunks of {target.chunks}, "
                f"got {names} ({' '.join(str(error).split())}); choose another --filter"
            ) from None


def memory_file() -> h5py.File:
    """An HDF5 file that lives in this process's memory alone, with no cache of chunks."""
    fapl = h5p.create(h5p.FILE_ACCESS)
    # 1 MiB steps: it grows by copying.
    fapl.set_fapl_core(1 << 20, backing_store=False)
    fapl.set_cache(0, 1, 0, 1.0)
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    # HDF5 tells open files of this driver apart by name alone, and each output has one.
    name = f"sharedcompute-{uuid.uuid4()}"
    return h5py.File(h5f.create(name.encode(), h5f.ACC_TRUNC, fapl=fapl))
