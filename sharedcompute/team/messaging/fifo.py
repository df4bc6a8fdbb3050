"""A bounded first-in-first-out queue in shared memory, for any number of writers and readers.

Each slot counts how often it was written and read, which decides whose turn it is, so that nobody
holds a lock: who has claimed a slot works on it alone. All zero is an empty queue.

References
----------
D. Vyukov, "Bounded MPMC queue", 1024cores.net, 2010.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TypeVar

import numpy as np

from sharedcompute.errors import Error, WaitTimeoutError
from sharedcompute.sync import Control, ControlBlock
from sharedcompute.sync.atomics import EVERYONE, Words, add, compiled, load, swap, wake
from sharedcompute.sync.waiting import first_turn, linger, nap
from sharedcompute.team.messaging.payloads import PAYLOAD_NBYTES, BlockPool, Payload, PayloadReader
from sharedcompute.team.messaging.pickling import Attached

T = TypeVar("T")

# The layout. What writers, readers and sleepers change has cache lines (8 words) of its own.
READ = 0  # how many slots were claimed for reading
WRITTEN = 8  # and for writing
CHANGES = 16  # of anything: the futex that waiters sleep on
SLEEPERS = 17
CLOSED = 24  # how many writers have closed the queue
SLOTS = 32
SLOT = 1 + PAYLOAD_NBYTES // 8  # words: the count of turns, and a payload


@compiled
def claim_to_write(words: Words, slots: int) -> int:
    """Claim the next place for writing; return -1 if the queue is full."""
    while True:
        place = load(words, WRITTEN)
        # Its slot was written and read once in each round before.
        turns = load(words, SLOTS + place % slots * SLOT) - 2 * (place // slots)
        if turns == 0:
            if swap(words, WRITTEN, place, place + 1) == place:
                return place
        elif turns < 0:
            return -1


@compiled
def claim_to_read(words: Words, slots: int) -> int:
    """Claim the next place for reading; return -1 if the queue is empty or it is being written."""
    while True:
        place = load(words, READ)
        turns = load(words, SLOTS + place % slots * SLOT) - 2 * (place // slots)
        if turns == 1:
            if swap(words, READ, place, place + 1) == place:
                return place
        elif turns < 1:
            return -1


@compiled
def take_turn(words: Words, at: int) -> None:
    """Increment the count at `at`, and wake the waiters."""
    add(words, at, 1)
    add(words, CHANGES, 1)
    if load(words, SLEEPERS) > 0:
        wake(words, CHANGES, EVERYONE)


@compiled
def await_change(queue: ControlBlock, seen: int, turn: int) -> int:
    """Wait for more than `seen` changes, one slice at most; return the next turn.

    `queue` is a control block over the words of a queue.
    """
    add(queue.words, SLEEPERS, 1)
    if load(queue.words, CHANGES) == seen:
        turn = nap(queue, CHANGES, seen, turn)
    add(queue.words, SLEEPERS, -1)
    return turn


class Fifo:
    """One process's view of a queue of Python objects in shared memory.

    Parameters
    ----------
    words : ndarray of int64, shape (`Fifo.size_for(slots)`,)
    slots : int
        Capacity in objects.
    rank : int
        Rank of this process.
    control : Control
        The control block of the team, for waits.
    blocks, attached
        The blocks of this process that are lent to others, and those of others that it has mapped.
    """

    def __init__(
        self, words: Words, slots: int, rank: int, control: Control, blocks: BlockPool,
        attached: Attached,
    ) -> None:  # fmt: skip
        # numba takes 20 us, not 1, to find the type of a subclass of ndarray.
        self._words = words = words.view(np.ndarray)
        self._slots = slots
        self._rank = rank
        self._control = control
        self._blocks = blocks
        self._reader = PayloadReader(attached)
        block = control.block
        self._block = ControlBlock.of(words, block.rank, block.size, block.spins)
        self._bytes = words.data.cast("B")

    @staticmethod
    def size_for(slots: int) -> int:
        """Return the number of words for a queue of `slots` objects."""
        return SLOTS + SLOT * slots

    def try_put(self, payload: Payload) -> bool | None:
        """Put an object in; return None if the queue is full."""
        place = claim_to_write(self._words, self._slots)
        if place < 0:
            return None
        at, room = self._slot(place)
        room[: len(payload.content)] = payload.content
        take_turn(self._words, at)
        if payload.block is not None:
            turns = 2 * (place // self._slots) + 2
            self._blocks.lend(payload.block, lambda: load(self._words, at) >= turns)
        return True

    def pack(self, obj: object) -> Payload:
        """Pack an object, to be put in by `try_put`."""
        return self._blocks.pack(self._rank, obj)

    def try_get(self) -> tuple[int, object] | None:
        """Take out the next object: its writer's rank and the object; None if there is none."""
        place = claim_to_read(self._words, self._slots)
        if place < 0:
            return None
        at, room = self._slot(place)
        try:
            return self._reader.read(room)
        finally:
            take_turn(self._words, at)

    def is_empty(self) -> bool:
        """Return whether everything that anybody began to write has been read."""
        return bool(load(self._words, READ) == load(self._words, WRITTEN))

    def close(self) -> None:
        """Count one writer as done."""
        take_turn(self._words, CLOSED)

    def times_closed(self) -> int:
        """Return how many writers are done."""
        return int(load(self._words, CLOSED))

    def wait(
        self,
        attempt: Callable[[], T | None],
        hopeless: Callable[[], Error | None],
        timeout: float | None,
        what: str,
        take_in: Callable[[], bool] = lambda: False,
    ) -> T:
        """Wait until `attempt` returns something, trying again at each change.

        This is the only place where a rank sleeps for a message or a queue.

        Parameters
        ----------
        attempt : callable
            Returns None if there is nothing yet, and then has no effect.
        hopeless : callable
            Returns the error to raise if nobody is left who could end the wait, else None.
        timeout : float or None
            Seconds.
        what : str
            What is waited for, for errors.
        take_in : callable
            Work that other ranks may wait for; returns whether there was any.

        Raises
        ------
        WaitTimeoutError
        Aborted
        """
        self._control.check()
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            seen = self._changes()
            result = attempt()
            if result is None and take_in():
                result = attempt()
            if result is None:
                linger(self._block, CHANGES, seen)
                result = self._sleep(attempt, hopeless, take_in, end, what)
            if result is not None:
                return result

    def _sleep(
        self,
        attempt: Callable[[], T | None],
        hopeless: Callable[[], Error | None],
        take_in: Callable[[], bool],
        end: float | None,
        what: str,
    ) -> T | None:
        """Wait, recorded as waiting, until something was done; return None if it was for others.

        Then the record ends as well: ranks are in a deadlock when nothing changes while all wait.
        """
        turn = first_turn(self._control.block)
        with self._noted(what, end) as look:
            while True:
                seen = self._changes()
                # Before the attempt: a rank leaves after its last message.
                error = hopeless()
                done = take_in()
                result = attempt()
                if done or result is not None:
                    return result
                look()
                if error is not None:
                    raise error
                if end is not None and time.monotonic() >= end:
                    raise WaitTimeoutError(f"expected {what}, none came in time; wait longer")
                turn = await_change(self._block, seen, turn)

    def _noted(self, what: str, end: float | None) -> AbstractContextManager[Callable[[], None]]:
        """Record a wait, except one that ends by itself, which is no deadlock."""
        return self._control.waiting(what) if end is None else nullcontext(self._control.check)

    def _changes(self) -> int:
        return int(load(self._words, CHANGES))

    def _slot(self, place: int) -> tuple[int, memoryview]:
        """Return the index of the count of turns of a place, and its buffer."""
        at = SLOTS + place % self._slots * SLOT
        return at, self._bytes[8 * (at + 1) : 8 * (at + SLOT)]


def warm_up_fifo() -> None:
    """Call each compiled function once, so that no worker has to compile it."""
    control = Control(np.zeros(Control.size_for(1), np.int64), 1, 0)
    words = np.zeros(Fifo.size_for(1), np.int64)
    fifo = Fifo(words, 1, 0, control, BlockPool(), Attached())
    fifo.try_put(fifo.pack(None))
    fifo.try_get()
    with suppress(WaitTimeoutError):
        fifo.wait(fifo.try_get, lambda: None, 0, "nothing")
    await_change(ControlBlock.of(words, 0, 1, 0), -1, 0)
