"""Failures of waits: the codes of compiled code, and the errors."""

from __future__ import annotations

from sharedcompute.errors import DeadlockError, ProgramLeftError, WaitTimeoutError
from sharedcompute.sync.atomics import raising

__all__ = ["Aborted", "DeadlockError", "ProgramLeftError", "WaitTimeoutError"]


class Aborted(BaseException):
    """The job is over, another worker failed. Not an Exception: programs should not catch it."""


OK, ABORTED, LEFT, TIMED_OUT, STUCK, MISUSED = range(6)
"""The outcome of a wait: internal functions return these, public ones raise."""

leave_if = raising(Aborted)
"""Raise `Aborted` in nopython code if the argument is true."""
