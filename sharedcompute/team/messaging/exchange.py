"""Collective calls: each rank publishes the name of its call and its data, then reads the others'.

A call is one barrier. Before it a rank writes its data to a block of its own, and the names of the
call and of the block to its call record; after it all compare the records, so that mismatched calls
are an error on every rank, and read.

Blocks and records are two for each rank, used in turn by the parity of the barrier's generation.
So the data published at a barrier stay as they are until all ranks have reached the next one: no
second barrier is needed to know that everybody has read.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from sharedcompute.errors import InputError
from sharedcompute.shm import segments
from sharedcompute.shm.segments import Segment
from sharedcompute.sync import Control, ProgramLeftError
from sharedcompute.team.messaging.payloads import BlockPool
from sharedcompute.team.messaging.pickling import Attached
from sharedcompute.team.messaging.rank_areas import RankAreas

Write = Callable[[memoryview], None]

_CALL = struct.Struct("<qq248s")  # the job, the barrier's generation, the name of the call
_PLACE = struct.Struct(f"<q{segments.NAME_NBYTES}s")
"""The size and the name of the block with the data."""

_TEXT = 248
_LEAST = 1 << 16
"""Blocks are allocated in multiples of this: sizes that grow a little reuse them."""

_KEPT = 1 << 24
"""Longer ones are freed after a job: new ones of that size take 10 ms."""


class Exchange:
    """One worker's side of the collective calls. It lives as long as the process.

    Attributes
    ----------
    job : int
        The number of the running job. It is part of the records, so that those of earlier jobs do
        not count.
    blocks, attached
        The blocks of this process that are lent to others, and those of others that it has mapped.
    """

    def __init__(self, areas: RankAreas, control: Control, rank: int, attached: Attached) -> None:
        self.areas = areas
        self._records = [
            [areas.call_record(r, half) for r in range(control.size)] for half in (0, 1)
        ]
        self.control = control
        self.rank = rank
        self.size = control.size
        self.attached = attached
        self.blocks = BlockPool()
        self.job = 0
        self._own: list[Segment | None] = [None, None]
        self._others: list[dict[int, Segment]] = [{}, {}]

    def begin(self, job: int) -> None:
        """Prepare for a job: free what nobody received in the last one, and long blocks."""
        self.job = job
        self.blocks.clear()
        self._own = [s if s is not None and len(s) <= _KEPT else None for s in self._own]
        self._others = [
            {rank: s for rank, s in known.items() if len(s) <= _KEPT} for known in self._others
        ]

    def has_left(self, rank: int) -> bool:
        """Return whether a rank has returned from the program."""
        return self.control.is_done(rank, self.job)

    def call(self, text: str, nbytes: int = 0, write: Write | None = None) -> int:
        """Make the collective call `text`, publishing `nbytes` of data that `write` writes.

        Returns
        -------
        int
            Which half of the records and blocks holds the call: an argument of `shown`, which gives
            the data until the next barrier.

        Raises
        ------
        InputError
            The ranks have made different calls.
        ProgramLeftError
        Aborted
        """
        generation = self.control.generation
        half = generation % 2
        if write is not None:
            write(self._room(half, nbytes))
        own = self._own[half]
        called = _CALL.pack(self.job, generation, _short(text))
        place = _PLACE.pack(len(own), own.name.encode()) if own else _PLACE.pack(0, b"")
        self._records[half][self.rank][: len(called) + len(place)] = called + place
        try:
            self.control.barrier()
        except ProgramLeftError:
            raise ProgramLeftError(
                f"expected all ranks in {text}, another one has returned from the program; "
                "make the same calls on every rank"
            ) from None
        self._compare(half, called)
        return half

    def shown(self, rank: int, half: int) -> memoryview:
        """Return the data that a rank has published."""
        segment = self._own[half] if rank == self.rank else self._find(rank, half)
        assert segment is not None
        return memoryview(segment)

    def _find(self, rank: int, half: int) -> Segment:
        """Return the block of another rank, mapped once while it is the same."""
        place: tuple[int, bytes] = _PLACE.unpack_from(self._records[half][rank], _CALL.size)
        size, name = place
        text = name.rstrip(b"\0").decode()
        known = self._others[half].get(rank)
        if known is None or known.name != text:
            known = self._others[half][rank] = segments.open_segment(text, size)
        return known

    def _room(self, half: int, nbytes: int) -> memoryview:
        own = self._own[half]
        if own is None or len(own) < nbytes:
            self._own[half] = own = None  # first, or both would need memory
            self._own[half] = own = segments.create_segment(-(-max(nbytes, 1) // _LEAST) * _LEAST)
        return memoryview(own)

    def _compare(self, half: int, called: bytes) -> None:
        notes = [bytes(record[: _CALL.size]) for record in self._records[half]]
        if notes.count(called) == self.size:
            return
        ranks: dict[str, list[str]] = {}
        for rank, note in enumerate(notes):
            ranks.setdefault(_described(note, called), []).append(str(rank))
        said = " and ".join(
            f"{text} on rank{'s' * (len(numbers) > 1)} {', '.join(numbers)}"
            for text, numbers in ranks.items()
        )
        raise InputError(
            f"expected all ranks in the same call, got {said}; "
            "make the same calls in the same order on every rank"
        )


def _short(text: str) -> bytes:
    """Return the text cut to the length of a record; long ones differ in their digests."""
    data = text.encode()
    if len(data) <= _TEXT:
        return data
    return data[: _TEXT - 20].decode(errors="ignore").encode() + (
        f"...{hashlib.blake2s(data, digest_size=8).hexdigest()}".encode()
    )


def _described(note: bytes, called: bytes) -> str:
    """Describe what a rank did at the barrier. An old record means that it called `barrier`."""
    fields: tuple[int, int, bytes] = _CALL.unpack(note)
    job, generation, text = fields
    if (job, generation) != _CALL.unpack(called)[:2]:
        return "barrier"
    return text.rstrip(b"\0").decode()
