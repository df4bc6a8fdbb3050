"""Chunks encoded in this process: by libdeflate or ISA-L, or by HDF5 in a file in memory."""

from __future__ import annotations

import math
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import deflate
import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t
from isal import isal_zlib
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters import filter_pipeline
from sharedcompute.hdf5.filters.decode import StoredFilter, stored_filters
from sharedcompute.hdf5.filters.filter_pipeline import Filter, Pipeline
from sharedcompute.hdf5.filters.table import FLETCHER32, GZIP, SHUFFLE
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.kernels.filters import fletcher32, shuffle
from sharedcompute.wording import option

BATCH_NBYTES = 256 << 10
"""HDF5 encodes so many bytes at a time: with chunks of 7 kB, each on its own would cost as much in
calls of h5py as in the codec."""

MEMORY_FILE_LIMIT = 4
"""An in-memory file is made anew when it has grown to this many times a batch's bytes."""

SHUFFLED_LEVELS = (0, 5, 5, 5, 5, 6, 6, 7, 7, 7)
"""libdeflate's level for each of zlib's, of shuffled data: the fastest that is never larger.

Measured on climate data (f4, chunks of 7 kB to 900 kB) and detector counts (u2): at equal numbers
libdeflate is up to 0.8 % larger at levels 1 to 3; with these, 0 to 2.6 % smaller on the first and
5 to 12 % on the second.
"""

Encoded = tuple[int, bytes]
"""A chunk's filter mask and its bytes."""


