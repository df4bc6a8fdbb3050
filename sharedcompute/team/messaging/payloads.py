"""The contents of a slot of a `Fifo`: a short object, or the name of a block with a long one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from sharedcompute.shm import segments
from sharedcompute.shm.segments import Segment
from sharedcompute.team.messaging.pickling import Attached
from sharedcompute.team.messaging.serialization import Serialized, deserialize

PAYLOAD_NBYTES = 1016
"""Bytes of the longest payload: a slot has 1 kB."""
_HEAD = struct.Struct(f"<qq{segments.NAME_NBYTES}s")
"""Rank of the writer; size and name of the block, if there is one."""
_MAPPED = 64
"""How many blocks of others a reader keeps mapped."""


class Payload(NamedTuple):
    """The bytes for a slot, and the block of a long object."""

    content: bytes
    block: Segment | None


class _Lent(NamedTuple):
    block: Segment
    is_read: Callable[[], bool]


class BlockPool:
    """The blocks that hold long objects of this process. They are reused once they are read."""

    def __init__(self) -> None:
        self._lent: list[_Lent] = []
        self._free: list[Segment] = []

    def pack(self, rank: int, obj: object) -> Payload:
        """Pack an object of `rank`."""
        serialized = Serialized(obj, as_data=False)
        if _HEAD.size + serialized.nbytes <= PAYLOAD_NBYTES:
            content = bytearray(_HEAD.size + serialized.nbytes)
            _HEAD.pack_into(content, 0, rank, 0, b"")
            serialized.write(memoryview(content)[_HEAD.size :])
            return Payload(bytes(content), None)
        block = self._take(serialized.nbytes)
        serialized.write(memoryview(block))
        return Payload(_HEAD.pack(rank, len(block), block.name.encode()), block)

    def lend(self, block: Segment, is_read: Callable[[], bool]) -> None:
        """Keep a block until it is read."""
        self._lent.append(_Lent(block, is_read))

    def clear(self) -> None:
        """Free all, read or not."""
        self._lent.clear()
        self._free.clear()

    def _take(self, nbytes: int) -> Segment:
        """Return a block of `nbytes`, or not many more; drop free ones that do not fit."""
        read_now = [lent.is_read() for lent in self._lent]
        pairs = list(zip(self._lent, read_now, strict=True))
        self._lent = [lent for lent, done in pairs if not done]
        free = [*self._free, *(lent.block for lent, done in pairs if done)]
        self._free = [block for block in free if nbytes <= len(block) <= 4 * nbytes]
        return self._free.pop() if self._free else segments.create_segment(nbytes)


class PayloadReader:
    """Reads payloads. It keeps blocks of others mapped, as they are reused."""

    def __init__(self, attached: Attached) -> None:
        self._attached = attached
        self._mapped: dict[str, Segment] = {}

    def read(self, room: memoryview) -> tuple[int, object]:
        """Return the rank that wrote a payload, and a copy of the object."""
        head: tuple[int, int, bytes] = _HEAD.unpack_from(room)
        rank, size, name = head
        if not size:
            return rank, deserialize(room[_HEAD.size :], self._attached)
        return rank, deserialize(
            memoryview(self._map(name.rstrip(b"\0").decode(), size)), self._attached
        )

    def _map(self, name: str, size: int) -> Segment:
        segment = self._mapped.get(name)
        if segment is None:
            # Blocks that their owner has freed would take memory for ever.
            self._mapped = {n: s for n, s in self._mapped.items() if segments.exists(n)}
            if len(self._mapped) >= _MAPPED:
                self._mapped.clear()
            segment = self._mapped[name] = segments.open_segment(name, size)
        return segment
