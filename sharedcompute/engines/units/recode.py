"""Boxes of one dataset, decoded from the chunks of a source and encoded to those of a target."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sharedcompute.engines.engine import Deliver, Left
from sharedcompute.engines.units.boxes import BoxRunner, BoxWork
from sharedcompute.engines.units.warm_up import warm_up_coding
from sharedcompute.events import BlockDone
from sharedcompute.hdf5.format.marks import block_crc
from sharedcompute.hdf5.writing.chunked import ChunkTarget
from sharedcompute.hdf5.writing.row_writer import ContiguousTarget, RowTarget
from sharedcompute.operations.specs import Array


@dataclass(frozen=True)
class RecodeWork(BoxWork):
    """Boxes to be read from `source` and written to `target`.

    Parameters
    ----------
    target : RowTarget
        The boxes are whole chunks of it.
    """

    target: RowTarget

    @property
    def ordered(self) -> bool:
        """Chunks are stored in the order of their boxes."""
        return isinstance(self.target, ChunkTarget)

    def warm_up(self) -> None:
        """Compile what decodes and encodes."""
        warm_up_coding(self.source, self.target)

    def open(self, rank: int, deliver: Deliver) -> Recoder:
        """Open both sides."""
        return Recoder(self, rank, deliver)


class Recoder(BoxRunner):
    """Reads and writes boxes in one process."""

    def __init__(self, work: RecodeWork, rank: int, deliver: Deliver) -> None:
        self._work = work
        self._rank = rank
        self._deliver = deliver
        self._reader = work.source.open()
        self._writer = work.target.open()
        # Chunks with filters are given places as they come: those never written stay so.
        self._sparse = isinstance(work.target, ChunkTarget) and bool(work.target.filters)
        # Used again, as fresh memory costs page faults.
        self._buffer = np.empty(0, work.source.dtype)

    def run(self, number: int) -> Left:
        """Decode and encode one box."""
        began = time.monotonic()
        box = self._work.boxes.box(number)
        shape = tuple(side.stop - side.start for side in box)
        corner = tuple(side.start for side in box)
        read, checksums = began, tuple[int, ...]()
        if not self._sparse or self._reader.stores(corner, shape):
            values = self._room(shape)
            self._reader.read_box(corner, values)
            read = time.monotonic()
            chunks = self._writer.write_box(corner, values)
            if chunks:
                self._deliver(number, 0, chunks)
            if isinstance(self._work.target, ContiguousTarget):
                checksums = (block_crc(values, self._work.target.stored_dtype),)
        written = time.monotonic()
        rows, nbytes = self._work.rows(number), self._work.nbytes(number)
        times = began, read - began, 0.0, written - read
        return Left(BlockDone(self._rank, number, *rows, nbytes, *times, checksums))

    def _room(self, shape: tuple[int, ...]) -> Array:
        size = int(np.prod(shape, dtype=np.int64))
        if self._buffer.size < size:
            self._buffer = np.empty(size, self._buffer.dtype)
        return self._buffer[:size].reshape(shape)

    def close(self) -> None:
        """Close both sides."""
        self._reader.close()
        self._writer.close()
