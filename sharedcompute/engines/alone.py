"""One rank that takes all steps in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from sharedcompute.engines.claims import Claims
from sharedcompute.engines.engine import Program
from sharedcompute.events import Event, Listener
from sharedcompute.rows import Blocks, Rows

if TYPE_CHECKING:
    from sharedcompute.sync.layout import ControlBlock


class Alone:
    """The only rank of those that take steps together.

    Parameters
    ----------
    threads : int
    report : callable

    Attributes
    ----------
    failed : Rows or None
        What it had in hand when it failed.
    """

    rank, size = 0, 1

    def __init__(self, threads: int, report: Callable[[Event], None]) -> None:
        self.threads = threads
        self.report = report
        self.failed: Rows | None = None

    @cached_property
    def control(self) -> ControlBlock:
        """A control block for one rank."""
        from sharedcompute.sync import alone  # noqa: PLC0415 - 18 ms that only fits need

        return alone()

    def barrier(self) -> None:
        """Wait for nobody."""

    def claims(self, blocks: Blocks) -> Claims:
        """Return all blocks, in order."""
        return Claims(iter(range(len(blocks))), blocks.__getitem__, self._note)

    def _note(self, rows: Rows) -> None:
        self.failed = rows


def run_alone(program: Program, threads: int, listen: Listener) -> None:
    """Run a program in this process.

    Raises
    ------
    Exception
        Whatever it raises, with the rows in hand as a note.
    """
    party = Alone(threads, listen)
    try:
        program.run(party)
    except Exception as problem:
        note_rows(problem, party.failed)
        raise


def note_rows(problem: Exception, rows: Rows | None) -> None:
    """Add to an error the rows that were in hand."""
    if rows is not None:
        problem.add_note("raised on rows {}:{}".format(*rows))
