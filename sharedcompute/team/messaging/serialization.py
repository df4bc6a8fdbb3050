"""Serialization to shared memory: written once by the sender, read once by each receiver.

An array is its bytes, anything else a pickle with its large buffers beside it. A reader gets a
private copy, except for shared arrays inside of it, which are the same memory.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from sharedcompute.shm.shared_array import SharedArray, segment_of
from sharedcompute.team.messaging.pickling import Attached, dumps, loads

_HEADER = struct.Struct("<qqq")  # kind, bytes of the pickle, number of buffers
_ARRAY, _PICKLE = range(2)
_ALIGN = 64
_PLAIN = frozenset({bool, int, float, complex, str, type(None)})


class Serialized:
    """A serialized object: `write` needs a buffer of `nbytes`.

    Parameters
    ----------
    obj : object
        Shared arrays inside of it remain the same memory, except those of this process: the
        receiver gets a read-only copy, as the sender would not see what is written to it.
    as_data : bool
        Copy an array that is sent by itself, a shared one too.
    """

    def __init__(self, obj: object, *, as_data: bool = True) -> None:
        self._array: NDArray[Any] | None = None
        self._buffers: list[memoryview] = []
        kind = _PICKLE
        if is_array(obj) and (as_data or segment_of(obj) is None):
            # Not the dtype itself: its name pickles ten times as fast, but serves plain ones only.
            plain = obj.dtype.str if obj.dtype.isbuiltin else obj.dtype
            self._array, kind = obj, _ARRAY
            self._data = pickle.dumps((obj.shape, plain), protocol=5)
        elif type(obj) in _PLAIN:
            self._data = pickle.dumps(obj, protocol=5)
        else:
            self._data, self._buffers = dumps(obj, "read-only copy")
        # Read-only buffers arrive as bytes, writable ones as bytearrays: the lowest bit says which.
        lengths = [b.nbytes << 1 | (not b.readonly) for b in self._buffers]
        header = _HEADER.pack(kind, len(self._data), len(lengths))
        self._head = b"".join((header, struct.pack(f"<{len(lengths)}q", *lengths), self._data))
        self.nbytes = _aligned(len(self._head))
        if self._array is not None:
            self.nbytes += self._array.nbytes
        self.nbytes += sum(_aligned(b.nbytes) for b in self._buffers)

    def write(self, room: memoryview) -> None:
        """Write the object at the beginning of `room`."""
        room[: len(self._head)] = self._head
        at = _aligned(len(self._head))
        if self._array is not None:
            target: NDArray[Any] = np.ndarray(
                self._array.shape, self._array.dtype, buffer=room, offset=at
            )
            target[...] = self._array
        for buffer in self._buffers:
            room[at : at + buffer.nbytes] = buffer
            at += _aligned(buffer.nbytes)


def deserialize(room: memoryview, attached: Attached) -> Any:
    """Return the object that was written at the beginning of `room`."""
    head: tuple[int, int, int] = _HEADER.unpack_from(room)
    kind, size, count = head
    start = _HEADER.size + 8 * count
    lengths: tuple[int, ...] = struct.unpack_from(f"<{count}q", room, _HEADER.size)
    data = bytes(room[start : start + size])
    at = _aligned(start + size)
    if kind == _ARRAY:
        shape, dtype = pickle.loads(data)
        return np.ndarray(shape, dtype, buffer=room, offset=at).copy()
    return loads(data, _copies(room, at, lengths), attached, {})


def is_array(obj: Any) -> TypeGuard[NDArray[Any]]:
    """Return whether `obj` is sent as its bytes: an array without Python objects."""
    return type(obj) in (np.ndarray, SharedArray) and not obj.dtype.hasobject


def _copies(room: memoryview, at: int, lengths: Sequence[int]) -> list[bytes | bytearray]:
    copies: list[bytes | bytearray] = []
    for length in lengths:
        part = room[at : at + (length >> 1)]
        copies.append(bytearray(part) if length & 1 else bytes(part))
        at += _aligned(length >> 1)
    return copies


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ALIGN) * _ALIGN
