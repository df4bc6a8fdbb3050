"""The engine without workers: all blocks in this process, in order. The oracle for the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from sharedcompute.engines.block import BlockRunner, Deliver
from sharedcompute.events import Listener
from sharedcompute.operations.base import Array, DType, State
from sharedcompute.plan.passes import Pass


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

    def run(self, work: Pass, states: list[State], deliver: Deliver, listen: Listener) -> None:
        """Run all blocks in order."""
        runner = BlockRunner(work, states, deliver)
        try:
            for block, rows in enumerate(work.blocks):
                try:
                    done = runner.run(block)
                except Exception as problem:
                    problem.add_note(f"raised on rows {rows.start}:{rows.stop}")
                    raise
                listen(done)
            runner.finish()
        finally:
            runner.close()
        for (_, tally), state in zip(work.tallies, states, strict=True):
            tally.combine_slots(state)
