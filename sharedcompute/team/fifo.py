"""A bounded first-in-first-out queue in shared memory, for any number of writers and readers.

Each slot counts how often it was written and read, and that says whose turn it is, so that nobody
holds a lock: who claims a slot works on it alone. All zero is an empty queue.

References
----------
D. Vyukov, "Bounded MPMC queue", 1024cores.net, 2010.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sharedcompute import segments
from sharedcompute.atomics import (
    EVERYONE,
    Words,
    add,
    compiled,
    fetch_add,
    load,
    sleep_on,
    swap,
    wake,
)
from sharedcompute.errors import Error, InputError, WaitTimeoutError
from sharedcompute.segments import Segment
from sharedcompute.sync import Control
from sharedcompute.team.messages import Attached
from sharedcompute.team.parcels import Parcel, read

T = TypeVar("T")

# The layout. What writers, readers and sleepers change lies on lines (8 words) of their own.
READ = 0  # how many slots were claimed to be read
WRITTEN = 8  # and to be written
CHANGES = 16  # of anything: what waiters sleep on
SLEEPERS = 17
CLOSED = 24  # how many writers have said that they write no more
SLOTS = 32
SLOT = 128  # words: the turns that were taken, then what `_ENTRY` says, then the object
_ENTRY = struct.Struct("<qq48s")  # rank of the writer; bytes of the block that holds the object
_INLINE = 8 * (SLOT - 1) - _ENTRY.size
"""Longer objects lie in a block of their own."""


@compiled
def claim_to_write(words: Words, slots: int) -> int:
    """Claim the next place to write; -1 where the queue is full."""
    while True:
        place = load(words, WRITTEN)
        # Its slot was written and read once in each round before.
        behind = load(words, SLOTS + place % slots * SLOT) - 2 * (place // slots)
        if behind == 0:
            if swap(words, WRITTEN, place, place + 1) == place:
                return place
        elif behind < 0:
            return -1


@compiled
def claim_to_read(words: Words, slots: int) -> int:
    """Claim the next place to read; -1 where there is nothing, or it is being written."""
    while True:
        place = load(words, READ)
        behind = load(words, SLOTS + place % slots * SLOT) - 2 * (place // slots)
        if behind == 1:
            if swap(words, READ, place, place + 1) == place:
                return place
        elif behind < 1:
            return -1


@compiled
def take_turn(words: Words, at: int) -> None:
    """Be done with what is counted at `at`, and tell who waits."""
    add(words, at, 1)
    add(words, CHANGES, 1)
    if load(words, SLEEPERS) > 0:
        wake(words, CHANGES, EVERYONE)


@compiled
def await_change(words: Words, seen: int, spins: int) -> None:
    """Wait until there were more than `seen` changes, one slice at most."""
    for _ in range(spins):
        if load(words, CHANGES) != seen:
            return
    add(words, SLEEPERS, 1)
    if load(words, CHANGES) == seen:
        sleep_on(words, CHANGES, seen)
    add(words, SLEEPERS, -1)


class Letter(NamedTuple):
    """What goes into a slot, and the block that holds the object where it is long."""

    content: bytes
    block: Segment | None


class _Lent(NamedTuple):
    """A block, and where the reader counts when it has read it."""

    block: Segment
    words: Words
    at: int
    turns: int


class Blocks:
    """The blocks that this process has long objects in. Used again once they are read."""

    def __init__(self) -> None:
        self._lent: list[_Lent] = []
        self._free: list[Segment] = []

    def seal(self, rank: int, obj: Any) -> Letter:
        """Pack an object of `rank`."""
        parcel = Parcel(obj)
        if parcel.nbytes <= _INLINE:
            content = bytearray(_ENTRY.size + parcel.nbytes)
            _ENTRY.pack_into(content, 0, rank, 0, b"")
            parcel.write(memoryview(content)[_ENTRY.size :])
            return Letter(bytes(content), None)
        block = self._take(parcel.nbytes)
        parcel.write(memoryview(block))
        return Letter(_ENTRY.pack(rank, len(block), block.name.encode()), block)

    def lend(self, block: Segment, words: Words, at: int, turns: int) -> None:
        """Keep a block until `turns` are counted at `at`: then it is read."""
        self._lent.append(_Lent(block, words, at, turns))

    def clear(self) -> None:
        """Free all, read or not."""
        self._lent.clear()
        self._free.clear()

    def _take(self, nbytes: int) -> Segment:
        """Give a block of `nbytes`, or not many more. What is free and does not fit is dropped."""
        unread = []
        for lent in self._lent:
            if load(lent.words, lent.at) < lent.turns:
                unread.append(lent)
            else:
                self._free.append(lent.block)
        self._lent = unread
        free, self._free = [b for b in self._free if nbytes <= len(b) <= 4 * nbytes], []
        block = free.pop() if free else segments.create(nbytes)
        self._free = free
        return block


class Fifo:
    """A process's hold on a queue of Python objects in shared memory.

    Parameters
    ----------
    words : ndarray of int64, shape (`Fifo.size_for(slots)`,)
    slots : int
        How many objects it holds.
    rank : int
        Of this process.
    control : Control
        Says when a wait is over.
    blocks, attached
        What this process keeps of blocks, lent and mapped.
    """

    def __init__(
        self, words: Words, slots: int, rank: int, control: Control, blocks: Blocks,
        attached: Attached,
    ) -> None:  # fmt: skip
        self._words = words
        self._slots = slots
        self._rank = rank
        self._control = control
        self._blocks = blocks
        self._attached = attached
        self._bytes = words.data.cast("B")
        self._mapped: dict[str, Segment] = {}

    @staticmethod
    def size_for(slots: int) -> int:
        """How many words a queue of `slots` objects needs."""
        return SLOTS + SLOT * slots

    def try_put(self, letter: Letter) -> bool | None:
        """Put an object in; None where there is no room."""
        place = claim_to_write(self._words, self._slots)
        if place < 0:
            return None
        at, room = self._slot(place)
        room[: len(letter.content)] = letter.content
        take_turn(self._words, at)
        if letter.block is not None:
            turns = 2 * (place // self._slots) + 2
            self._blocks.lend(letter.block, self._words, at, turns)
        return True

    def seal(self, obj: Any) -> Letter:
        """Pack an object, to be put in."""
        return self._blocks.seal(self._rank, obj)

    def try_get(self) -> tuple[int, Any] | None:
        """Take the next object out, after its writer's rank; None where there is none."""
        place = claim_to_read(self._words, self._slots)
        if place < 0:
            return None
        at, room = self._slot(place)
        try:
            rank, size, name = _ENTRY.unpack_from(room)
            room = self._map(name.rstrip(b"\0").decode(), size) if size else room[_ENTRY.size :]
            return rank, read(room, self._attached)
        finally:
            take_turn(self._words, at)

    def is_empty(self) -> bool:
        """Whether all that anybody began to write is read."""
        return bool(load(self._words, READ) == load(self._words, WRITTEN))

    def close(self) -> None:
        """Say that one writer writes no more."""
        take_turn(self._words, CLOSED)

    def times_closed(self) -> int:
        """How many writers have said so."""
        return int(load(self._words, CLOSED))

    def wait(
        self,
        attempt: Callable[[], T | None],
        hopeless: Callable[[], Error | None],
        timeout: float | None,
        what: str,
    ) -> T:
        """Wait until `attempt` gives something, trying again at each change.

        This is the one place where a rank sleeps for a message or a queue: for `what`.

        Raises
        ------
        Error
            What `hopeless` gives: nobody is left who could end the wait.
        WaitTimeoutError
        Aborted
        """
        self._control.check()
        result = attempt()
        if result is not None:
            return result
        end = None if timeout is None else time.monotonic() + timeout
        with self._control.waiting(what) as look:
            while True:
                seen = fetch_add(self._words, CHANGES, 0)
                # Before the attempt: who has left did so after its last message.
                error = hopeless()
                result = attempt()
                if result is not None:
                    return result
                look()
                if error is not None:
                    raise error
                if end is not None and time.monotonic() >= end:
                    raise WaitTimeoutError(
                        f"expected {what} within {timeout:g} s, got none; wait on"
                    )
                await_change(self._words, seen, self._control.spins)

    def _slot(self, place: int) -> tuple[int, memoryview]:
        """Where the turns of a place are counted, and its room."""
        at = SLOTS + place % self._slots * SLOT
        return at, self._bytes[8 * (at + 1) : 8 * (at + SLOT)]

    def _map(self, name: str, size: int) -> memoryview:
        segment = self._mapped.get(name)
        if segment is None:
            if len(self._mapped) >= self._slots:
                self._mapped.clear()
            segment = self._mapped[name] = segments.open_segment(name, size)
        return memoryview(segment)


def check_timeout(timeout: float | None) -> None:
    """Refuse what is no number of seconds."""
    if timeout is not None and not timeout >= 0:
        raise InputError(f"expected a timeout of 0 seconds or more, or None, got {timeout!r}")
