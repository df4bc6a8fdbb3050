"""The engine of one machine: a team of worker processes over shared memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from sharedcompute.engines.fits.loop import Loop
from sharedcompute.engines.fits.rounds import iterate, warm_up
from sharedcompute.engines.units.arrived import check
from sharedcompute.engines.units.outbox import Outbox, Rings, Sent
from sharedcompute.engines.units.threads import Claims, do_units
from sharedcompute.engines.units.work import Deliver, Work
from sharedcompute.errors import WorkerDied
from sharedcompute.events import (
    BlockDone,
    Event,
    Listener,
    RoundDone,
    StateTaken,
    WorkerReplaced,
)
from sharedcompute.operations.specs import Array, DType
from sharedcompute.plan.in_memory import ArraySource
from sharedcompute.rows import Blocks, Schedule, hull
from sharedcompute.shm import arrays
from sharedcompute.system import faults
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
    retries : int
        How many times units are done again whose worker died.
    """

    name = "local"

    def __init__(self, team: Team, schedule: Schedule, retries: int = 0) -> None:
        self._team = team
        self._schedule = schedule
        self._retries = retries
        # Made once: to make them took 12 ms, and a file may have thousands of small datasets.
        self._rings: Rings | None = None

    @property
    def workers(self) -> int:
        """The size of the team."""
        return self._team.size

    @property
    def threads(self) -> int:
        """Threads of each worker."""
        return self._team.threads

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

    def run(
        self, work: Work, deliver: Deliver, listen: Listener, left: Sequence[int] | None = None
    ) -> None:
        """Do units on the team; when a worker dies, those that it leaves undone are done again."""
        work.warm_up()
        remaining = _Remaining(range(len(work)) if left is None else left, listen, work.taken)
        deaths: Counter[Any] = Counter()
        while True:
            try:
                self._round(work, remaining.units(), deliver, remaining.listen)
                return
            except WorkerDied as died:
                suspects = _suspects(work, remaining.units(), died.rows)
                deaths.update(suspects)
                times = max(deaths[rows] for rows in suspects)
                if times > self._retries:
                    most = [rows for rows in suspects if rows and deaths[rows] == times]
                    raise died.again(times, hull(most) if most else None) from None
                listen(WorkerReplaced(died.rank, died.pid, died.signal, died.rows))

    def iterate(self, loop: Loop, again: Callable[[], None], listen: Listener) -> None:
        """Do the rounds on the team; when a worker dies, from the last model that holds."""
        warm_up(loop)

        def hear(_: int, events: Sequence[Event]) -> None:
            for event in events:
                listen(event)

        deaths = 0
        while True:
            try:
                told = self._team.run(
                    iterate_here, loop, self._schedule, self.threads, on_message=hear
                )
                check(0, told[0], loop.left())
                return
            except WorkerDied as died:
                deaths += 1
                if deaths > self._retries:
                    raise died.again(deaths) from None
                listen(WorkerReplaced(died.rank, died.pid, died.signal, died.rows))
                if loop.part.rounds is None and not loop.finished:
                    # Sweeps work in place: nobody knows what the dead one left.
                    again()

    def _round(self, work: Work, left: Sequence[int], deliver: Deliver, listen: Listener) -> None:
        """Do units until all are done or a worker dies."""
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

        threads = self.threads if work.side_by_side else 1
        told = self._team.run(
            run_units, work, left, self._schedule, rings, threads, on_message=receive
        )
        here = work.left()
        for rank, crc in enumerate(told):
            check(rank, crc, here)
        if work.taken:
            # Only now all that was taken over is added up here.
            self._team.run(combine, work)


def _suspects(
    work: Work, left: Sequence[int], rows: tuple[int, int] | None
) -> set[tuple[int, int] | None]:
    """The rows of each unit that may have been in a dead worker's hands.

    With several threads `rows` goes from the first of its units to the last, and differs from death
    to death though it is the same unit that kills.
    """
    if rows is None:
        return {None}
    each = set(map(work.rows, left))
    return {r for r in each if rows[0] <= r.start and r.stop <= rows[1]} or {rows}


class _Remaining:
    """Which units are still to be done, told by what the workers say.

    Parameters
    ----------
    units : sequence of int
    listen : callable
        Is told of everything as well.
    taken : bool
        A unit is done only when its state was taken over.
    """

    def __init__(self, units: Sequence[int], listen: Listener, taken: bool) -> None:
        self._units = units
        self._listen = listen
        self._taken = taken
        self._done: set[int] = set()

    def units(self) -> Sequence[int]:
        """What is left."""
        return [n for n in self._units if n not in self._done] if self._done else self._units

    def listen(self, event: Event) -> None:
        """Note what is done."""
        self._listen(event)
        if isinstance(event, StateTaken):
            self._done.update(event.blocks)
        elif isinstance(event, BlockDone) and not self._taken:
            self._done.add(event.block)


