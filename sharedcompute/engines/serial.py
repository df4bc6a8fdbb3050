"""The engine without workers: all blocks in this process, in order. The oracle for the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from sharedcompute.engines.work import Deliver, Work
from sharedcompute.events import Listener
from sharedcompute.operations.base import Array, DType


class Serial:
    """Runs passes in this process."""

    name = "serial"

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Private memory."""
        return np.empty(shape, dtype)

    def share(self, array: Array) -> Array:
        """As it is."""
        return array

    def reach(self, source: Any) -> Any:
        """Any source can be opened here."""
        return source

    def run(self, work: Work, deliver: Deliver, listen: Listener) -> None:
        """Do all units in order."""
        runner = work.open(0, deliver)
        try:
            for number in range(len(work)):
                try:
                    done = runner.run(number)
                except Exception as problem:
                    rows = work.rows(number)
                    problem.add_note(f"raised on rows {rows.start}:{rows.stop}")
                    raise
                listen(done)
        finally:
            runner.close()
