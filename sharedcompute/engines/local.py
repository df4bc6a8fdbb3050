"""The engine of one machine: a team of worker processes over shared memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sharedcompute import arrays
from sharedcompute.engines.outbox import Outbox, Rings, Sent
from sharedcompute.engines.work import Deliver, Work
from sharedcompute.events import BlockDone, Listener
from sharedcompute.operations.base import Array, DType
from sharedcompute.plan.memory import ArraySource
from sharedcompute.rows import Schedule
from sharedcompute.team import Team, Worker

POST_SECONDS = 0.05
"""How often a worker tells of the blocks that it has done."""

SHARED_FROM = 1 << 16
"""Bytes from which on an argument goes to shared memory: below, the pickle is cheaper."""


class Local:
    """Does units of work on a team.

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
        # Made once: to make them took 12 ms, and a file may have thousands of small datasets.
        self._rings: Rings | None = None

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
        array = source.array if isinstance(source, ArraySource) else None
        if isinstance(array, np.ndarray) and arrays.handle(array) is None:
            return ArraySource(arrays.asarray(array))
        return source

    def run(self, work: Work, deliver: Deliver, listen: Listener) -> None:
        """Do all units on the team."""
        work.warm_up()
        if work.ordered and self._rings is None:
            self._rings = Rings.make(self._team.size)
        rings = self._rings if work.ordered else None

        def receive(rank: int, message: Any) -> None:
            if isinstance(message, Sent):
                assert rings is not None
                deliver(message.block, message.number, rings.take(rank, message))
                rings.free(rank, message)
            else:
                for event in message:
                    listen(event)

        self._team.run(run_units, work, self._schedule, rings, on_message=receive)


class _Mail:
    """A worker's finished blocks, posted together.

    Each message wakes the parent, on a core that a worker uses: posted one by one they cost a
    fifth of the time of a fast reduction.
    """

    def __init__(self, worker: Worker, rings: Rings | None) -> None:
        self._worker = worker
        self._outbox = None if rings is None else Outbox(rings, worker)
        self._events: list[BlockDone] = []
        self._due = time.monotonic() + POST_SECONDS

    def deliver(self, block: int, number: int, chunks: Sequence[Any]) -> None:
        """Send chunks on their way."""
        assert self._outbox is not None
        self._outbox.put(block, number, chunks)

    def done(self, event: BlockDone) -> None:
        """Note a finished block; all its chunks are sent."""
        if self._outbox is not None:
            self._outbox.send()
        self._events.append(event)
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Post what is noted."""
        if self._events:
            self._worker.post(self._events)
        self._events = []
        self._due = time.monotonic() + POST_SECONDS


def _claims(worker: Worker, work: Work, schedule: Schedule) -> Iterator[int]:
    """The units of this worker.

    Chunks are stored in the order of their units, so a static schedule deals these out in turn
    (OpenMP's ``static,1``): in contiguous shares most chunks would wait for the first worker.
    """
    if schedule == "static" and work.ordered:
        numbers: Iterator[int] = iter(range(worker.rank, len(work), worker.size))
    else:
        numbers = (claimed.start for claimed in worker.claim(len(work), 1, schedule))
    for number in numbers:
        worker.check()
        worker.at(work.rows(number))
        yield number


def run_units(worker: Worker, work: Work, schedule: Schedule, rings: Rings | None) -> None:
    """What each worker does: take units and do them."""
    mail = _Mail(worker, rings)
    runner = work.open(worker.rank, mail.deliver)
    try:
        for number in _claims(worker, work, schedule):
            mail.done(runner.run(number))
        runner.finish()
        mail.flush()
    finally:
        runner.close()
    worker.barrier()
    work.combine(worker.rank, worker.size)
