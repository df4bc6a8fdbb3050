"""Locks, semaphores, counters and events as Python objects, like those of `threading`."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.sync import flags, locks
from sharedcompute.sync.control import no_limit
from sharedcompute.sync.layout import COUNTERS_IN_ALL, EVENTS_IN_ALL, LOCKS_IN_ALL, ControlBlock
from sharedcompute.system import faults
from sharedcompute.validation.integers import whole

# Python's int: the compiled functions would be compiled again for each other class of numbers.
_settle = object.__setattr__


def _word(value: int) -> int:
    return whole("a counter's value", value, -(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True)
class Lock:
    """One of the locks of a team, for a ``with`` block. A rank holds it, not one of its threads."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        _settle(self, "number", whole("a lock's number", self.number, 0, LOCKS_IN_ALL - 1))

    def acquire(self, timeout: float | None = None) -> None:
        """Acquire the lock, waiting while another rank holds it.

        Parameters
        ----------
        timeout : float, optional
            The longest wait, in seconds.

        Raises
        ------
        WaitTimeoutError
        """
        locks.lock(self.control, self.number, no_limit(timeout))

    def release(self) -> None:
        """Release the lock."""
        locks.unlock(self.control, self.number)

    def __enter__(self) -> None:
        """Acquire the lock."""
        locks.lock(self.control, self.number, -1.0)
        if faults.SCRIPT:
            faults.point("worker.lock", self.control.rank)

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        locks.unlock(self.control, self.number)


@dataclass(frozen=True)
class Semaphore:
    """A semaphore: as many ranks hold it at a time as it has permits. For a ``with`` block."""

    control: ControlBlock
    permits: int

    def __post_init__(self) -> None:
        _settle(self, "permits", whole("a semaphore's permits", self.permits, 1))

    def acquire(self, timeout: float | None = None) -> None:
        """Acquire a permit, waiting while all are taken.

        Parameters
        ----------
        timeout : float, optional
            The longest wait, in seconds.

        Raises
        ------
        WaitTimeoutError
        """
        locks.acquire(self.control, self.permits, no_limit(timeout))

    def release(self) -> None:
        """Release a permit."""
        locks.release(self.control, self.permits)

    def __enter__(self) -> None:
        """Acquire a permit."""
        locks.acquire(self.control, self.permits, -1.0)
        if faults.SCRIPT:
            faults.point("worker.semaphore", self.control.rank)

    def __exit__(self, *_: object) -> None:
        """Release the permit."""
        locks.release(self.control, self.permits)


@dataclass(frozen=True)
class Counter:
    """One of the counters of a team: 64 bits, 0 when a program begins."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        _settle(self, "number", whole("a counter's number", self.number, 0, COUNTERS_IN_ALL - 1))

    def fetch_add(self, value: int = 1) -> int:
        """Add atomically, and return the value before.

        Parameters
        ----------
        value : int
            64 bits; sums wrap around.

        Returns
        -------
        int
        """
        return flags.fetch_add(self.control, self.number, _word(value))

    def load(self) -> int:
        """Return the value.

        Returns
        -------
        int
        """
        return flags.load(self.control, self.number)

    def store(self, value: int) -> None:
        """Set the value.

        Parameters
        ----------
        value : int
            64 bits.
        """
        flags.store(self.control, self.number, _word(value))


@dataclass(frozen=True)
class Event:
    """One of the events of a team, clear when a program begins."""

    control: ControlBlock
    number: int

    def __post_init__(self) -> None:
        _settle(self, "number", whole("an event's number", self.number, 0, EVENTS_IN_ALL - 1))

    def set(self) -> None:
        """Set the event: its waiters continue."""
        flags.set_event(self.control, self.number)

    def clear(self) -> None:
        """Clear the event: waits for it block from now on."""
        flags.clear_event(self.control, self.number)

    def is_set(self) -> bool:
        """Return whether the event is set.

        Returns
        -------
        bool
        """
        return flags.is_set(self.control, self.number)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the event is set.

        Parameters
        ----------
        timeout : float, optional
            The longest wait, in seconds.

        Raises
        ------
        WaitTimeoutError
        """
        flags.wait_event(self.control, self.number, no_limit(timeout))
