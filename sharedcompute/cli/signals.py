"""Ctrl-C, SIGTERM and SIGHUP end a job once, and surely."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from sharedcompute.errors import MemoryBudgetError
from sharedcompute.events import Event, JobFinished, Listener, PassStarted

_AGAIN_SECONDS = 0.01


class Stopped(BaseException):
    """A signal came: everything is cleaned up on the way out.

    For Ctrl-C as well: click has its own way with KeyboardInterrupt, and prints an empty line.
    """


class Signals:
    """Turns the first signal into an exception, and makes sure that it arrives.

    An exception that is raised while a C library calls back into Python (llvmlite looks into its
    cache so), in a destructor, or while a module is imported, is printed and lost, and the job
    would go on. So one that was lost is not printed but raised again a little later, and `check`,
    which the job's listener calls with every event, raises it again as well. Later signals change
    nothing: the first one's clean-up, which is bounded in time, must not be cut off.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self.asked: int | None = None
        """The signal that a fit was asked to stop by, with the best so far."""
        self._asks = False
        self._raises = False
        self._handled: list[int] = []
        self._report = sys.unraisablehook

    @property
    def exit_code(self) -> int:
        """The exit code of a program that the signal ended, as a shell has it."""
        return 128 + (self.caught or self.asked or 0)

    def install(self) -> None:
        """Handle the signals from now on; in the main thread only.

        Until `begin` there is nothing to clean up, and the process ends where it is.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What nohup, or a shell for its background jobs, has us ignore stays ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)
                self._handled.append(number)
        signal.signal(signal.SIGALRM, self._raise_again)
        sys.unraisablehook = self._note_lost

    def begin(self) -> None:
        """Turn signals into exceptions from now on."""
        self._raises = True

    def end(self) -> None:
        """Ignore signals from now on: what is printed and returned is settled."""
        self._raises = False
        if self.caught is None:
            self.caught = 0
        if not self._handled:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (*self._handled, signal.SIGALRM):
            # Python itself resets handlers when it ends, and the next Ctrl-C would kill it.
            signal.signal(number, signal.SIG_IGN)

    def leave(self, code: int) -> NoReturn:
        """End the process after an interrupt: clean up, but do not take the interpreter apart.

        An exception from nowhere may leave objects of C libraries half made. One run of 60 crashed
        when llvmlite's were destroyed.
        """
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def check(self) -> None:
        """Raise the signal that came, if one did."""
        if self.caught:
            raise Stopped(self.caught)

    def guard(self, *listeners: Listener) -> Listener:
        """Return a listener that raises the signal that came, and passes events on to others.

        After the last event the output is in its place: nothing is interrupted any more.
        """

        def listen(event: Event) -> None:
            if isinstance(event, JobFinished):
                self.caught = 0
                self.end()
            self.check()
            for listener in listeners:
                listener(event)
            if isinstance(event, PassStarted | JobFinished):
                self._asks = isinstance(event, PassStarted) and event.fit
            elif self._asks and self.asked:
                raise StopIteration

        return listen

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            return
        if self._asks and self.asked is None:
            self.asked = number
            return
        if number == signal.SIGINT and _is_from_openblas(frame):
            text = (
                b"sharedcompute: expected to start the threads of OpenBLAS, the system gives no "
                b"more; raise the limit on processes (ulimit -u), or set OPENBLAS_NUM_THREADS=1\n"
            )
            os.write(2, text)
            os._exit(MemoryBudgetError.exit_code)  # libraries are imported: nothing is begun
        self.caught = number
        if not self._raises:
            os._exit(self.exit_code)
        self.check()

    def _raise_again(self, _number: int, _frame: FrameType | None) -> None:
        if self._raises:
            self.check()

    def _note_lost(self, lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, Stopped):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        elif not self.caught:  # else what is half made is so because of it
            self._report(lost)


def _is_from_openblas(frame: FrameType | None) -> bool:
    """Return whether no thread can be started, while something is imported.

    OpenBLAS, which numpy brings, starts its threads then, and interrupts its own process where the
    system refuses one.
    """
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    if frame is None:
        return False
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        return True
    return False
