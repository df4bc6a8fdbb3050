"""Chunks encoded by HDF5 itself, in a file in memory: for filters without an encoder here."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.encoder import EncodedBytes, Encoder
from sharedcompute.hdf5.filters.pipeline import Pipeline, StoredFilter, apply, stored_filters
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.wording import option

BATCH_NBYTES = 256 << 10
"""HDF5 encodes so many bytes at a time: with chunks of 7 kB, each on its own would cost as much in
calls of h5py as in the codec."""

MEMORY_FILE_LIMIT = 4
"""An in-memory file is created again when it has grown to this many times a batch's bytes."""


class LibraryEncoder(Encoder):
    """Any filter, in HDF5's own bytes.

    Chunks go through a dataset of an in-memory HDF5 file with the same filters, and are read back
    as they were stored. It has all that a filter sees of the dataset that they are for: type, chunk
    shape and fill value.

    Parameters
    ----------
    fill : Fill
    stored : tuple of StoredFilter, optional
        The filters as the dataset has them: chunks are decoded by these.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        chunks: tuple[int, ...],
        dtype: np.dtype[Any],
        fill: Fill,
        stored: tuple[StoredFilter, ...] | None = None,
    ) -> None:
        super().__init__(pipeline, chunks, dtype)
        self._fill = fill
        self._stored = stored
        nbytes = math.prod(chunks) * dtype.itemsize
        self._batch = np.empty((max(1, BATCH_NBYTES // nbytes), *chunks), dtype)
        self._memory: h5py.File | None = None
        self._dataset: h5d.DatasetID | None = None

    def encode(self, chunks: Iterable[NDArray[Any]]) -> Iterator[EncodedBytes]:
        """Encode the chunks, a batch at a time."""
        count = 0
        for chunk in chunks:
            if len(self._batch) == 1 and chunk.flags.c_contiguous:
                yield from self._encode(chunk)
                continue
            self._batch[count] = chunk
            count += 1
            if count == len(self._batch):
                yield from self._encode(self._batch)
                count = 0
        if count:
            yield from self._encode(self._batch[:count])

    def decoded(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return what a reader will see of `chunk`, which a lossy filter changes."""
        (_,) = self.encode([chunk])
        made = np.empty(self._chunks, chunk.dtype)
        dataset = self._scratch_dataset()
        place = dataset.get_space()
        place.select_hyperslab((0,) * made.ndim, made.shape)
        dataset.read(h5s.create_simple(made.shape), place, made)
        return made

    def try_out(self) -> None:
        """Make the dataset that encodes, and nothing else."""
        self._scratch_dataset()

    def close(self) -> None:
        """Drop the in-memory file."""
        if self._memory is not None:
            self._memory.close()
            self._memory = self._dataset = None

    def _encode(self, batch: NDArray[Any]) -> Iterator[EncodedBytes]:
        """Encode chunks that lie one after the other; the dataset has them along its rows."""
        rows = batch.reshape((-1, *self._chunks[1:]))
        dataset = self._scratch_dataset()
        place = h5s.create_simple(dataset.shape)
        place.select_hyperslab((0,) * rows.ndim, rows.shape)
        dataset.write(h5s.create_simple(rows.shape), place, rows)
        rest = (0,) * (rows.ndim - 1)
        for row in range(0, len(rows), self._chunks[0]):
            yield dataset.read_direct_chunk((row, *rest))

    def _scratch_dataset(self) -> h5d.DatasetID:
        """Give the dataset that encodes, in a file that is used again.

        Chunks of other sizes replace those of the batch before, and the file keeps their holes.
        """
        grown = MEMORY_FILE_LIMIT * self._batch.nbytes + (4 << 20)
        if self._memory is not None and self._memory.id.get_filesize() > grown:
            self.close()
        if self._dataset is None:
            self._memory = _memory_file()
            self._dataset = self._create(self._memory)
        return self._dataset

    def _create(self, file: h5py.File) -> h5d.DatasetID:
        dcpl = h5p.create(h5p.DATASET_CREATE)
        dcpl.set_chunk(self._chunks)
        self._fill.put(dcpl)
        apply(self._pipeline, dcpl)
        space = h5s.create_simple((len(self._batch) * self._chunks[0], *self._chunks[1:]))
        kind = h5t.py_create(self._dtype, logical=True)
        try:
            made = h5d.create(file.id, b"chunks", kind, space, dcpl)
        except (ValueError, OSError, RuntimeError) as error:
            names = ", ".join(step.name for step in self._pipeline)
            raise InputError(
                f"expected filters that can encode {self._dtype} in chunks of {self._chunks}, "
                f"got {names} ({' '.join(str(error).split())}); choose another {option('filter')}"
            ) from None
        found = stored_filters(made.get_create_plist())
        if self._stored is not None and found != self._stored:
            raise InputError(
                f"expected filters stored as {_listed(self._stored)}, HDF5 encodes with "
                f"{_listed(found)}; choose another {option('filter')}"
            )
        return made


def _listed(stored: tuple[StoredFilter, ...]) -> str:
    return " ".join(f"{step.code}{list(step.values)}" for step in stored)


def _memory_file() -> h5py.File:
    """Create an HDF5 file in this process's memory alone, with no cache of chunks."""
    fapl = h5p.create(h5p.FILE_ACCESS)
    # 1 MiB steps: it grows by copying.
    fapl.set_fapl_core(1 << 20, backing_store=False)
    fapl.set_cache(0, 1, 0, 1.0)
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    # HDF5 distinguishes open files of this driver by name alone, and each output has one.
    name = f"sharedcompute-{uuid.uuid4()}"
    return h5py.File(h5f.create(name.encode(), h5f.ACC_TRUNC, fapl=fapl))
