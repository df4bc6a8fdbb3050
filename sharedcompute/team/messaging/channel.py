"""Messages between the parent and its workers, over one socket pair for each worker.

A message is a header, the lengths of its large buffers, a pickle, and the buffers.
"""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from sharedcompute.system import faults
from sharedcompute.team.messaging.pickling import BytesLike

_HEADER = struct.Struct("<iIqQ")  # kind, number of buffers, number, bytes of the pickle
_POOLED = 4
"""How many buffers a team keeps for messages."""

# Kinds of messages. To a worker: a dispatcher to keep under its token, a job, a job that may be
# repeated and changes none of its arguments. From a worker: the result or the error of a program,
# an object it posted, from the last rank that all have left, and that it cannot start at all.
GIVE, JOB, REPEATABLE, RESULT, RAISED, POST, ALL_LEFT, UNFIT = range(8)

OnMessage = Callable[[int, Any], None]
"""Called with the rank and the object of each message that a program posts to the parent."""


class BufferPool:
    """Buffers for posted objects, reused when no view of them exists any more.

    Fresh memory costs a page fault for each 4 kB (2 us in a virtual machine): messages of 4 MB
    arrived at 1 GB/s with it, and at 6 with these.
    """

    def __init__(self) -> None:
        self._buffers: list[bytearray] = []

    def take(self, size: int) -> memoryview:
        """Return a buffer of `size` bytes with arbitrary content."""
        for buffer in self._buffers:
            if len(buffer) >= size and _is_free(buffer):
                return memoryview(buffer)[:size]
        made = bytearray(size)
        self._buffers = [*self._buffers[1 - _POOLED :], made]
        return memoryview(made)


def _is_free(buffer: bytearray) -> bool:
    try:
        buffer.append(0)  # refused while a memoryview exists
    except BufferError:
        return False
    return True


class EncodedJob(NamedTuple):
    """A job, ready to be sent. Unpickling it needs the dispatchers in `tokens`."""

    kind: int
    data: bytes
    buffers: list[memoryview]
    tokens: dict[int, object]


class Message(NamedTuple):
    """A message as received. `number` is that of a job, or of a token."""

    kind: int
    number: int
    data: bytes
    buffers: list[BytesLike]


class Channel:
    """One end of the socket pair between the parent and a worker.

    A stream socket with plain `os.read` and `os.write`: 4 MB messages went through at 6 GB/s, and
    through a pipe at 1 to 4. Never reads beyond a message, so that `poll` on the descriptor is
    right.
    """

    def __init__(self, connection: Connection, pool: BufferPool) -> None:
        self._connection = connection
        self._pool = pool
        self.descriptor = connection.fileno()
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)
        self.torn = False
        """Whether an exception (Ctrl-C) interrupted a message: the channel is unusable then."""

    def close(self) -> None:
        """Close this end."""
        self._connection.close()

    def readable(self) -> bool:
        """Return whether there is something to read, or the other end is closed."""
        return bool(self._poll.poll(0))

    def send(
        self, kind: int, number: int, data: bytes = b"", buffers: Sequence[memoryview] = ()
    ) -> None:
        """Send a message.

        Raises
        ------
        OSError
            The other end is closed.
        """
        self.torn = True
        # Read-only buffers arrive as bytes, writable ones as bytearrays: the lowest bit says which.
        lengths = [b.nbytes << 1 | (not b.readonly) for b in buffers]
        header = _HEADER.pack(kind, len(lengths), number, len(data))
        self._write(b"".join((header, struct.pack(f"<{len(lengths)}q", *lengths), data)))
        if buffers:
            faults.point("worker.send")  # in the middle of a message
        for buffer in buffers:
            self._write(buffer)
        self.torn = False

    def receive(self) -> Message:
        """Wait for a message.

        Raises
        ------
        EOFError
            The other end is closed.
        """
        header = self._read(_HEADER.size)
        self.torn = True
        fields: tuple[int, int, int, int] = _HEADER.unpack(header)
        kind, count, number, size = fields
        lengths: tuple[int, ...] = struct.unpack(f"<{count}q", self._read(8 * count))
        data = self._read(size)
        take = self._pool.take if kind == POST else None
        parts = [self._read_buffer(n >> 1, bool(n & 1), take) for n in lengths]
        self.torn = False
        return Message(kind, number, data, parts)

    def _write(self, data: BytesLike) -> None:
        sent = os.write(self.descriptor, data)
        if sent < len(data):
            rest = memoryview(data)
            while sent < len(data):
                sent += os.write(self.descriptor, rest[sent:])

    def _read(self, size: int) -> bytes:
        data = os.read(self.descriptor, size) if size else b""
        if len(data) == size:
            return data
        parts = [data]
        while data and (size := size - len(data)) > 0:
            data = os.read(self.descriptor, min(size, 1 << 20))
            parts.append(data)
        if size > 0:
            raise EOFError
        return b"".join(parts)

    def _read_buffer(
        self, size: int, writable: bool, take: Callable[[int], memoryview] | None
    ) -> BytesLike:
        if take is None and not writable:
            return self._read(size)
        buffer = take(size) if take else memoryview(bytearray(size))
        rest = buffer
        while rest:
            got = os.readv(self.descriptor, [rest])
            if not got:
                raise EOFError
            rest = rest[got:]
        return buffer if writable else buffer.toreadonly()
