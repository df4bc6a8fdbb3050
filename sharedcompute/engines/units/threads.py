"""Several units at a time in one process: threads that share its claims and its desk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sharedcompute.engines.claims import Claims
from sharedcompute.engines.engine import TAKE_SECONDS, Left, Work
from sharedcompute.errors import MemoryBudgetError
from sharedcompute.events import StateTaken
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
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


class Desk(Protocol):
    """Takes what the units of a process leave. One thread at a time calls it."""

    def deliver(self, block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        """Take encoded chunks, as `Deliver`."""

    def done(self, left: Left) -> None:
        """Take what a unit leaves; all its chunks are delivered."""

    def take(self, taken: StateTaken) -> None:
        """Take the state of several units, which are done."""


def do_units(work: Work, slots: range, claims: Claims, desk: Desk) -> None:
    """Do units in as many threads as there are `slots`, this one among them.

    Parameters
    ----------
    slots : range
        The numbers of this process's runners among those of all processes.
    """
    lock = threading.Lock()

    def deliver(block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        with lock:
            desk.deliver(block, number, chunks)

    def body(thread: int) -> None:
        runner = work.open(slots[thread], deliver)
        due = time.monotonic() + TAKE_SECONDS
        try:
            for number in claims.of(thread):
                try:
                    left = runner.run(number)
                except Exception:
                    claims.blame(thread)
                    raise
                taken = None
                if time.monotonic() >= due:
                    taken = runner.take()
                    due = time.monotonic() + TAKE_SECONDS
                with lock:
                    desk.done(left)
                    if taken is not None:
                        desk.take(taken)
            rest = runner.finish()
            if rest is not None:
                with lock:
                    desk.take(rest)
        finally:
            runner.close()

    side_by_side(len(slots), body, claims.stop)
