"""The engine without workers: all blocks in this process. The oracle for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sharedcompute.engines.fits.loop import Loop
from sharedcompute.engines.fits.rounds import iterate
from sharedcompute.engines.units.threads import Claims, do_units
from sharedcompute.engines.units.work import Deliver, Work
from sharedcompute.events import BlockDone, Event, Listener, StateTaken
from sharedcompute.operations.specs import Array, DType
from sharedcompute.rows import Blocks, Rows


class Serial:
    """Runs passes in this process.

    Parameters
    ----------
    threads : int
        That do units side by side.
    """

    name = "serial"
    workers = 1

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Private memory."""
        return np.empty(shape, dtype)

    def share(self, array: Array) -> Array:
        """As it is."""
        return array

    def reach(self, source: Any) -> Any:
        """Any source can be opened here."""
        return source

    def run(
        self, work: Work, deliver: Deliver, listen: Listener, left: Sequence[int] | None = None
    ) -> None:
        """Do all units, or those that are left; with one thread, in order."""
        numbers = range(len(work)) if left is None else left
        claims = Claims(iter(numbers), work.rows)
        slots = range(self.threads if work.side_by_side else 1)
        try:
            do_units(work, slots, claims, _Desk(deliver, listen))
        except Exception as problem:
            if claims.failed is not None:
                problem.add_note("raised on rows {}:{}".format(*claims.failed))
            raise
        work.combine(0, 1)

    def iterate(self, loop: Loop, again: Callable[[], None], listen: Listener) -> None:
        """Do the rounds here."""
        del again
        from sharedcompute.sync import alone  # noqa: PLC0415 - 18 ms that only fits need

        party = Alone(alone(), self.threads, listen)
        try:
            iterate(party, loop)
        except Exception as problem:
            if party.failed is not None:
                problem.add_note("raised on rows {}:{}".format(*party.failed))
            raise


class _Desk:
    """Hands on at once."""

    def __init__(self, deliver: Deliver, listen: Listener) -> None:
        self.deliver = deliver
        self._listen = listen

    def done(self, event: BlockDone, taken: StateTaken | None) -> None:
        """Tell the listener."""
        self._listen(event)
        if taken is not None:
            self._listen(taken)


class Alone:
    """The one rank of the serial engine."""

    rank, size = 0, 1

    def __init__(self, control: Any, threads: int, tell: Callable[[Event], None]) -> None:
        self.control = control
        self.threads = threads
        self.tell = tell
        self.failed: Rows | None = None
        """What it had in hand when it failed."""

    def barrier(self) -> None:
        """Nobody is waited for."""

    def claims(self, blocks: Blocks) -> Claims:
        """All blocks, in order."""
        return Claims(iter(range(len(blocks))), blocks.__getitem__, self._note)

    def _note(self, rows: Rows) -> None:
        self.failed = rows
