"""Units of work that fall to one process, given out to its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from sharedcompute.rows import Rows, hull
from sharedcompute.system import faults


class Claims:
    """The units that fall to a process, for its threads to take one after the other.

    Parameters
    ----------
    numbers : iterator of int
        Asked by one thread at a time.
    rows : callable
        Gives the rows of a unit.
    note : callable
        Called with the rows in hand before a unit is given out, and once more where one fails.
        With several units in hand these are all rows from the first one's to the last one's.

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
        """Give units to one of the threads; it is done with one when it asks for the next."""
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
