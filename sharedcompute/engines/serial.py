"""The engine without workers: all blocks in this process, in order. The oracle for the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sharedcompute import faults
from sharedcompute.engines.rounds import Alone, Loop, iterate
from sharedcompute.engines.work import TAKE_SECONDS, Deliver, Work
from sharedcompute.events import Listener
from sharedcompute.operations.base import Array, DType
from sharedcompute.sync import alone


class Serial:
    """Runs passes in this process."""

    name = "serial"
    workers = 1

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
        """Do all units, or those that are left, in order."""
        runner = work.open(0, deliver)
        due = time.monotonic() + TAKE_SECONDS
        try:
            for number in range(len(work)) if left is None else left:
                faults.point("unit", number)
                try:
                    done = runner.run(number)
                except Exception as problem:
                    rows = work.rows(number)
                    problem.add_note(f"raised on rows {rows.start}:{rows.stop}")
                    raise
                listen(done)
                if time.monotonic() >= due:
                    taken = runner.take()
                    if taken is not None:
                        listen(taken)
                    due = time.monotonic() + TAKE_SECONDS
            runner.finish()
        finally:
            runner.close()
        work.combine(0, 1)

    def iterate(self, loop: Loop, again: Callable[[], None], listen: Listener) -> None:
        """Do the rounds here."""
        del again
        iterate(Alone(alone(), listen), loop)
