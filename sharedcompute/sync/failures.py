"""What a wait can end with instead of what was waited for."""

from __future__ import annotations

from sharedcompute.errors import DeadlockError, ProgramLeftError, WaitTimeoutError
from sharedcompute.sync.atomics import raising

__all__ = ["Aborted", "DeadlockError", "ProgramLeftError", "WaitTimeoutError"]


class Aborted(BaseException):
    """The job is over, another worker failed. Not an Exception: programs should not catch it."""


OK, ABORTED, LEFT, TIMED_OUT, STUCK, MISUSED = range(6)
"""How a wait ends: the functions that wait give these, and those that users call raise."""

leave_if = raising(Aborted)
"""Raise `Aborted` in nopython code, where the argument is true."""
