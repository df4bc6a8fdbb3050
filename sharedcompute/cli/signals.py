"""Ctrl-C, SIGTERM and SIGHUP end a job once, and surely."""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sharedcompute.events import Event, Listener


class Terminated(BaseException):
    """SIGTERM or SIGHUP came: everything is cleaned up on the way out."""


class Signals:
    """Turns the first signal into an exception, and remembers it.

    An exception that is raised while a C library calls back into Python (llvmlite looks into its
    cache so) is printed and lost, and the job would go on. So `check`, which the job's listener
    calls with every event, raises it again. Later signals change nothing: the first one's clean-up,
    which is bounded in time, must not be cut off.
    """

    def __init__(self) -> None:
        self._caught: int | None = None

    def install(self) -> None:
        """Handle the signals from now on; in the main thread only."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What nohup, or a shell for its background jobs, has us ignore stays ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._caught is None:
            self._caught = number
            self.check()

    def check(self) -> None:
        """Raise what came."""
        if self._caught == signal.SIGINT:
            raise KeyboardInterrupt
        if self._caught is not None:
            raise Terminated(self._caught)

    def guard(self, *listeners: Listener) -> Listener:
        """One listener that raises what came, and tells the others."""

        def listen(event: Event) -> None:
            self.check()
            for listener in listeners:
                listener(event)

        return listen
