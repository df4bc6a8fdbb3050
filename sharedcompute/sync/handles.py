"""Locks, semaphores, counters and events as Python objects, in `threading`'s manner."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute import faults
from sharedcompute.errors import InputError
from sharedcompute.sync import flags, locks
from sharedcompute.sync.control import no_limit
from sharedcompute.sync.layout import COUNTERS_IN_ALL, EVENTS_IN_ALL, LOCKS_IN_ALL, ControlBlock


def check_number(what: str, number: int, in_all: int) -> None:
    """Refuse a number that there is not.

    Raises
    ------
    InputError
    """
    if not 0 <= number < in_all:
        raise InputError(f"expected {what}'s number from 0 to {in_all - 1}, got {number}")


@dataclass(frozen=True)
class Lock:
    """One of the team's locks, for a ``with`` block. Held by a rank, not by a thread of it."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        check_number("a lock", self.number, LOCKS_IN_ALL)

    def acquire(self, timeout: float | None = None) -> None:
        """Take it. Raises `WaitTimeoutError` where that takes longer than `timeout` seconds."""
        locks.lock(self.control, self.number, no_limit(timeout))

    def release(self) -> None:
        """Give it back."""
        locks.unlock(self.control, self.number)

    def __enter__(self) -> None:
        """Take it."""
        locks.lock(self.control, self.number, -1.0)
        if faults.SCRIPT:
            faults.point("worker.lock", self.control.rank)

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        locks.unlock(self.control, self.number)


@dataclass(frozen=True)
class Semaphore:
    """Lets as many in at a time as it has permits, for a ``with`` block."""

    control: ControlBlock
    permits: int

    def __post_init__(self) -> None:
        if self.permits < 1:
            raise InputError(f"expected a semaphore of 1 or more, got {self.permits}")

    def acquire(self, timeout: float | None = None) -> None:
        """Take a permit; `WaitTimeoutError` where that takes longer than `timeout` seconds."""
        locks.acquire(self.control, self.permits, no_limit(timeout))

    def release(self) -> None:
        """Give a permit back."""
        locks.release(self.control, self.permits)

    def __enter__(self) -> None:
        """Take a permit."""
        locks.acquire(self.control, self.permits, -1.0)
        if faults.SCRIPT:
            faults.point("worker.semaphore", self.control.rank)

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        locks.release(self.control, self.permits)


@dataclass(frozen=True)
class Counter:
    """One of the team's counters: 64 bits, 0 when a program begins."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        check_number("a counter", self.number, COUNTERS_IN_ALL)

    def fetch_add(self, value: int = 1) -> int:
        """Add, in one step that no other rank can come between; gives what it was before."""
        return flags.fetch_add(self.control, self.number, value)

    def load(self) -> int:
        """Give what it is."""
        return flags.load(self.control, self.number)

    def store(self, value: int) -> None:
        """Set it."""
        flags.store(self.control, self.number, value)


@dataclass(frozen=True)
class Event:
    """One of the team's events, clear when a program begins."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        check_number("an event", self.number, EVENTS_IN_ALL)

    def set(self) -> None:
        """Let all go on that wait for it."""
        flags.set_event(self.control, self.number)

    def clear(self) -> None:
        """Let wait who comes to wait for it."""
        flags.clear_event(self.control, self.number)

    def is_set(self) -> bool:
        """Whether it is set."""
        return flags.is_set(self.control, self.number)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it is set; `WaitTimeoutError` after `timeout` seconds."""
        flags.wait_event(self.control, self.number, no_limit(timeout))
