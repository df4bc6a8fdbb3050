"""Threads of this process that do a thing side by side, and end together."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sharedcompute.errors import MemoryBudgetError
from sharedcompute.wording import option


def side_by_side(
    threads: int, body: Callable[[int], None], stop: Callable[[], None] = lambda: None
) -> None:
    """Call ``body(0)`` in this thread and ``body(1)``, ... in others, and wait for all of them.

    Parameters
    ----------
    threads : int
        With 1, no thread is started.
    body : callable
    stop : callable
        Called in the thread that raises: it makes the others end, be it after what they have in
        hand. All have ended when this function returns or raises.

    Raises
    ------
    MemoryBudgetError
        The system starts no more threads.
    BaseException
        The first that was raised, Ctrl-C while it waits included.
    """
    if threads == 1:
        body(0)
        return
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            body(number)
        except BaseException as problem:  # noqa: BLE001 - it is raised below, whatever it is
            failures.append(problem)
            stop()

    others: list[threading.Thread] = []
    try:
        _start(threads, run, others)
        run(0)
    except BaseException as problem:  # noqa: BLE001 - also one from outside, in between
        failures.append(problem)
        stop()
    while others:
        try:
            others[-1].join()
            others.pop()
        except BaseException as problem:  # noqa: BLE001 - Ctrl-C: the others work on shared files
            failures.append(problem)
            stop()
    if failures:
        raise failures[0]


def _start(threads: int, run: Callable[[int], None], others: list[threading.Thread]) -> None:
    for number in range(1, threads):
        thread = threading.Thread(target=run, args=(number,), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise MemoryBudgetError(
                f"expected to start {threads - 1} threads, the system gives {number - 1}; use "
                f"fewer ({option('threads')}), or raise the limits (ulimit -u, ulimit -v)"
            ) from None
        others.append(thread)
