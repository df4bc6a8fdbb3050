"""The engine of one machine: a team of worker processes over shared memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sharedcompute import arrays
from sharedcompute.engines.block import BlockRunner, Deliver, warm_up
from sharedcompute.events import BlockDone, Listener
from sharedcompute.hdf5.chunk_writer import ChunkTarget
from sharedcompute.operations.base import Array, DType, State
from sharedcompute.plan.memory import ArraySource
from sharedcompute.plan.passes import Pass
from sharedcompute.rows import Rows, Schedule
from sharedcompute.team import Team, Worker

POST_SECONDS = 0.05
"""How often a worker tells of the blocks that it has done."""

SHARED_FROM = 1 << 16
"""Bytes from which on an argument goes to shared memory: below, the pickle is cheaper."""


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

    @property
    def workers(self) -> int:
        """The size of the team."""
        return self._team.size

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Shared memory."""
        return arrays.empty(shape, dtype)

    def share(self, array: Array) -> Array:
        """In shared memory where it is large, else as it is: it is pickled for each worker."""
        return arrays.asarray(array) if array.nbytes > SHARED_FROM else array

    def reach(self, source: Any) -> Any:
        """The source, with an array in private memory copied to shared memory."""
        if isinstance(source, ArraySource) and arrays.handle(source.array) is None:
            return ArraySource(arrays.asarray(source.array))
        return source

    def run(self, work: Pass, states: list[State], deliver: Deliver, listen: Listener) -> None:
        """Run all blocks on the team."""
        warm_up(work)

        def receive(_rank: int, message: Any) -> None:
            if isinstance(message, Encoded):
                deliver(*message)
            else:
                for event in message:
                    listen(event)

        self._team.run(run_blocks, work, states, self._schedule, on_message=receive)


class Encoded(NamedTuple):
    """Chunks on their way to the one writer of the file."""

    block: int
    number: int
    chunks: Sequence[Any]


class _Mail:
    """A worker's finished blocks, posted together.

    Each message wakes the parent, on a core that a worker uses: posted one by one they cost a
    fifth of the time of a fast reduction.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._events: list[BlockDone] = []
        self._due = time.monotonic() + POST_SECONDS

    def deliver(self, block: int, number: int, chunks: Sequence[Any]) -> None:
        """Send chunks at once: they take memory."""
        self._worker.post(Encoded(block, number, chunks))

    def done(self, event: BlockDone) -> None:
        """Note a finished block."""
        self._events.append(event)
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Post what is noted."""
        if self._events:
            self._worker.post(self._events)
        self._events = []
        self._due = time.monotonic() + POST_SECONDS


def _claims(worker: Worker, work: Pass, schedule: Schedule) -> Iterator[Rows]:
    """The blocks of this worker.

    Chunks are stored in the order of their blocks, so a static schedule deals these out in turn
    (OpenMP's ``static,1``): in contiguous shares most chunks would wait for the first worker.
    """
    blocks = work.blocks
    if schedule != "static" or not any(isinstance(k.sink, ChunkTarget) for k in work.keeps):
        yield from worker.claim(blocks.n, blocks.rows, schedule)
        return
    for number in range(worker.rank, len(blocks), worker.size):
        worker.check()
        worker.at(blocks[number])
        yield blocks[number]


def run_blocks(worker: Worker, work: Pass, states: list[State], schedule: Schedule) -> None:
    """What each worker does: take blocks and run them."""
    mail = _Mail(worker)
    blocks = work.blocks
    runner = BlockRunner(work, states, mail.deliver, worker.rank)
    try:
        for rows in _claims(worker, work, schedule):
            mail.done(runner.run(rows.start // blocks.rows))
        runner.finish()
        mail.flush()
    finally:
        runner.close()
    if work.tallies:
        worker.barrier()
    for (_, tally), state in zip(work.tallies, states, strict=True):
        tally.combine_slots(state, worker.rank, worker.size)
