"""All chunks of a source decoded by all workers, each once, before the passes begin."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sharedcompute.engines.units.arrived import crc_of, sample
from sharedcompute.engines.units.boxes import BoxRunner, BoxWork
from sharedcompute.engines.units.work import Deliver, Engine, undeliverable, warm_up_coding
from sharedcompute.events import BlockDone, Listener
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.specs import DType
from sharedcompute.plan.budget.loading import load_boxes
from sharedcompute.plan.in_memory import ArraySource, Buffer, FileArray, opened
from sharedcompute.plan.planned import Into, stripe_shape
from sharedcompute.system.shortage import full_disk_named


@dataclass(frozen=True)
class LoadWork(BoxWork):
    """Boxes of whole chunks, each to be decoded into its place.

    Parameters
    ----------
    first : int
        Where on axis 1 the stripe begins that is loaded.
    target : SharedArray, ndarray or FileArray
    """

    first: int
    target: Buffer

    ordered = False

    def warm_up(self) -> None:
        """Compile what decodes."""
        warm_up_coding(self.source)

    def left(self) -> int | None:
        """The checksum of the rows."""
        return crc_of(sample(opened(self.target)))

    def open(self, rank: int, deliver: Deliver) -> Loader:
        """Open the source and the target."""
        del deliver
        return Loader(self, rank)


class Loader(BoxRunner):
    """Decodes boxes in one process."""

    def __init__(self, work: LoadWork, rank: int) -> None:
        self._work = work
        self._rank = rank
        self._out = opened(work.target)
        self._reader = work.source.open()

    def run(self, number: int) -> BlockDone:
        """Decode one box."""
        began = time.monotonic()
        box = self._work.boxes.box(number)
        out = self._out[box]
        corner = [side.start for side in box]
        if len(corner) > 1:
            corner[1] += self._work.first
        self._reader.read_box(tuple(corner), out)
        seconds = time.monotonic() - began
        rows = self._work.rows(number)
        return BlockDone(self._rank, number, *rows, out.nbytes, began, seconds, 0.0, 0.0)

    def close(self) -> None:
        """Close the source."""
        self._reader.close()


def loaded(
    source: DatasetSource, stripe: tuple[int, int], held: Buffer, engine: Engine, listen: Listener
) -> ArraySource:
    """Decode all chunks of a stripe of axis 1, and give the source that rows then come from.

    Parameters
    ----------
    held : SharedArray, ndarray or FileArray
        One-dimensional, for this stripe and those after it: workers let go of a freed array only
        when they are idle, so with one for each there were two at a time.
    """
    shape = stripe_shape(source, stripe)
    grid = load_boxes(source, shape)
    target = _begin_of(held, shape)
    engine.run(LoadWork(grid, source, stripe[0], target), undeliverable, listen)
    return ArraySource(target)


def _begin_of(held: Buffer, shape: tuple[int, ...]) -> Buffer:
    if isinstance(held, FileArray):
        return replace(held, shape=shape)
    return held[: math.prod(shape)].reshape(shape)


@contextlib.contextmanager
def room(
    into: Into, shape: tuple[int, ...], dtype: DType, folder: Path, engine: Engine
) -> Iterator[Buffer]:
    """Room for rows that whoever runs units can reach."""
    if into == "memory":
        yield engine.allocate(shape, dtype)
    else:
        with unnamed_file(shape, dtype, folder) as file:
            yield file


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
            os.posix_fallocate(file.fileno(), 0, max(1, nbytes))
        # Workers are other processes of the same user, and reach it by this name.
        yield FileArray(f"/proc/{os.getpid()}/fd/{file.fileno()}", shape, dtype)
