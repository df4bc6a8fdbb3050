"""The fork server's first import: it makes it end with its parent, and silently.

While it imports the rest it would not notice the end of its parent: for half a second after a
Ctrl-C, or much longer if kernels are to be compiled, and would hold the parent's stderr open for as
long. And a worker whose parent was interrupted before it had sent its configuration would print a
traceback.
"""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType

_LOOK_SECONDS = 0.05


class ParentWatch:
    """A thread that ends this process when its parent is gone, until it is stopped."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            os._exit(1)  # no room for a thread: the parent reports that, in one line

    def stop(self) -> None:
        """Stop watching: a process that forks should have no threads."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            if os.getppid() != self._parent:
                os._exit(0)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, EOFError | ConnectionError):
        sys.__excepthook__(kind, error, trace)


WATCH = ParentWatch()
sys.excepthook = _report
