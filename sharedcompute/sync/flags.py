"""Counters and events that all ranks share."""

from __future__ import annotations

from sharedcompute.errors import DeadlockError, InputError, WaitTimeoutError
from sharedcompute.sync import atomics
from sharedcompute.sync.atomics import EVERYONE, add, compiled, exchange
from sharedcompute.sync.failures import ABORTED, OK, STUCK, TIMED_OUT, leave_if
from sharedcompute.sync.layout import (
    ABORT,
    COUNTERS,
    COUNTERS_IN_ALL,
    EVENTS,
    EVENTS_IN_ALL,
    LINE,
    ControlBlock,
)
from sharedcompute.sync.waiting import (
    EVENT,
    begin_wait,
    end_wait,
    first_turn,
    linger,
    look,
    nap,
    rouse,
)

_NO_COUNTER = "expected a counter's number from 0 to 63, got another; use one of these"
_NO_EVENT = "expected an event's number from 0 to 15, got another; use one of these"
_LATE = (
    "expected the event to be set within the time limit, nobody did; "
    "raise the limit, or see what keeps who should"
)
_NOBODY = "expected the event to be set by another rank, there is none; set it before the wait"


@compiled
def fetch_add(control: ControlBlock, counter: int, value: int) -> int:
    """Add to a shared counter, atomically, and return its value before.

    Parameters
    ----------
    control : ControlBlock
    counter : int
        From 0 to 63. All are 0 when a program begins.
    value : int
        64 bits; sums wrap around.

    Returns
    -------
    int
    """
    if counter < 0 or counter >= COUNTERS_IN_ALL:
        raise InputError(_NO_COUNTER)
    return add(control.words, COUNTERS + LINE * counter, value)


@compiled
def load(control: ControlBlock, counter: int) -> int:
    """Return the value of a shared counter.

    Parameters
    ----------
    control : ControlBlock
    counter : int
        From 0 to 63.

    Returns
    -------
    int
    """
    if counter < 0 or counter >= COUNTERS_IN_ALL:
        raise InputError(_NO_COUNTER)
    return atomics.load(control.words, COUNTERS + LINE * counter)


@compiled
def store(control: ControlBlock, counter: int, value: int) -> None:
    """Set a shared counter.

    Parameters
    ----------
    control : ControlBlock
    counter : int
        From 0 to 63.
    value : int
        64 bits.
    """
    if counter < 0 or counter >= COUNTERS_IN_ALL:
        raise InputError(_NO_COUNTER)
    exchange(control.words, COUNTERS + LINE * counter, value)


@compiled
def set_event(control: ControlBlock, event: int) -> None:
    """Set an event: its waiters continue, and nobody waits for it until it is cleared.

    Parameters
    ----------
    control : ControlBlock
    event : int
        From 0 to 15. All are clear when a program begins.
    """
    if event < 0 or event >= EVENTS_IN_ALL:
        raise InputError(_NO_EVENT)
    at = EVENTS + LINE * event
    exchange(control.words, at, 1)
    if atomics.load(control.words, at + 1) > 0:
        rouse(control, at, EVERYONE)


@compiled
def clear_event(control: ControlBlock, event: int) -> None:
    """Clear an event: waits for it block from now on.

    Parameters
    ----------
    control : ControlBlock
    event : int
        From 0 to 15.
    """
    if event < 0 or event >= EVENTS_IN_ALL:
        raise InputError(_NO_EVENT)
    exchange(control.words, EVENTS + LINE * event, 0)


@compiled
def is_set(control: ControlBlock, event: int) -> bool:
    """Return whether an event is set.

    Parameters
    ----------
    control : ControlBlock
    event : int
        From 0 to 15.

    Returns
    -------
    bool
    """
    if event < 0 or event >= EVENTS_IN_ALL:
        raise InputError(_NO_EVENT)
    return atomics.load(control.words, EVENTS + LINE * event) != 0


@compiled
def wait_event(control: ControlBlock, event: int, timeout: float = -1.0) -> None:
    """Wait until an event is set.

    Parameters
    ----------
    control : ControlBlock
    event : int
        From 0 to 15.
    timeout : float
        The longest wait, in seconds; below 0 there is no limit.

    Raises
    ------
    Aborted
        The job is over, another worker failed.
    WaitTimeoutError
    """
    if event < 0 or event >= EVENTS_IN_ALL:
        raise InputError(_NO_EVENT)
    status = _wait_for_event(control, event, timeout)
    leave_if(status == ABORTED)
    if status == STUCK:
        raise DeadlockError(_NOBODY)
    if status == TIMED_OUT:
        raise WaitTimeoutError(_LATE)


@compiled
def _wait_for_event(control: ControlBlock, event: int, timeout: float) -> int:
    words, at = control.words, EVENTS + LINE * event
    if atomics.load(words, ABORT) != 0:
        return ABORTED
    linger(control, at, 0)
    if atomics.load(words, at) != 0:
        return OK
    deadline = begin_wait(control, EVENT, event, timeout)
    turn = first_turn(control)
    add(words, at + 1, 1)
    status = OK
    while atomics.load(words, at) == 0:
        status = look(control, deadline)
        if status != OK:
            break
        turn = nap(control, at, 0, turn)
    add(words, at + 1, -1)
    end_wait(control)
    return status
