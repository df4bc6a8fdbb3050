"""Waits of a rank: it spins for some microseconds, then sleeps in slices, and records that.

Each wait is a loop of the caller::

    linger(control, at, seen)            # spins, or yields the core, until the word is not `seen`
    deadline = begin_wait(control, what, number, timeout)
    turn = first_turn(control)
    while (the condition is false):
        status = look(control, deadline)
        if status != OK: ...
        turn = nap(control, at, seen, turn)
    end_wait(control)

A rank that waits without a timeout records what it waits for in its line, and counts its checks.
When all ranks that run wait, and each of them has checked since the last of them began to wait,
then no rank is left that could end a wait: `deadlock` detects that.
"""

from __future__ import annotations

from sharedcompute.sync.atomics import (
    FUTEX,
    add,
    compiled,
    exchange,
    load,
    now_ns,
    pause,
    sched_yield,
    sleep_on,
    wake,
)
from sharedcompute.sync.failures import ABORTED, OK, STUCK, TIMED_OUT
from sharedcompute.sync.layout import (
    ABORT,
    LOOKS,
    RANK_WORDS,
    RANKS,
    SHORT_SLEEPS,
    WAIT_NUMBER,
    WAITS,
    WAITS_FOR,
    ControlBlock,
)

BARRIER, LOCK, SEMAPHORE, EVENT, NOTED = range(1, 6)
"""What ranks wait for; `NOTED` is described by a text."""

SPINS, YIELDS = 40, 20
"""First spin for 1 us, longer than a barrier takes when all have a core. Then yield the core, as
the awaited rank may need it, and so on: a barrier of two ranks that others had crowded onto one
core took 7 us with one long spin. A `sched_yield` costs a tenth of a sleep and wake."""


@compiled
def linger(control: ControlBlock, at: int, seen: int) -> None:
    """Spin for a while, until a word is not `seen`."""
    words = control.words
    for _ in range(YIELDS):
        for _ in range(control.spins):
            if load(words, at) != seen:
                return
            pause()
        if load(words, at) != seen:
            return
        sched_yield()


@compiled
def begin_wait(control: ControlBlock, what: int, number: int, timeout: float) -> int:
    """Record what this rank waits for; return the deadline in ns, -1 for none.

    A wait with a timeout ends by itself, so it is no deadlock and is not recorded.
    """
    if timeout >= 0:
        return now_ns() + int(timeout * 1e9)
    me = RANKS + RANK_WORDS * control.rank
    add(control.words, me + WAITS, 1)
    exchange(control.words, me + WAIT_NUMBER, number)
    exchange(control.words, me + WAITS_FOR, what)
    return -1


@compiled
def end_wait(control: ControlBlock) -> None:
    """Record that this rank continues."""
    exchange(control.words, RANKS + RANK_WORDS * control.rank + WAITS_FOR, 0)


@compiled
def look(control: ControlBlock, deadline: int) -> int:
    """Check whether to go on waiting, after each unsuccessful attempt."""
    if load(control.words, ABORT) != 0:
        return ABORTED
    if deadline >= 0:
        return TIMED_OUT if now_ns() >= deadline else OK
    add(control.words, RANKS + RANK_WORDS * control.rank + LOOKS, 1)
    return STUCK if control.size == 1 else OK


@compiled
def first_turn(control: ControlBlock) -> int:
    """Return the first turn for `nap`: below 0 for a futex."""
    return 0 if FUTEX == 0 or load(control.words, SHORT_SLEEPS) != 0 else -1


@compiled
def nap(control: ControlBlock, at: int, seen: int, turn: int) -> int:
    """Sleep while a word is `seen`, a slice at most; return the next turn."""
    sleep_on(control.words, at, seen, turn)
    return turn + 1 if turn >= 0 else turn


@compiled
def rouse(control: ControlBlock, at: int, count: int) -> None:
    """Wake up to `count` ranks that nap on a word."""
    if load(control.words, SHORT_SLEEPS) == 0:
        wake(control.words, at, count)
