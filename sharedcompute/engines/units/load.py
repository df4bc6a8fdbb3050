"""All chunks of a source decoded by all workers, each once, before the passes begin."""

from __future__ import annotations

import contextlib
import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sharedcompute.engines.engine import Deliver, Engine, Left, undeliverable
from sharedcompute.engines.units.arrived import crc_of, sample
from sharedcompute.engines.units.boxes import BoxRunner, BoxWork
from sharedcompute.engines.units.warm_up import warm_up_coding
from sharedcompute.events import BlockDone, Listener
from sharedcompute.hdf5.reading.boxes import boxes_of, moved
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.specs import DType
from sharedcompute.planning.in_memory import (
    ArraySink,
    ArraySource,
    Buffer,
    Elsewhere,
    FileArray,
    opened,
)
from sharedcompute.planning.planned import Into, stripe_corner, stripe_shape


@dataclass(frozen=True)
class LoadWork(BoxWork):
    """Boxes of whole chunks, each to be decoded into its place.

    Parameters
    ----------
    corner : tuple of int
        Where in the source begins what is loaded.
    target : ArraySink
        Takes the boxes.
    """

    corner: tuple[int, ...]
    target: ArraySink

    ordered = False

    def warm_up(self) -> None:
        """Compile what decodes."""
        warm_up_coding(self.source)

    def detached(self) -> Self:
        """Return the work without the array that it loads into."""
        return replace(self, target=self.target.detached())

    def accept(self, left: Left) -> None:
        """Put a box that travelled in its place."""
        for values in left.rows:
            if values is not None:
                self.target.open().begin(self.box(left.event.block))[...] = values

    def left(self) -> int | None:
        """Return the checksum of the rows."""
        target = self.target.array
        return None if isinstance(target, Elsewhere) else crc_of(sample(opened(target)))

    def open(self, rank: int, deliver: Deliver) -> Loader:
        """Open the source and the target."""
        del deliver
        return Loader(self, rank)


class Loader(BoxRunner):
    """Decodes boxes in one process."""

    def __init__(self, work: LoadWork, rank: int) -> None:
        self._work = work
        self._rank = rank
        self._out = work.target.open()
        self._reader = work.source.open()

    def run(self, number: int) -> Left:
        """Decode one box."""
        began = time.monotonic()
        box = self._work.boxes.box(number)
        out = self._out.begin(box)
        self._reader.read_box(moved(box, self._work.corner), out)
        seconds = time.monotonic() - began
        rows = self._work.rows(number)
        event = BlockDone(self._rank, number, *rows, out.nbytes, began, seconds, 0.0, 0.0)
        return Left(event, (self._out.left(),))

    def close(self) -> None:
        """Close the source."""
        self._reader.close()


def loaded(
    source: DatasetSource, stripe: tuple[int, int], held: Buffer, engine: Engine, listen: Listener
) -> ArraySource:
    """Decode all chunks of a stripe of axis 1, and return the source that rows then come from.

    Parameters
    ----------
    held : SharedArray, ndarray or FileArray
        One-dimensional, for this stripe and those after it: workers let go of a freed array only
        when they are idle, so with one for each there were two at a time.
    """
    shape, corner = stripe_shape(source, stripe), stripe_corner(source, stripe)
    grid = boxes_of(source, shape, corner)
    target = _begin_of(held, shape)
    engine.run(LoadWork(grid, source, corner, ArraySink(target)), undeliverable, listen)
    return ArraySource(target)


def _begin_of(held: Buffer, shape: tuple[int, ...]) -> Buffer:
    if isinstance(held, FileArray):
        return replace(held, shape=shape)
    return held[: math.prod(shape)].reshape(shape)


def room(
    into: Into, shape: tuple[int, ...], dtype: DType, folder: Path, engine: Engine
) -> AbstractContextManager[Buffer]:
    """Make room for rows where the plan wants them, so that units can reach it."""
    if into == "memory":
        return contextlib.nullcontext(engine.allocate(shape, dtype))
    return engine.room(shape, dtype, folder)