class _Post:
    """A worker's events, posted together.

    Each message wakes the parent, on a core that a worker uses: posted one by one they cost a
    fifth of the time of a fast reduction.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._events: list[Event] = []
        self._due = time.monotonic() + POST_SECONDS

    def put(self, *events: Event) -> None:
        """Note events; they are posted when it is time."""
        self._events += events
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Post what is noted."""
        if self._events:
            self._worker.post(self._events)
        self._events = []
        self._due = time.monotonic() + POST_SECONDS


class _Mail:
    """What a worker's finished blocks leave: events, and chunks for the output."""

    def __init__(self, worker: Worker, rings: Rings | None) -> None:
        self._outbox = None if rings is None else Outbox(rings, worker)
        self._post = _Post(worker)
        self.flush = self._post.flush

    def deliver(self, block: int, number: int, chunks: Sequence[Any]) -> None:
        """Send chunks on their way."""
        assert self._outbox is not None
        self._outbox.put(block, number, chunks)

    def done(self, event: BlockDone, taken: StateTaken | None) -> None:
        """Note a finished block; all its chunks are sent."""
        if self._outbox is not None:
            self._outbox.send()
        self._post.put(*([event] if taken is None else [event, taken]))


def _claims(worker: Worker, work: Work, left: Sequence[int], schedule: Schedule) -> Claims:
    """The units of this worker.

    Chunks are stored in the order of their units, so a static schedule deals these out in turn
    (OpenMP's ``static,1``): in contiguous shares most chunks would wait for the first worker.
    """
    if schedule == "static" and work.ordered:
        places: Iterator[int] = iter(range(worker.rank, len(left), worker.size))
    else:
        places = _places(worker, len(left), schedule)

    def numbers() -> Iterator[int]:
        for place in places:
            worker.check()
            yield left[place]

    return Claims(numbers(), work.rows, worker.at)


def _places(worker: Worker, count: int, schedule: Schedule) -> Iterator[int]:
    """What of `count` units falls to this worker."""
    return (claimed.start for claimed in worker.claim_agreed(count, 1, schedule))


class _Ranked:
    """A worker as one rank of those that iterate together."""

    def __init__(self, worker: Worker, schedule: Schedule, threads: int) -> None:
        self.threads = threads
        self.rank = worker.rank
        self.size = worker.size
        self.control = worker.control
        self.barrier = worker.barrier
        self._worker = worker
        self._schedule = schedule
        self._post = _Post(worker)
        self.flush = self._post.flush

    def claims(self, blocks: Blocks) -> Claims:
        """The blocks of a round that fall to this rank."""
        places = _places(self._worker, len(blocks), self._schedule)
        return Claims(places, blocks.__getitem__, self._worker.at)

    def tell(self, event: Event) -> None:
        """Post events together; a round's at once, before it holds."""
        self._post.put(event)
        if isinstance(event, RoundDone):
            self.flush()


def iterate_here(worker: Worker, loop: Loop, schedule: Schedule, threads: int) -> int | None:
    """What each worker does of a fit; for its BLAS see `run_fit`."""
    import threadpoolctl  # noqa: PLC0415 - only fits need it

    party = _Ranked(worker, schedule, threads)
    # To look for the libraries takes 2 ms, and a worker of one thread has them limited already.
    with nullcontext() if threads == 1 else threadpoolctl.threadpool_limits(1):
        iterate(party, loop)
    party.flush()
    # Rank 0 made the last model, and has not seen yet that all others are done with it.
    worker.barrier()
    return loop.left() if worker.rank == 0 else None


def run_units(
    worker: Worker,
    work: Work,
    left: Sequence[int],
    schedule: Schedule,
    rings: Rings | None,
    threads: int,
) -> int | None:
    """What each worker does: take units and do them, `threads` of them at a time.

    Gives the checksum of what all have left in shared memory.
    """
    mail = _Mail(worker, rings)
    slots = range(worker.rank * threads, (worker.rank + 1) * threads)
    do_units(work, slots, _claims(worker, work, left, schedule), mail)
    mail.flush()
    worker.barrier()
    found = work.left()
    if not work.taken:
        combine(worker, work)
    return found


def combine(worker: Worker, work: Work) -> None:
    """Each worker's share of what is to be done once all units are."""
    faults.point("combine")
    work.combine(worker.rank, worker.size)
