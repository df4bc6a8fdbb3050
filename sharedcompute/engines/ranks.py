"""The worker's side of the engine of one machine: what each process of the team runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from sharedcompute.engines.claims import Claims
from sharedcompute.engines.engine import Left, Program, Work
from sharedcompute.engines.units.outbox import Outbox, Rings
from sharedcompute.engines.units.threads import do_units
from sharedcompute.errors import ProgramError
from sharedcompute.events import Event, RoundDone, StateTaken
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.rows import Blocks, Schedule
from sharedcompute.system import faults
from sharedcompute.team import Worker

POST_SECONDS = 0.05
"""How often a worker posts the events of the blocks that it has done."""


class _Post:
    """A worker's events, posted together.

    Each message wakes the parent, on a core that a worker uses: posted one by one they cost a
    fifth of the time of a fast reduction.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._events: list[Event | Left] = []
        self._due = time.monotonic() + POST_SECONDS

    def put(self, *events: Event | Left) -> None:
        """Note events, and units that leave rows; they are posted when it is time."""
        self._events += events
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Post all that are noted."""
        if self._events:
            self._worker.post(self._events)
        self._events = []
        self._due = time.monotonic() + POST_SECONDS


class _Mail:
    """Sends what the units of a worker leave: events, and chunks for the output."""

    def __init__(self, worker: Worker, rings: Rings | None) -> None:
        self._outbox = None if rings is None else Outbox(rings, worker)
        self._post = _Post(worker)
        self.flush = self._post.flush

    def deliver(self, block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        """Send chunks on their way."""
        assert self._outbox is not None
        self._outbox.put(block, number, chunks)

    def done(self, left: Left) -> None:
        """Note a finished unit; all its chunks are sent.

        Raises
        ------
        ProgramError
            It has left values that would be lost here: the work was sent detached.
        """
        if not left.in_place:
            raise ProgramError("expected units that write to shared memory, got values to travel")
        if self._outbox is not None:
            self._outbox.send()
        self._post.put(left if left.gathered else left.event)

    def take(self, taken: StateTaken) -> None:
        """Note the state of several units."""
        self._post.put(taken)


def _claims(worker: Worker, work: Work, left: Sequence[int], schedule: Schedule) -> Claims:
    """Return the units of this worker.

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
    """Return which of `count` units fall to this worker."""
    return (claimed.start for claimed in worker.claim_agreed(count, 1, schedule))


class _Ranked:
    """A worker as one rank of those that take steps together."""

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
        """Return the blocks of a round that fall to this rank."""
        places = _places(self._worker, len(blocks), self._schedule)
        return Claims(places, blocks.__getitem__, self._worker.at)

    def report(self, event: Event) -> None:
        """Post events together; a round's at once, before it holds."""
        self._post.put(event)
        if isinstance(event, RoundDone):
            self.flush()


def run_program(worker: Worker, program: Program, schedule: Schedule, threads: int) -> int | None:
    """Take the steps of one rank; rank 0 returns the checksum of what all have left."""
    party = _Ranked(worker, schedule, threads)
    program.run(party)
    party.flush()
    # Rank 0 takes the last step, and has not seen yet that all others are done with theirs.
    worker.barrier()
    return program.left() if worker.rank == 0 else None


def run_units(
    worker: Worker,
    work: Work,
    left: Sequence[int],
    schedule: Schedule,
    rings: Rings | None,
    threads: int,
) -> int | None:
    """Take units and do them, `threads` of them at a time.

    Returns the checksum of what all workers have left in shared memory.
    """
    mail = _Mail(worker, rings)
    slots = range(worker.rank * threads, (worker.rank + 1) * threads)
    do_units(work, slots, _claims(worker, work, left, schedule), mail)
    mail.flush()
    worker.barrier()
    faults.point("units.end")
    return work.left()
