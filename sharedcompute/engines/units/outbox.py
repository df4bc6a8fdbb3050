"""Sent chunks on their way to the parent: their bytes in shared memory, the rest in messages.

Each worker has a ring, which it alone fills and the parent alone empties. Through the connection
the bytes would be copied twice more, and a worker would wait whenever the parent stores what
another one sent: that was a tenth of the time of a map from gzip to gzip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import deflate
import numpy as np
from numpy.typing import NDArray

from sharedcompute.engines.units.arrived import check
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.planning.in_memory import RING_NBYTES
from sharedcompute.shm import arrays
from sharedcompute.sync import atomics
from sharedcompute.team import Worker

SENT_NBYTES = 1 << 20
"""Bytes of chunks that one message lists, as it costs 0.1 ms. A longer chunk travels inside one."""

_LINE = 8
"""Words from one worker's counter to the next: each has a cache line for itself."""


class Sent(NamedTuple):
    """A list of chunks: a message to the parent.

    Parameters
    ----------
    block, number : int
        The unit of work and the result that they belong to.
    chunks : sequence of EncodedChunk
        Without their bytes, where these are in the ring.
    places : sequence of (int, int)
        Where in the ring the bytes of each begin and end; (0, 0) where they are in the message.
    end : int
        The value of the counter of bytes taken once all of them are stored.
    """

    block: int
    number: int
    chunks: Sequence[EncodedChunk]
    places: Sequence[tuple[int, int]]
    end: int


class Rings(NamedTuple):
    """The rings of all workers, in shared memory.

    Parameters
    ----------
    data : SharedArray of uint8, shape (workers, RING_NBYTES)
    taken : SharedArray of int64
        How many bytes of each ring the parent has taken since the beginning, a word in each line.
    """

    data: NDArray[np.uint8]
    taken: NDArray[np.int64]

    @classmethod
    def make(cls, workers: int) -> Rings:
        """Empty rings."""
        data = arrays.empty((workers, RING_NBYTES), np.uint8)
        return cls(data, arrays.zeros((workers * _LINE,), np.int64))

    def take(self, rank: int, message: Sent) -> list[EncodedChunk]:
        """Return the chunks of a message; their bytes are valid until `free`.

        Raises
        ------
        ProgramError
            They are not those that the worker has put there.
        """
        ring: NDArray[np.uint8] = self.data[rank].view(np.ndarray)
        chunks = [
            chunk._replace(data=ring[begin:end].data) if end else chunk
            for chunk, (begin, end) in zip(message.chunks, message.places, strict=True)
        ]
        for chunk in chunks:
            check(rank, chunk.crc, deflate.crc32(chunk.data))
        return chunks

    def free(self, rank: int, message: Sent) -> None:
        """Let the worker use the place of a message's bytes again."""
        words: NDArray[np.int64] = self.taken.view(np.ndarray)
        at = rank * _LINE
        atomics.fetch_add(words, at, message.end - int(words[at]))
        atomics.wake(words, at, 1)


class Outbox:
    """A worker's side of its ring."""

    def __init__(self, rings: Rings, worker: Worker) -> None:
        self._worker = worker
        arrays.expect_shared(rings.taken)  # or it would wait for room for ever
        self._ring: NDArray[np.uint8] = rings.data[worker.rank].view(np.ndarray)
        self._words = rings.taken.view(np.ndarray)
        self._at = worker.rank * _LINE
        # Bytes put in since the beginning, those skipped at the ring's end included.
        self._put = atomics.load(self._words, self._at)
        self._of = 0, 0
        self._chunks: list[EncodedChunk] = []
        self._places: list[tuple[int, int]] = []
        self._size = 0

    def put(self, block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        """Take in chunks; they are sent once there are some."""
        for chunk in chunks:
            data, size = chunk.data, len(chunk.data)
            if self._size + size > SENT_NBYTES or (block, number) != self._of:
                self.send()
            self._of = block, number
            self._size += size
            sent = chunk._replace(crc=deflate.crc32(data))
            self._chunks.append(sent._replace(data=b"") if size <= SENT_NBYTES else sent)
            self._places.append(self._place(data) if size <= SENT_NBYTES else (0, 0))

    def send(self) -> None:
        """Send the parent the list of all that was put in."""
        if self._chunks:
            self._worker.post(Sent(*self._of, self._chunks, self._places, self._put))
        self._chunks, self._places, self._size = [], [], 0

    def _place(self, data: bytes | memoryview) -> tuple[int, int]:
        """Put bytes into the ring in one piece, once there is room."""
        size = len(data)
        begin = self._put % RING_NBYTES
        skipped = RING_NBYTES - begin if begin + size > RING_NBYTES else 0
        self._wait(self._put + skipped + size - RING_NBYTES)
        begin = 0 if skipped else begin
        self._ring[begin : begin + size] = np.frombuffer(data, np.uint8)
        self._put += skipped + size
        return begin, begin + size

    def _wait(self, least: int) -> None:
        """Wait until the parent has taken `least` bytes in all."""
        while (taken := atomics.load(self._words, self._at)) < least:
            self._worker.check()
            atomics.sleep_on(self._words, self._at, taken)
