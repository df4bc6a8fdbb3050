"""The engine of one machine: a team of worker processes over shared memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from sharedcompute.engines.engine import Deliver, Left, Program, Work
from sharedcompute.engines.ranks import run_program, run_units
from sharedcompute.engines.units.arrived import check
from sharedcompute.engines.units.outbox import Rings, Sent
from sharedcompute.engines.units.unnamed import unnamed_file
from sharedcompute.errors import WorkerDied
from sharedcompute.events import BlockDone, Event, Listener, StateTaken, WorkerReplaced
from sharedcompute.graph.ports import Source
from sharedcompute.operations.specs import Array, DType
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.in_memory import ArraySource, FileArray
from sharedcompute.rows import Schedule, hull
from sharedcompute.shm import arrays
from sharedcompute.team import Team
from sharedcompute.traits import traits_of

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
    traits = traits_of(name)

    def __init__(self, team: Team, schedule: Schedule, retries: int = 0) -> None:
        self._team = team
        self._schedule = schedule
        self._retries = retries
        # Made once: to make them took 12 ms, and a file may have thousands of small datasets.
        self._rings: Rings | None = None

    @property
    def runners(self) -> int:
        """The size of the team: all leave their states in place."""
        return self._team.size

    @property
    def threads(self) -> int:
        """Threads of each worker."""
        return self._team.threads

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Return shared memory."""
        return arrays.empty(shape, dtype)

    def room(
        self, shape: tuple[int, ...], dtype: DType, folder: Path
    ) -> AbstractContextManager[FileArray]:
        """Make room in a file without a name, which workers open by its descriptor here."""
        return unnamed_file(shape, dtype, folder)

    def share(self, array: Array) -> Array:
        """Return it in shared memory if it is large, else as is: it is pickled for each worker."""
        return arrays.asarray(array) if array.nbytes > SHARED_FROM else array

    def reach(self, source: Source) -> Source:
        """Return the source, with an array in private memory copied to shared memory."""
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
        deaths: Counter[tuple[int, int] | None] = Counter()
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

    def together(
        self, program: Program, listen: Listener, again: Callable[[], None] = lambda: None
    ) -> None:
        """Run a program on the team; when a worker dies, all begin anew."""
        program.warm_up()

        def hear(_: int, events: Sequence[Event]) -> None:
            for event in events:
                listen(event)

        deaths = 0
        while True:
            try:
                found = self._team.run(
                    run_program, program, self._schedule, self.threads, on_message=hear
                )
                check(0, found[0], program.left())
                return
            except WorkerDied as died:
                deaths += 1
                if deaths > self._retries:
                    raise died.again(deaths) from None
                listen(WorkerReplaced(died.rank, died.pid, died.signal, died.rows))
                again()

    def _round(self, work: Work, left: Sequence[int], deliver: Deliver, listen: Listener) -> None:
        """Do units until all are done or a worker dies."""
        if work.ordered and self._rings is None:
            self._rings = Rings.make(self._team.size)
        rings = self._rings if work.ordered else None

        def receive(rank: int, message: Sent | Sequence[Event | Left]) -> None:
            if isinstance(message, Sent):
                assert rings is not None
                deliver(message.block, message.number, rings.take(rank, message))
                rings.free(rank, message)
            else:
                for event in message:
                    if isinstance(event, Left):
                        work.accept(event)
                        event = event.event  # noqa: PLW2901
                    listen(event)

        threads = self.threads if work.side_by_side else 1
        found = self._team.run(
            run_units, work, left, self._schedule, rings, threads, on_message=receive
        )
        here = work.left()
        for rank, crc in enumerate(found):
            check(rank, crc, here)


def _suspects(
    work: Work, left: Sequence[int], rows: tuple[int, int] | None
) -> set[tuple[int, int] | None]:
    """Return the rows of each unit that may have been in a dead worker's hands.

    With several threads `rows` goes from the first of its units to the last, and differs from death
    to death though it is the same unit that kills.
    """
    if rows is None:
        return {None}
    each = set(map(work.rows, left))
    return {r for r in each if rows[0] <= r.start and r.stop <= rows[1]} or {rows}


class _Remaining:
    """The units that are still to be done, by the events of the workers.

    Parameters
    ----------
    units : sequence of int
    listen : callable
        Hears every event as well.
    taken : bool
        A unit is done only when its state was taken over.
    """

    def __init__(self, units: Sequence[int], listen: Listener, taken: bool) -> None:
        self._units = units
        self._listen = listen
        self._taken = taken
        self._done: set[int] = set()

    def units(self) -> Sequence[int]:
        """Return those that are left."""
        return [n for n in self._units if n not in self._done] if self._done else self._units

    def listen(self, event: Event) -> None:
        """Note what is done."""
        self._listen(event)
        if isinstance(event, StateTaken):
            self._done.update(event.blocks)
        elif isinstance(event, BlockDone) and not self._taken:
            self._done.add(event.block)


@contextmanager
def opened(workers: int, options: RunOptions, team: Team | None) -> Iterator[Local]:
    """Open the engine for one run, on a team that is there, or on one of its own."""
    if team is not None:
        yield Local(team, options.schedule, options.retries)
        return
    with Team(workers, options.threads, pin=options.pin) as own:
        yield Local(own, options.schedule, options.retries)
