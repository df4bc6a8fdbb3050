"""What a wait can end with instead of what was waited for."""

from __future__ import annotations

from sharedcompute.atomics import raising
from sharedcompute.errors import Error


class Aborted(BaseException):
    """The job is over, another worker failed. Not an Exception: programs should not catch it."""


class ProgramLeftError(Error, RuntimeError):
    """A barrier can never open: another rank has returned from the program."""


class DeadlockError(Error, RuntimeError):
    """All ranks that still run wait for each other, or one waits for itself."""


class WaitTimeoutError(Error, TimeoutError):
    """What was waited for did not come within the time limit of the wait."""


OK, ABORTED, LEFT, TIMED_OUT, STUCK, MISUSED = range(6)
"""How a wait ends: the functions that wait give these, and those that users call raise."""

leave_if = raising(Aborted)
"""Raise `Aborted` in nopython code, where the argument is true."""
