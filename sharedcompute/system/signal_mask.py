"""Blocked signals."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def blocked(signals: Iterable[int]) -> Iterator[None]:
    """Block signals in this thread, a context manager.

    A process that is started in the block begins with them blocked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
