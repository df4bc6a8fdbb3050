"""All chunks of a source decoded by all workers, each once, before the passes begin."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sharedcompute.engines.work import Deliver, Engine, undeliverable
from sharedcompute.events import BlockDone, Listener
from sharedcompute.hdf5.chunk_index import ChunkGrid
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.hdf5.writers import full_disk_named
from sharedcompute.operations.base import Array, DType
from sharedcompute.plan.loading import Into, stripe_shape, units
from sharedcompute.plan.memory import ArraySource
from sharedcompute.rows import Rows


@dataclass(frozen=True)
class FileArray:
    """An array in a file, as plain data."""

    file: str
    shape: tuple[int, ...]
    dtype: DType

    def open(self) -> Array:
        """Map it, to be written."""
        return np.memmap(self.file, self.dtype, "r+", shape=self.shape)


@dataclass(frozen=True)
class LoadWork:
    """Boxes of whole chunks, each to be decoded into its place.

    Parameters
    ----------
    source : DatasetSource
    first : int
        Where on axis 1 the stripe begins that is loaded.
    target : SharedArray, ndarray or FileArray
    grid : ChunkGrid
        The boxes, over the target.
    """

    source: DatasetSource
    first: int
    target: Array | FileArray
    grid: ChunkGrid

    ordered = False

    def __len__(self) -> int:
        return len(self.grid)

    def rows(self, number: int) -> Rows:
        """The rows of a box."""
        box = self.grid.box(number)[0]
        return Rows(box.start, box.stop)

    def warm_up(self) -> None:
        """The kernels that decode are compiled when they are imported."""

    def open(self, rank: int, deliver: Deliver) -> Loader:
        """Open the source and the target."""
        del deliver
        return Loader(self, rank)

    def combine(self, rank: int, size: int) -> None:
        """Boxes stand for themselves."""


class Loader:
    """Decodes boxes in one process."""

    def __init__(self, work: LoadWork, rank: int) -> None:
        self._work = work
        self._rank = rank
        target = work.target.open() if isinstance(work.target, FileArray) else work.target
        self._out = target.view(np.ndarray)
        self._reader = work.source.open()

    def run(self, number: int) -> BlockDone:
        """Decode one box."""
        began = time.monotonic()
        box = self._work.grid.box(number)
        out = self._out[box]
        corner = [side.start for side in box]
        if len(corner) > 1:
            corner[1] += self._work.first
        self._reader.read_box(tuple(corner), out)
        seconds = time.monotonic() - began
        rows = self._work.rows(number)
        return BlockDone(self._rank, number, *rows, out.nbytes, began, seconds, 0.0, 0.0)

    def finish(self) -> None:
        """Every box is where it belongs."""

    def close(self) -> None:
        """Close the source."""
        self._reader.close()


def room_for(
    source: DatasetSource,
    stripes: Sequence[tuple[int, int]],
    into: Into,
    folder: Path,
    engine: Engine,
) -> Array | Path:
    """Where stripes are decoded to, one after the other: an array for the largest, or `folder`.

    One array for all: workers let go of a freed one only when they are idle, and two stripes would
    take twice the memory that was planned.
    """
    if into == "file":
        return folder
    size = max(math.prod(stripe_shape(source, stripe)) for stripe in stripes)
    return engine.allocate((size,), source.dtype)


@contextlib.contextmanager
def loaded(
    source: DatasetSource,
    stripe: tuple[int, int],
    room: Array | Path,
    engine: Engine,
    listen: Listener,
) -> Iterator[Any]:
    """Decode all chunks of a stripe of axis 1, and give the source that rows then come from.

    Parameters
    ----------
    room : ndarray or Path
        From `room_for`.
    """
    shape = stripe_shape(source, stripe)
    grid = units(shape, source.chunks or shape, source.dtype.itemsize)
    with contextlib.ExitStack() as stack:
        target: Array | FileArray
        if isinstance(room, Path):
            target = stack.enter_context(unnamed_file(shape, source.dtype, room))
        else:
            target = room[: math.prod(shape)].reshape(shape)
        engine.run(LoadWork(source, stripe[0], target, grid), undeliverable, listen)
        yield _ready(source, target)


def _ready(source: DatasetSource, target: Array | FileArray) -> Any:
    if not isinstance(target, FileArray):
        return ArraySource(target)
    return replace(
        source,
        file=target.file,
        stored_dtype=target.dtype,
        chunks=None,
        filters=(),
        parts=(),
        offset=0,
        read_path="mmap",
        reason="decoded into a file without a name",
    )


@contextlib.contextmanager
def unnamed_file(shape: tuple[int, ...], dtype: DType, folder: Path) -> Iterator[FileArray]:
    """Room for an array in a file that ends with this process, however that ends.

    Raises
    ------
    MemoryBudgetError
        The disk is full.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        with full_disk_named(str(folder)):
            os.posix_fallocate(file.fileno(), 0, nbytes)
        # Workers are other processes of the same user, and reach it by this name.
        yield FileArray(f"/proc/{os.getpid()}/fd/{file.fileno()}", shape, dtype)
