"""Chunks in the order of their blocks, whichever worker is done first.

HDF5 puts each chunk behind the last one that was stored. Stored as they come, the same data would
give another file with every run; in order, the file's bytes do not depend on the workers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from sharedcompute.hdf5.writers import EncodedChunk
from sharedcompute.plan.memory import HELD_BYTES
from sharedcompute.shortage import full_disk_named

Store = Callable[[int, Sequence[EncodedChunk]], None]


class _Waiting(NamedTuple):
    """A chunk that waits: in memory, or in the spill file where `length` is not 0."""

    number: int
    chunk: EncodedChunk
    position: int = 0
    length: int = 0


class InOrder:
    """Stores chunks block by block.

    Parameters
    ----------
    store : callable
        ``store(number, chunks)`` puts chunks of keep `number` into the file.
    folder : Path
        For the spill file, which has no name and goes with the process.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._turn = 0
        self._done: set[int] = set()
        self._waiting: dict[int, list[_Waiting]] = {}
        self._held = 0
        self._spill: IO[bytes] | None = None

    def add(self, block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        """Take in chunks of a block, in the block's own order."""
        if block == self._turn:
            self._store(number, chunks)
        else:
            waiting = self._waiting.setdefault(block, [])
            waiting.extend(self._keep(number, chunk) for chunk in chunks)

    def done(self, block: int) -> None:
        """Note that all chunks of a block have come."""
        self._done.add(block)
        while self._turn in self._done:
            self._done.remove(self._turn)
            self._turn += 1
            for waiting in self._waiting.pop(self._turn, ()):
                self._store(waiting.number, [self._fetch(waiting)])

    def close(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        if self._spill is not None:
            self._spill.close()

    def _keep(self, number: int, chunk: EncodedChunk) -> _Waiting:
        size = len(chunk.data)
        if self._held + size <= HELD_BYTES:
            self._held += size
            # A copy: what a message brought is in a buffer that the next one uses again.
            return _Waiting(number, chunk._replace(data=bytes(chunk.data)))
        if self._spill is None:
            self._spill = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - see close
        with full_disk_named(str(self._folder)):
            position = self._spill.seek(0, 2)
            self._spill.write(chunk.data)
        return _Waiting(number, chunk._replace(data=b""), position, size)

    def _fetch(self, waiting: _Waiting) -> EncodedChunk:
        if not waiting.length:
            self._held -= len(waiting.chunk.data)
            return waiting.chunk
        assert self._spill is not None
        self._spill.seek(waiting.position)
        return waiting.chunk._replace(data=self._spill.read(waiting.length))
