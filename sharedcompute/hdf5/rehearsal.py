"""Rehearsals: what this process would read with HDF5, read in a disposable one first.

A worker may be lost, this process may not: HDF5's index of chunks, its own reader and the codecs of
third parties crash on some damaged files. Where this process does the work itself, all that is
tried there first; a box that a user slices is read there and returned.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import MemoryBudgetError
from sharedcompute.hdf5.copying.metadata import copy_metadata
from sharedcompute.hdf5.filters.decode import is_guarded
from sharedcompute.hdf5.reading.in_threads import read_in_threads
from sharedcompute.hdf5.reading.read_paths import wants_few
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.stored import Stored
from sharedcompute.hdf5.safety.sandbox import MOST_SECONDS, once, run_each_sandboxed, run_sandboxed
from sharedcompute.hdf5.writing.new_file import OLDEST
from sharedcompute.system import disposable
from sharedcompute.system.machine import format_size

STEP_NBYTES = 8 << 20
"""Bytes of rows that are read at once."""


def rehearse(source: DatasetSource, *, rows: bool, metadata: bool) -> None:
    """Try, where it may be lost, what this process is about to do with a source.

    As `rehearse_all`, but once for files that stay as they are: many calls on small data are
    common.
    """
    if _is_needed(source, rows, metadata):
        once(source.reads.names, _rehearse_one, source, rows, metadata)


def rehearse_all(sources: Sequence[DatasetSource], *, rows: bool, metadata: bool) -> None:
    """Try what this process is about to do with sources, where it may be lost.

    Parameters
    ----------
    rows : bool
        It will read the rows itself. Those that are decoded by codecs which are not ours are read
        twice then: data are small where no workers are started for them.
    metadata : bool
        It will give results the sources' attributes, scales and companions.

    Raises
    ------
    InputError
        A source is damaged; it is named.
    """
    needed = [source for source in sources if _is_needed(source, rows, metadata)]
    if needed:
        run_each_sandboxed(
            _rehearse, [(str(made), (made, rows, metadata)) for made in needed], MOST_SECONDS
        )


def _is_needed(source: DatasetSource, rows: bool, metadata: bool) -> bool:
    return metadata or (rows and not _is_mapped(source))


def _rehearse_one(source: DatasetSource, rows: bool, metadata: bool) -> None:
    rehearse_all([source], rows=rows, metadata=metadata)


def _rehearse(source: DatasetSource, rows: bool, metadata: bool) -> None:
    if metadata:
        memory: dict[str, Any] = {"driver": "core", "backing_store": False}
        with h5py.File("rehearsal", "w", libver=OLDEST, **memory) as file:
            result = file.create_dataset("x", source.shape, source.dtype, chunks=True)
            copy_metadata(source, result)
    disposable.progress()
    if not rows:
        return
    with source.open() as reader:
        step = max(1, STEP_NBYTES // max(1, source.row_nbytes))
        for start in range(0, source.shape[0] if _is_foreign(source) else 0, step):
            reader.read(start, start + step)
            disposable.progress()


def read_box(
    source: DatasetSource, corner: tuple[int, ...], sides: tuple[int, ...]
) -> NDArray[Any]:
    """Read a box of a source into memory of this process.

    Raises
    ------
    InputError
        The source is damaged.
    MemoryBudgetError
        The box is larger than memory can be.
    InputChanged
        A file is not what it was when it was described, or was changed meanwhile.
    """
    with source.reads.unchanged():
        found = _box(source, corner, sides)
    source.reads.check()
    return found


def read_all(source: DatasetSource) -> NDArray[Any]:
    """Read all of a source into memory of this process, as `read_box`."""
    return read_box(source, (0,) * source.ndim, source.shape)


def _box(source: DatasetSource, corner: tuple[int, ...], sides: tuple[int, ...]) -> NDArray[Any]:
    try:
        values = np.empty(sides, source.dtype)
    except (MemoryError, ValueError):
        nbytes = math.prod(sides) * source.dtype.itemsize
        raise MemoryBudgetError(
            f"expected memory for {format_size(nbytes)} of {source}, there is none; take a "
            "smaller slice"
        ) from None
    if not values.size:
        return values
    if not _is_foreign(source) and not wants_few(source, corner, sides):
        # The index of the chunks is HDF5's; what lies there is decoded by us.
        rehearse(source, rows=True, metadata=False)
        read_in_threads(source, corner, values)
        return values
    with _unnamed(values.nbytes) as fd:
        # Private: what the user writes there is not for children of this process to see.
        held = mmap.mmap(fd, values.nbytes, access=mmap.ACCESS_COPY)
        run_sandboxed(str(source), _fill_file, source, corner, sides, fd, seconds=MOST_SECONDS)
    return np.frombuffer(held, source.dtype).reshape(sides)


def _fill_file(
    source: DatasetSource, corner: tuple[int, ...], sides: tuple[int, ...], fd: int
) -> None:
    read_in_threads(source, corner, np.frombuffer(mmap.mmap(fd, 0), source.dtype).reshape(sides))


@contextmanager
def _unnamed(nbytes: int) -> Iterator[int]:
    """Open a file in memory that ends with its last user."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("sharedcompute")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    try:
        os.ftruncate(fd, nbytes)
        yield fd
    finally:
        os.close(fd)


def _is_mapped(source: Stored) -> bool:
    """Return whether its rows are read without HDF5."""
    return all(dataset.read_path in ("mmap", "mmap-copy") for dataset in source.datasets)


def _is_foreign(source: Stored) -> bool:
    """Return whether its rows are decoded by others than us."""
    return any(d.read_path == "h5py" or not is_guarded(d.filters) for d in source.datasets)