class Encoder(ABC):
    """Encodes chunks of one dataset.

    Parameters
    ----------
    pipeline : tuple of Filter
    chunks : tuple of int
        A chunk's shape.
    dtype : numpy.dtype
        In the file.
    """

    def __init__(self, pipeline: Pipeline, chunks: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._pipeline = pipeline
        self._chunks = chunks
        self._dtype = dtype

    @abstractmethod
    def encode(self, chunks: Iterable[NDArray[Any]]) -> Iterator[Encoded]:
        """Encode `chunks` in their order; one needs to be valid only until the next is asked for.

        They are whole, but may lie anyhow and be of another byte order than in the file.
        """

    def close(self) -> None:  # noqa: B027
        """Let go of what is open. Harmless when done twice."""


def encoder(
    pipeline: Pipeline,
    chunks: tuple[int, ...],
    dtype: np.dtype[Any],
    fill: Fill,
    stored: tuple[StoredFilter, ...],
) -> Encoder:
    """The fastest encoder for `pipeline`.

    Parameters
    ----------
    fill : Fill
        Of the dataset: some filters see it.
    stored : tuple of StoredFilter
        The filters as the dataset has them.
    """
    if is_own(pipeline):
        return OwnEncoder(pipeline, chunks, dtype)
    return LibraryEncoder(pipeline, chunks, dtype, fill, stored)


def is_own(pipeline: Pipeline) -> bool:
    """Whether `pipeline` is applied without HDF5."""
    return all(step.code in (SHUFFLE, GZIP, FLETCHER32) for step in pipeline)


def check_encodes(
    pipeline: Pipeline, chunks: tuple[int, ...], dtype: np.dtype[Any], fill: Fill
) -> None:
    """Refuse filters that cannot be applied to such a dataset.

    Raises
    ------
    InputError
    """
    if not is_own(pipeline):
        made = LibraryEncoder(pipeline, chunks, dtype, fill)
        made.try_out()
        made.close()


class OwnEncoder(Encoder):
    """Shuffle and checksum by our kernels, deflate by libdeflate or ISA-L; no HDF5."""

    def __init__(self, pipeline: Pipeline, chunks: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(pipeline, chunks, dtype)
        self._gathered = np.empty(chunks, dtype)
        self._steps = [
            (number, step.optional, _step(step, pipeline, dtype.itemsize))
            for number, step in enumerate(pipeline)
        ]

    def encode(self, chunks: Iterable[NDArray[Any]]) -> Iterator[Encoded]:
        """Encode each chunk by itself."""
        for chunk in chunks:
            whole = chunk
            if not chunk.flags.c_contiguous or chunk.dtype != self._dtype:
                whole = self._gathered
                np.copyto(whole, chunk, casting="unsafe")
            yield self._encode(whole.reshape(-1).view(np.uint8))

    def _encode(self, data: Any) -> Encoded:
        mask = 0
        for number, optional, step in self._steps:
            made = step(data)
            # HDF5's own rule: a filter is left out where deflate does not fit zlib's bound. Only
            # ISA-L at level 0 can be larger. One that is merely no smaller is kept, as by HDF5:
            # not every reader of others looks at the mask.
            if optional and len(made) > math.ceil(len(data) * 1.001) + 12:
                mask |= 1 << number
            else:
                data = made
        return mask, bytes(data)


def _step(step: Filter, pipeline: Pipeline, itemsize: int) -> Callable[[Any], Any]:
    """What applies `step`."""
    if step.code == SHUFFLE:
        return partial(_shuffled, itemsize)
    if step.code == FLETCHER32:
        return _checked
    if step.isal is not None:
        return partial(_by_isal, step.isal)
    return partial(_by_libdeflate, deflate_level(step.options[0], pipeline[0].code == SHUFFLE))


def deflate_level(level: int, shuffled: bool) -> int:
    """The level of libdeflate that makes data no larger than `level` of zlib does.

    Without shuffle it takes one more: the size is then 0.3 to 0.7 % larger on climate data (f4),
    where no level up to 9 is smaller, and 0.2 to 9 % smaller on detector counts (u2).
    """
    if shuffled or level == 0:
        return SHUFFLED_LEVELS[level]
    return min(9, max(6, level + 1))


def warm_up(pipeline: Pipeline) -> None:
    """Compile here what encoding takes, so that workers find it in numba's cache."""
    if any(step.code == SHUFFLE for step in pipeline):
        _shuffled(1, b"0")


def _shuffled(itemsize: int, data: Any) -> Any:
    planes = np.empty(len(data), np.uint8)
    # Read-only: numba compiles a kernel again for an array that can be written.
    shuffle(np.frombuffer(memoryview(data).toreadonly(), np.uint8), itemsize, planes)
    return planes


def _checked(data: Any) -> Any:
    checksum = fletcher32(np.frombuffer(memoryview(data).toreadonly(), np.uint8))
    return b"".join((data, int(checksum).to_bytes(4, "little")))


def _by_libdeflate(level: int, data: Any) -> Any:
    return deflate.zlib_compress(data, level)


def _by_isal(level: int, data: Any) -> Any:
    return isal_zlib.compress(data, level)


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
        self._dataset: Any = None

    def encode(self, chunks: Iterable[NDArray[Any]]) -> Iterator[Encoded]:
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
        """What a reader will see of `chunk`, which a lossy filter changes."""
        (_,) = self.encode([chunk])
        made = np.empty(self._chunks, chunk.dtype)
        place = self._scratch_dataset().get_space()
        place.select_hyperslab((0,) * made.ndim, made.shape)
        self._dataset.read(h5s.create_simple(made.shape), place, made)
        return made

    def try_out(self) -> None:
        """Make the dataset that encodes, and nothing else."""
        self._scratch_dataset()

    def close(self) -> None:
        """Drop the in-memory file."""
        if self._memory is not None:
            self._memory.close()
            self._memory = self._dataset = None

    def _encode(self, batch: NDArray[Any]) -> Iterator[Encoded]:
        """Encode chunks that lie behind each other; the dataset has them along its rows."""
        rows = batch.reshape((-1, *self._chunks[1:]))
        dataset = self._scratch_dataset()
        place = h5s.create_simple(dataset.shape)
        place.select_hyperslab((0,) * rows.ndim, rows.shape)
        dataset.write(h5s.create_simple(rows.shape), place, rows)
        rest = (0,) * (rows.ndim - 1)
        for row in range(0, len(rows), self._chunks[0]):
            yield dataset.read_direct_chunk((row, *rest))

    def _scratch_dataset(self) -> Any:
        """Give the dataset that encodes, in a file that is used again.

        Chunks of other sizes replace those of the batch before, and the file keeps their holes.
        """
        grown = MEMORY_FILE_LIMIT * self._batch.nbytes + (4 << 20)
        if self._memory is not None and self._memory.id.get_filesize() > grown:
            self.close()
        if self._memory is None:
            self._memory = _memory_file()
            self._dataset = self._create(self._memory)
        return self._dataset

    def _create(self, file: h5py.File) -> Any:
        dcpl = h5p.create(h5p.DATASET_CREATE)
        dcpl.set_chunk(self._chunks)
        self._fill.put(dcpl)
        filter_pipeline.apply(self._pipeline, dcpl)
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
                f"expected filters stored as {_told(self._stored)}, HDF5 encodes with "
                f"{_told(found)}; choose another {option('filter')}"
            )
        return made


def _told(stored: tuple[StoredFilter, ...]) -> str:
    return " ".join(f"{step.code}{list(step.values)}" for step in stored)


def _memory_file() -> h5py.File:
    """An HDF5 file that lives in this process's memory alone, with no cache of chunks."""
    fapl = h5p.create(h5p.FILE_ACCESS)
    # 1 MiB steps: it grows by copying.
    fapl.set_fapl_core(1 << 20, backing_store=False)
    fapl.set_cache(0, 1, 0, 1.0)
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    # HDF5 tells open files of this driver apart by name alone, and each output has one.
    name = f"sharedcompute-{uuid.uuid4()}"
    return h5py.File(h5f.create(name.encode(), h5f.ACC_TRUNC, fapl=fapl))
