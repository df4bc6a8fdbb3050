"""Locks and semaphores."""

from __future__ import annotations

from sharedcompute.errors import DeadlockError, InputError, WaitTimeoutError
from sharedcompute.sync.atomics import add, compiled, exchange, inlined, load, swap
from sharedcompute.sync.failures import ABORTED, MISUSED, OK, STUCK, TIMED_OUT, leave_if
from sharedcompute.sync.layout import (
    ABORT,
    LINE,
    LOCKS,
    LOCKS_IN_ALL,
    RANK_WORDS,
    RANKS,
    ControlBlock,
)
from sharedcompute.sync.layout import SEMAPHORE as PERMITS
from sharedcompute.sync.waiting import (
    LOCK,
    SEMAPHORE,
    begin_wait,
    end_wait,
    first_turn,
    linger,
    look,
    nap,
    rouse,
)

_NO_LOCK = "expected a lock's number from 0 to 15, got another; use one of these"
_HELD = (
    "expected a lock that this rank does not hold, it holds it and would wait for itself; "
    "unlock it first"
)
_NOT_HELD = "expected a lock that this rank holds, it does not; lock it first"
_LATE = (
    "expected the lock within the time limit, another rank held it all the time; "
    "raise the limit, or hold it for less long"
)
_NO_SEMAPHORE = "expected a semaphore of 1 or more permits, got fewer; give at least 1"
_ALL_TAKEN = (
    "expected a permit of the semaphore within the time limit, others held all; "
    "raise the limit, or hold them for less long"
)
_ALL_MINE = (
    "expected a permit of the semaphore, this rank holds all and would wait for itself; "
    "release one first"
)
_NOT_TAKEN = "expected a semaphore of which a permit is held, none is; acquire it first"

# The word of a lock is 0 if it is free, else 2 * (holder + 1), plus 1 if others wait for it.


@inlined
def lock(control: ControlBlock, number: int, timeout: float = -1.0) -> None:
    """Acquire lock `number`, waiting while another rank holds it.

    Parameters
    ----------
    control : ControlBlock
    number : int
        From 0 to 15. Number 0 is `Worker.lock`.
    timeout : float
        The longest wait, in seconds; below 0 there is no limit.

    Raises
    ------
    Aborted
        The job is over, another worker failed.
    DeadlockError
        This rank holds it already.
    WaitTimeoutError

    References
    ----------
    The three states are those of U. Drepper, "Futexes are tricky" (2011).
    """
    if number < 0 or number >= LOCKS_IN_ALL:
        raise InputError(_NO_LOCK)
    at, mine = LOCKS + LINE * number, 2 * (control.rank + 1)
    if load(control.words, ABORT) != 0 or swap(control.words, at, 0, mine) != 0:
        _lock_later(control, number, timeout)


@compiled
def _lock_later(control: ControlBlock, number: int, timeout: float) -> None:
    status = _wait_for_lock(control, number, timeout)
    leave_if(status == ABORTED)
    if status == STUCK:
        raise DeadlockError(_HELD)
    if status == TIMED_OUT:
        raise WaitTimeoutError(_LATE)


@inlined
def unlock(control: ControlBlock, number: int) -> None:
    """Release lock `number`.

    Parameters
    ----------
    control : ControlBlock
    number : int
        From 0 to 15.

    Raises
    ------
    InputError
        This rank does not hold it.
    """
    if number < 0 or number >= LOCKS_IN_ALL:
        raise InputError(_NO_LOCK)
    words, at, mine = control.words, LOCKS + LINE * number, 2 * (control.rank + 1)
    if swap(words, at, mine, 0) != mine:
        _unlock_and_wake(control, at, mine)


@compiled
def _unlock_and_wake(control: ControlBlock, at: int, mine: int) -> None:
    if load(control.words, at) != mine + 1:
        raise InputError(_NOT_HELD)
    exchange(control.words, at, 0)
    rouse(control, at, 1)


@compiled
def _wait_for_lock(control: ControlBlock, number: int, timeout: float) -> int:
    words, at, mine = control.words, LOCKS + LINE * number, 2 * (control.rank + 1)
    if load(words, ABORT) != 0:
        return ABORTED
    seen = load(words, at)
    if seen | 1 == mine + 1:
        return STUCK
    if seen != 0:  # else it was released just now
        linger(control, at, seen)
    if swap(words, at, 0, mine) == 0:
        return OK
    deadline = begin_wait(control, LOCK, number, timeout)
    turn = first_turn(control)
    status = OK
    # A rank that has slept marks the lock as awaited: it cannot know that no other rank waits.
    while swap(words, at, 0, mine + 1) != 0:
        seen = load(words, at)
        if seen == 0 or (seen & 1 == 0 and swap(words, at, seen, seen + 1) != seen):
            continue
        status = look(control, deadline)
        if status != OK:
            break
        turn = nap(control, at, seen | 1, turn)
    end_wait(control)
    return status


@compiled
def acquire(control: ControlBlock, permits: int, timeout: float = -1.0) -> None:
    """Acquire one of the `permits` of a semaphore, waiting while all are taken.

    Calls with the same number of permits use the same semaphore. One with more permits than there
    are ranks never waits.

    Parameters
    ----------
    control : ControlBlock
    permits : int
        From 1 up.
    timeout : float
        The longest wait, in seconds; below 0 there is no limit.

    Raises
    ------
    Aborted
        The job is over, another worker failed.
    WaitTimeoutError
    """
    if permits < 1:
        raise InputError(_NO_SEMAPHORE)
    status = OK
    if permits <= control.size:
        status = _take_permit(control, permits, timeout)
    leave_if(status == ABORTED)
    if status == STUCK:
        raise DeadlockError(_ALL_MINE)
    if status == TIMED_OUT:
        raise WaitTimeoutError(_ALL_TAKEN)


@compiled
def release(control: ControlBlock, permits: int) -> None:
    """Release a permit of the semaphore of `permits`.

    Parameters
    ----------
    control : ControlBlock
    permits : int
        From 1 up.

    Raises
    ------
    InputError
        No permit is taken.
    """
    if permits < 1:
        raise InputError(_NO_SEMAPHORE)
    if permits <= control.size and _give_permit(control, permits) == MISUSED:
        raise InputError(_NOT_TAKEN)


@compiled
def _take_permit(control: ControlBlock, permits: int, timeout: float) -> int:
    words, at = control.words, RANKS + RANK_WORDS * (permits - 1) + PERMITS
    if load(words, ABORT) != 0:
        return ABORTED
    if _try_permit(control, at, permits):
        return OK
    linger(control, at, permits)
    if _try_permit(control, at, permits):
        return OK
    deadline = begin_wait(control, SEMAPHORE, permits, timeout)
    turn = first_turn(control)
    add(words, at + 1, 1)
    status = OK
    while not _try_permit(control, at, permits):
        status = look(control, deadline)
        if status != OK:
            break
        turn = nap(control, at, permits, turn)
    add(words, at + 1, -1)
    end_wait(control)
    return status


@compiled
def _try_permit(control: ControlBlock, at: int, permits: int) -> bool:
    taken = load(control.words, at)
    while taken < permits:
        found = swap(control.words, at, taken, taken + 1)
        if found == taken:
            return True
        taken = found
    return False


@compiled
def _give_permit(control: ControlBlock, permits: int) -> int:
    words, at = control.words, RANKS + RANK_WORDS * (permits - 1) + PERMITS
    if add(words, at, -1) < 1:
        add(words, at, 1)
        return MISUSED
    if load(words, at + 1) > 0:
        rouse(control, at, 1)
    return OK
