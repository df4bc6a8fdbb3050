"""Messages between the parent and its workers, over one socket pair for each worker.

A message is a header, the lengths of its large buffers, a pickle, and the buffers. Arrays in
shared memory go as handles, private arrays and long bytes beside the pickle, uncopied.
"""

from __future__ import annotations

import io
import os
import pickle
import select
import struct
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import FunctionType
from typing import Any, Literal, NamedTuple

import cloudpickle
import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.shm import arrays, segments
from sharedcompute.shm.segments import Segment
from sharedcompute.shm.shared_array import Handle, SharedArray
from sharedcompute.system import faults
from sharedcompute.team.messaging.callables import find, is_dispatcher, name_of, name_of_own

Refer = Callable[[Any], Any]
Own = Literal["handle", "copy", "read-only copy", "value"]
"""How arrays travel whose block the sender has made itself; those of others go as handles, but for
``"value"``: all arrays go as read-only copies then, to a process that shares no memory."""
BytesLike = bytes | bytearray | memoryview

_HEADER = struct.Struct("<iIqQ")  # kind, number of buffers, number, bytes of the pickle
_LONG = 1 << 16
"""Bytes objects from here on are not copied into the pickle."""
_RECYCLED = 4
"""How many buffers a team keeps for messages."""

# What a message is about. To a worker: a dispatcher to keep under its token, a job, a job that may
# come again and changes none of its arguments. From a worker: a program's result or its error, an
# object it posted, from the last to leave, that all left, and that it cannot serve at all.
GIVE, JOB, REPEATABLE, RESULT, RAISED, POST, ALL_LEFT, UNFIT = range(8)


class Attached:
    """The blocks that this process keeps mapped between messages.

    To map a block again costs a page fault every 64 kB, so what is still linked stays. What its
    owner has freed is dropped by `sweep`, or its memory would be held for ever.
    """

    def __init__(self) -> None:
        self._segments: dict[str, Segment] = {}
        self._views: dict[bytes, SharedArray] = {}
        self.job: tuple[bytes, Any] = b"", None
        """The last repeatable job: its message, and what that says."""
        self.grown = False

    def __len__(self) -> int:
        return len(self._segments)

    def open(self, packed: bytes) -> SharedArray:
        """Return the array of a pickled handle."""
        known = self._views.get(packed)
        if known is None:
            handle = Handle(*pickle.loads(packed))
            segment = segments.open_segment(handle.name, handle.size)
            known = self._views[packed] = arrays.view(segment, handle)
            self._segments[handle.name] = segment
            self.grown = True
        return known.view()  # the program's own, whose shape and flags it may set

    def forget(self) -> None:
        """Let go of all blocks; arrays that are in use keep theirs."""
        self._segments.clear()
        self._views.clear()
        self.job = b"", None

    def sweep(self) -> None:
        """Let go of the blocks that their owners have freed."""
        self._views.clear()
        self.job = b"", None
        self._segments = {n: s for n, s in self._segments.items() if segments.exists(n)}
        self.grown = False


class _Pickler(cloudpickle.Pickler):
    def __init__(
        self, file: io.BytesIO, buffers: list[pickle.PickleBuffer], refer: Refer, own: Own
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffers.append)
        self._refer = refer
        self._own = own

    def persistent_id(self, obj: Any) -> Any:
        """Say what travels in its own way: shared arrays, long bytes, functions with a name."""
        if isinstance(obj, np.ndarray):
            return _shared(obj, self._own)
        kind = type(obj)
        if kind is bytes:
            return ("value", pickle.PickleBuffer(obj)) if len(obj) >= _LONG else None
        if kind is FunctionType:
            return name_of_own(obj)
        return self._refer(obj) if is_dispatcher(obj) else None


class _Unpickler(pickle.Unpickler):
    def __init__(
        self,
        data: BytesLike,
        buffers: Sequence[BytesLike],
        attached: Attached,
        given: dict[int, Any],
    ) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._attached = attached
        self._given = given

    def persistent_load(self, pid: Any) -> Any:
        kind, *what = pid
        if kind == "array":
            return self._attached.open(what[0])
        if kind == "token":
            return self._given[what[0]]
        return find(*what) if kind == "name" else what[0]


