"""Locks, semaphores, counters and events as Python objects, in `threading`'s manner."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.sync import flags, locks
from sharedcompute.sync.control import no_limit
from sharedcompute.sync.layout import COUNTERS_IN_ALL, EVENTS_IN_ALL, LOCKS_IN_ALL, ControlBlock
from sharedcompute.system import faults
from sharedcompute.validation.integers import whole

# Python's int: for each other class of numbers the compiled functions would be compiled again.
_settle = object.__setattr__


def _word(value: int) -> int:
    return whole("a counter's value", value, -(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True)
class Lock:
    """One of the team's locks, for a ``with`` block. Held by a rank, not by a thread of it."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        _settle(self, "number", whole("a lock's number", self.number, 0, LOCKS_IN_ALL - 1))

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
        _settle(self, "permits", whole("a semaphore's permits", self.permits, 1))

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
        _settle(self, "number", whole("a counter's number", self.number, 0, COUNTERS_IN_ALL - 1))

    def fetch_add(self, value: int = 1) -> int:
        """Add, in one step that no other rank can come between; gives what it was before."""
        return flags.fetch_add(self.control, self.number, _word(value))

    def load(self) -> int:
        """Give what it is."""
        return flags.load(self.control, self.number)

    def store(self, value: int) -> None:
        """Set it."""
        flags.store(self.control, self.number, _word(value))


@dataclass(frozen=True)
class Event:
    """One of the team's events, clear when a program begins."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        _settle(self, "number", whole("an event's number", self.number, 0, EVENTS_IN_ALL - 1))

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
