"""Chunks in the order of their blocks, whichever worker is done first.

HDF5 puts each chunk after the last one that was stored. Stored as they come, the same data would
give another file with every run; in order, the file's bytes do not depend on the workers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import IO, Any, NamedTuple

import deflate

from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.engine import TAKE_SECONDS
from sharedcompute.hdf5.safety.ownership import open_own
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.planning.in_memory import HELD_BYTES
from sharedcompute.system import faults
from sharedcompute.system.shortage import full_disk_named

StoreChunks = Callable[[int, Sequence[EncodedChunk]], None]


class _Waiting(NamedTuple):
    """A chunk that waits: in memory, or from `position` on in the file where its data are empty."""

    number: int
    chunk: EncodedChunk
    note: list[Any]
    position: int


class InOrder:
    """Stores chunks block by block, and notes which blocks are kept.

    A block is noted once its chunks are in the output, in turn; or once they are in the file of
    those that wait, which is brought about when a second has gone by: what is noted is not
    computed again after a stop.

    Parameters
    ----------
    store : callable
        ``store(number, chunks)`` puts chunks of store `number` into the file.
    section : Section
        Takes the notes.
    """

    def __init__(self, store: StoreChunks, section: Section) -> None:
        self._store = store
        self._section = section
        self._turn = 0
        self._done: dict[int, tuple[int, ...]] = {}
        self._noted: set[int] = set()
        self._waiting: dict[int, list[_Waiting]] = {}
        self._stored: list[list[Any]] = []
        self._held = 0
        self._spill: IO[bytes] | None = None
        self._saved = time.monotonic()

    def add(self, block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        """Take in chunks of a block, in the block's own order."""
        if block == self._turn:
            faults.point("chunk.store")
            self._store(number, chunks)
            self._stored += [_note(number, chunk) for chunk in chunks]
        elif block > self._turn:
            waiting = self._waiting.setdefault(block, [])
            waiting.extend(self._keep(number, chunk) for chunk in chunks)

    def done(self, block: int, checksums: tuple[int, ...] = ()) -> None:
        """Note that all chunks of a block are here."""
        if block < self._turn:
            return
        self._done[block] = checksums
        while self._turn in self._done:
            self._end_turn()
        if self._done and time.monotonic() > self._saved + TAKE_SECONDS:
            self.save()

    def present(self, block: int) -> None:
        """Note that a block is in the file, and noted, since a run before this one."""
        self._noted.add(block)
        self._done[block] = ()
        while self._turn in self._done:
            self._end_turn()

    def restart(self) -> None:
        """Drop the chunks of blocks that are not done: they will be sent again."""
        for block in self._waiting.keys() - self._done.keys():
            self._held -= sum(len(w.chunk.data) for w in self._waiting.pop(block))
        # What is stored already will be stored again at its place.
        self._stored = []

    def save(self) -> None:
        """Bring all blocks that are done to the disk, and note them."""
        # A block whose turn it is has not waited: its chunks are in the output, and where it is not
        # noted yet, that has failed.
        for block in sorted(self._done.keys() - self._noted - {self._turn}):
            saved = [self._spilled(waiting) for waiting in self._waiting.get(block, ())]
            if saved:
                self._waiting[block] = saved
            self._note(block, [[*w.note, w.position] for w in saved], "waiting")
        if self._spill is not None:
            self._spill.flush()
        self._saved = time.monotonic()

    def close(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        if self._spill is not None:
            self._spill.close()

    def _end_turn(self) -> None:
        block = self._turn
        for waiting in self._waiting.pop(block, ()):
            self._store(waiting.number, [self._fetch(waiting)])
            self._stored.append(waiting.note)
        self._note(block, self._stored, "output")
        self._stored = []
        del self._done[block]
        self._noted.discard(block)
        self._turn += 1
        # Its chunks may have come in part, to be stored as soon as it is their turn.
        if self._turn not in self._done:
            for waiting in self._waiting.pop(self._turn, ()):
                self._store(waiting.number, [self._fetch(waiting)])
                self._stored.append(waiting.note)

    def _note(self, block: int, chunks: list[list[Any]], where: str) -> None:
        if block not in self._noted or (chunks and where == "output"):
            self._section.append(kept=block, crcs=self._done[block], chunks=chunks, where=where)
            self._noted.add(block)

    def _keep(self, number: int, chunk: EncodedChunk) -> _Waiting:
        size = len(chunk.data)
        # A copy: what a message brought is in a buffer that the next one uses again.
        kept = chunk._replace(data=bytes(chunk.data))
        waiting = _Waiting(number, kept, _note(number, chunk), -1)
        self._held += size
        return waiting if self._held <= HELD_BYTES else self._spilled(waiting)

    def _spilled(self, waiting: _Waiting) -> _Waiting:
        """Return the same chunk, with its data in the file."""
        if waiting.position >= 0:
            return waiting
        if self._spill is None:
            # Not emptied: where a job goes on in place, chunks wait there still.
            fd = open_own(self._section.run.waiting, os.O_RDWR | os.O_APPEND)
            self._spill = os.fdopen(fd, "a+b")
        faults.point("waiting.write")
        with full_disk_named(str(self._section.run.waiting)):
            position = self._spill.seek(0, 2)
            self._spill.write(waiting.chunk.data)
            self._spill.flush()
        self._held -= len(waiting.chunk.data)
        return waiting._replace(chunk=waiting.chunk._replace(data=b""), position=position)

    def _fetch(self, waiting: _Waiting) -> EncodedChunk:
        if waiting.position < 0:
            self._held -= len(waiting.chunk.data)
            return waiting.chunk
        assert self._spill is not None
        self._spill.seek(waiting.position)
        return waiting.chunk._replace(data=self._spill.read(waiting.note[2]))


def checksum(number: int, chunk: EncodedChunk) -> int:
    """Return the checksum of all that is stored of a chunk: its data, their place and filters."""
    how = ",".join(str(int(value)) for value in (number, chunk.mask, *chunk.offset))
    data = deflate.crc32(chunk.data) if chunk.crc is None else chunk.crc
    return int(deflate.crc32(how.encode(), data))


def _note(number: int, chunk: EncodedChunk) -> list[Any]:
    """Return what a later run has to know of a chunk."""
    crc = checksum(number, chunk)
    return [number, chunk.mask, len(chunk.data), crc, list(chunk.offset)]
