"""Several units at a time in one process: threads that share its claims and its way out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from sharedcompute.engines.units.work import TAKE_SECONDS, Work
from sharedcompute.errors import MemoryBudgetError
from sharedcompute.events import BlockDone, StateTaken
from sharedcompute.rows import Rows, hull
from sharedcompute.system import faults
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
        Called in the thread that raises: it makes the others come to their ends, be it at the end
        of what they have in hand. All have ended when this function returns or raises.

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
    """Where what the threads of a process do goes. One thread at a time comes here."""

    def deliver(self, block: int, number: int, chunks: Sequence[Any]) -> None:
        """Take encoded chunks, as `Deliver`."""

    def done(self, event: BlockDone, taken: StateTaken | None) -> None:
        """Hear that a unit is done, and now and then what came of several."""


class Claims:
    """The units that fall to a process, for its threads to take one after the other.

    Parameters
    ----------
    numbers : iterator of int
        Asked by one thread at a time.
    rows : callable
        The rows of a unit.
    note : callable
        Told of the rows in hand before a unit is given out, and once more where one fails. With
        several units in hand these are all rows from the first one's to the last one's.

    Attributes
    ----------
    failed : Rows or None
        What the thread had in hand that failed first.
    """

    def __init__(
        self,
        numbers: Iterator[int],
        rows: Callable[[int], Rows],
        note: Callable[[Rows], None] = lambda _: None,
    ) -> None:
        self._numbers = numbers
        self._rows = rows
        self._note = note
        self._lock = threading.Lock()
        self._in_hand: dict[int, Rows] = {}
        self._stopped = False
        self.failed: Rows | None = None

    def of(self, thread: int) -> Iterator[int]:
        """Units for one of the threads; it is done with one when it asks for the next."""
        while (number := self._take(thread)) is not None:
            yield number

    def stop(self) -> None:
        """Give out no more."""
        self._stopped = True

    def blame(self, thread: int) -> None:
        """Stop, as a thread has failed, and note the rows that it alone had in hand."""
        with self._lock:
            if self.failed is None:
                self.failed = self._in_hand[thread]
                self._note(self.failed)
            self._stopped = True

    def _take(self, thread: int) -> int | None:
        with self._lock:
            self._in_hand.pop(thread, None)
            number = None if self._stopped else next(self._numbers, None)
            if number is not None:
                self._in_hand[thread] = self._rows(number)
                self._note(hull(self._in_hand.values()))
                faults.point("unit", number)
            return number


def do_units(work: Work, slots: range, claims: Claims, desk: Desk) -> None:
    """Do units in as many threads as there are `slots`, this one among them.

    Parameters
    ----------
    slots : range
        The numbers of this process's runners among those of all processes.
    """
    lock = threading.Lock()

    def deliver(block: int, number: int, chunks: Sequence[Any]) -> None:
        with lock:
            desk.deliver(block, number, chunks)

    def body(thread: int) -> None:
        runner = work.open(slots[thread], deliver)
        due = time.monotonic() + TAKE_SECONDS
        try:
            for number in claims.of(thread):
                try:
                    done = runner.run(number)
                except Exception:
                    claims.blame(thread)
                    raise
                taken = None
                if time.monotonic() >= due:
                    taken = runner.take()
                    due = time.monotonic() + TAKE_SECONDS
                with lock:
                    desk.done(done, taken)
            runner.finish()
        finally:
            runner.close()

    side_by_side(len(slots), body, claims.stop)
