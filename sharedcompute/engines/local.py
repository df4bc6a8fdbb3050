"""The engine of one machine: a team of worker processes over shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sharedcompute import arrays
from sharedcompute.engines.block import BlockRunner, Deliver, warm_up
from sharedcompute.events import BlockDone, Listener
from sharedcompute.operations.base import Array, DType, State
from sharedcompute.plan.memory import ArraySource
from sharedcompute.plan.passes import Pass
from sharedcompute.rows import Schedule
from sharedcompute.team import Team, Worker


class Local:
    """Runs passes on a team.

    Parameters
    ----------
    team : Team
    schedule : str
        How blocks go to workers.
    """

    name = "local"

    def __init__(self, team: Team, schedule: Schedule) -> None:
        self._team = team
        self._schedule = schedule

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Shared memory."""
        return arrays.empty(shape, dtype)

    def reach(self, source: Any) -> Any:
        """The source, with an array in private memory copied to shared memory."""
        if isinstance(source, ArraySource) and arrays.handle(source.array) is None:
            return ArraySource(arrays.asarray(source.array))
        return source

    def run(self, work: Pass, states: list[State], deliver: Deliver, listen: Listener) -> None:
        """Run all blocks on the team."""
        warm_up(work)

        def receive(_rank: int, message: Any) -> None:
            if isinstance(message, BlockDone):
                listen(message)
            else:
                deliver(*message)

        self._team.run(run_blocks, work, states, self._schedule, on_message=receive)


def run_blocks(worker: Worker, work: Pass, states: list[State], schedule: Schedule) -> None:
    """What each worker does: take blocks and run them."""

    def deliver(number: int, chunks: Sequence[Any]) -> None:
        worker.post((number, chunks))

    blocks = work.blocks
    runner = BlockRunner(work, states, deliver, worker.rank)
    try:
        for rows in worker.claim(blocks.n, blocks.rows, schedule):
            worker.post(runner.run(rows.start // blocks.rows))
    finally:
        runner.close()
