"""Pickling: objects as bytes and large buffers beside them, for sockets and shared memory.

Arrays in shared memory go as handles, private arrays and long bytes as buffers, uncopied.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

import cloudpickle
import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.shm import arrays, segments
from sharedcompute.shm.segments import Segment
from sharedcompute.shm.shared_array import Handle, SharedArray
from sharedcompute.team.messaging.callables import (
    import_named,
    is_dispatcher,
    name_of,
    name_of_own,
)

if TYPE_CHECKING:
    from numba.core.dispatcher import Dispatcher

Refer = Callable[["Dispatcher"], object]
Own = Literal["handle", "copy", "read-only copy", "value"]
"""How arrays in blocks of the sender itself are sent; those of others go as handles. With
``"value"`` all arrays are sent as read-only copies, to a process that shares no memory."""
BytesLike = bytes | bytearray | memoryview

_LONG = 1 << 16
"""Bytes objects of this length and more are not copied into the pickle."""


class Attached:
    """The blocks that this process keeps mapped between messages.

    To map a block again costs a page fault every 64 kB, so blocks that still have a name stay.
    Those that their owner has freed are dropped by `sweep`, or would take memory for ever.
    """

    def __init__(self) -> None:
        self._segments: dict[str, Segment] = {}
        self._views: dict[bytes, SharedArray] = {}
        self.job: tuple[bytes, object] = b"", None
        """The last repeatable job: its message, and the objects in it."""
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
        return known.view()  # a view of its own, whose shape and flags the program may set

    def forget(self) -> None:
        """Release all blocks; arrays that are in use keep theirs."""
        self._segments.clear()
        self._views.clear()
        self.job = b"", None

    def sweep(self) -> None:
        """Release the blocks that their owners have freed."""
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

    def persistent_id(self, obj: Any) -> object:
        """Reduce shared arrays, long bytes and functions with a name; None for any other object."""
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
        given: dict[int, object],
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


def _shared(array: np.ndarray[Any, Any], own: Own) -> tuple[str, object] | None:
    """Return the handle of an array in shared memory, else None: it is pickled as any other."""
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


def dumps(obj: object, own: Own, refer: Refer = name_of) -> tuple[bytes, list[memoryview]]:
    """Pickle an object; return the pickle and the buffers beside it.

    Parameters
    ----------
    own : {"handle", "copy", "read-only copy", "value"}
        How arrays in blocks of this process are sent. A caller that keeps them until the receiver
        is done, as the parent of a team, passes ``"handle"``. Those of a worker end with it, or
        when it releases them, so it passes ``"copy"``; or ``"read-only copy"`` if the receiver
        would otherwise mistake the copy for the sender's memory. This function cannot know: any
        process may have a team, one that multiprocessing has started too.
    refer : callable
        Returns the name or token to send instead of a dispatcher; None for its value.
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, buffers, refer, own).dump(obj)
    return file.getvalue(), [buffer.raw() for buffer in buffers]


def loads(
    data: BytesLike, buffers: Sequence[BytesLike], attached: Attached, given: dict[int, object]
) -> Any:
    """Unpickle the result of `dumps`; `given` has the dispatchers by token."""
    return _Unpickler(data, buffers, attached, given).load()
