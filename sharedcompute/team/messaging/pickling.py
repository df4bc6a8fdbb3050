"""Pickling: objects as bytes and large buffers beside them, for sockets and shared memory.

Arrays in shared memory go as handles, private arrays and long bytes as buffers, uncopied.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Literal

import cloudpickle
import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.shm import arrays, segments
from sharedcompute.shm.arrays import Handle, SharedArray
from sharedcompute.shm.segments import Segment
from sharedcompute.team.messaging.callables import (
    import_named,
    is_dispatcher,
    name_of,
    name_of_own,
)

Refer = Callable[[Any], Any]
Own = Literal["handle", "copy", "read-only copy"]
"""How arrays travel whose block the sender has made itself; those of others go as handles."""
BytesLike = bytes | bytearray | memoryview

_LONG = 1 << 16
"""Bytes objects from here on are not copied into the pickle."""


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
        return import_named(*what) if kind == "name" else what[0]


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
    if segment.remove is not None and own != "handle":
        copy = np.array(array, subok=False)
        copy.flags.writeable = own == "copy"
        return "value", copy
    # One bytes object: the pickler asks Python about each part of anything else (1 us, not 20).
    return "array", pickle.dumps(tuple(arrays.handle(array) or ()), protocol=5)


def dumps(obj: Any, own: Own, refer: Refer = name_of) -> tuple[bytes, list[memoryview]]:
    """Pickle anything: the pickle, and the buffers that stand beside it.

    Parameters
    ----------
    own : {"handle", "copy", "read-only copy"}
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