def _shared(array: np.ndarray[Any, Any], own: Own) -> Any:
    """Return the handle of an array in shared memory, else None: pickle it as any other."""
    segment = arrays.segment_of(array)
    if segment is None:
        return None
    if not isinstance(array, SharedArray) and type(array) not in (np.ndarray, np.recarray):
        raise InputError(
            f"expected a plain array in shared memory, got a {type(array).__name__} over it; its "
            "mask or unit would be lost: send its parts, or a copy in private memory"
        )
    if own == "value" or (segment.remove is not None and own != "handle"):
        copy = np.array(array, subok=False)
        copy.flags.writeable = own == "copy"
        return "value", copy
    # One bytes object: the pickler asks Python about each part of anything else (1 us, not 20).
    return "array", pickle.dumps(tuple(arrays.handle(array) or ()), protocol=5)


def dumps(obj: Any, own: Own, refer: Refer = name_of) -> tuple[bytes, list[memoryview]]:
    """Pickle anything: the pickle, and the buffers that stand beside it.

    Parameters
    ----------
    own : {"handle", "copy", "read-only copy", "value"}
        How arrays go whose block this process has made. Who keeps them until the receiver is done,
        as the parent of a team, says ``"handle"``. Those of a worker end with it, or when it lets
        go of them, so it says ``"copy"``; or that nobody may write to it, where the receiver would
        take it for the sender's memory. Not for this function to guess: any process may have a
        team, one that multiprocessing has started too.
    refer : callable
        Says what to send instead of a dispatcher; None for its value.
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, buffers, refer, own).dump(obj)
    return file.getvalue(), [buffer.raw() for buffer in buffers]


def loads(
    data: BytesLike, buffers: Sequence[BytesLike], attached: Attached, given: dict[int, Any]
) -> Any:
    """Undo `dumps`; `given` are the dispatchers by token."""
    return _Unpickler(data, buffers, attached, given).load()


class Recycled:
    """Buffers for what is posted, used again when nobody holds a view of them any more.

    Fresh memory costs a page fault for each 4 kB (2 us in a virtual machine): with it, 4 MB
    messages arrived at 1 GB/s, with these at 6.
    """

    def __init__(self) -> None:
        self._buffers: list[bytearray] = []

    def take(self, size: int) -> memoryview:
        """Give a buffer of `size` bytes, of any content."""
        for buffer in self._buffers:
            if len(buffer) >= size and _is_free(buffer):
                return memoryview(buffer)[:size]
        made = bytearray(size)
        self._buffers = [*self._buffers[1 - _RECYCLED :], made]
        return memoryview(made)


def _is_free(buffer: bytearray) -> bool:
    try:
        buffer.append(0)  # refused while a memoryview exists
    except BufferError:
        return False
    return True


class Encoded(NamedTuple):
    """A job, ready to be sent. Unpickling it needs the dispatchers in `tokens`."""

    kind: int
    data: bytes
    buffers: list[memoryview]
    tokens: dict[int, Any]


class Message(NamedTuple):
    """What `Channel.receive` gives. `number` is a job's, or a token's."""

    kind: int
    number: int
    data: bytes
    buffers: list[BytesLike]


class Channel:
    """One end of the socket pair between the parent and a worker.

    A stream socket with plain `os.read` and `os.write`: 4 MB messages went through at 6 GB/s, and
    through a pipe at 1 to 4. Never reads beyond a message, so that what `poll` says of the
    descriptor holds.
    """

    def __init__(self, connection: Connection, recycled: Recycled) -> None:
        self._connection = connection
        self._recycled = recycled
        self.descriptor = connection.fileno()
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)
        self.torn = False
        """Left in the middle of a message by an exception (Ctrl-C): of no use any more."""

    def close(self) -> None:
        """Close this end."""
        self._connection.close()

    def readable(self) -> bool:
        """Whether there is something to read, be it the end."""
        return bool(self._poll.poll(0))

    def send(
        self, kind: int, number: int, data: bytes = b"", buffers: Sequence[memoryview] = ()
    ) -> None:
        """Send a message; raises OSError where nobody will read it."""
        self.torn = True
        # Read-only buffers arrive as bytes, writable ones as bytearrays: the lowest bit says which.
        lengths = [b.nbytes << 1 | (not b.readonly) for b in buffers]
        header = _HEADER.pack(kind, len(lengths), number, len(data))
        self._write(b"".join((header, struct.pack(f"<{len(lengths)}q", *lengths), data)))
        if buffers:
            faults.point("worker.send")  # where the rest is missing
        for buffer in buffers:
            self._write(buffer)
        self.torn = False

    def receive(self) -> Message:
        """Wait for a message; raises EOFError where the other end is closed."""
        header = self._read(_HEADER.size)
        self.torn = True
        kind, count, number, size = _HEADER.unpack(header)
        lengths = struct.unpack(f"<{count}q", self._read(8 * count))
        data = self._read(size)
        take = self._recycled.take if kind == POST else None
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
