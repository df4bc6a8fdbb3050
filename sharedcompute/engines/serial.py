"""The engine without workers: all units in this process. The oracle for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from sharedcompute.engines.alone import note_rows, run_alone
from sharedcompute.engines.claims import Claims
from sharedcompute.engines.engine import Deliver, Left, Program, Work
from sharedcompute.engines.units.threads import do_units
from sharedcompute.engines.units.unnamed import unnamed_file
from sharedcompute.events import Listener, StateTaken
from sharedcompute.graph.ports import Source
from sharedcompute.operations.specs import Array, DType
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.in_memory import FileArray
from sharedcompute.traits import traits_of


class Serial:
    """Does units of work in this process.

    Parameters
    ----------
    threads : int
        That do units side by side.
    """

    name = "serial"
    traits = traits_of(name)
    runners = 1

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Return private memory."""
        return np.empty(shape, dtype)

    def room(
        self, shape: tuple[int, ...], dtype: DType, folder: Path
    ) -> AbstractContextManager[FileArray]:
        """Make room in a file without a name."""
        return unnamed_file(shape, dtype, folder)

    def share(self, array: Array) -> Array:
        """Return the array as it is."""
        return array

    def reach(self, source: Source) -> Source:
        """Return the source as it is: any can be opened here."""
        return source

    def run(
        self, work: Work, deliver: Deliver, listen: Listener, left: Sequence[int] | None = None
    ) -> None:
        """Do all units, or those that are left; with one thread, in order."""
        numbers = range(len(work)) if left is None else left
        claims = Claims(iter(numbers), work.rows)
        slots = range(self.threads if work.side_by_side else 1)
        try:
            do_units(work, slots, claims, _Desk(work, deliver, listen))
        except Exception as problem:
            note_rows(problem, claims.failed)
            raise

    def together(
        self, program: Program, listen: Listener, again: Callable[[], None] = lambda: None
    ) -> None:
        """Run a program as the one rank that there is."""
        del again
        run_alone(program, self.threads, listen)


class _Desk:
    """Hands on at once what units leave."""

    def __init__(self, work: Work, deliver: Deliver, listen: Listener) -> None:
        self._work = work
        self.deliver = deliver
        self._listen = listen

    def done(self, left: Left) -> None:
        """Put in place what is not there yet, and call the listener."""
        self._work.accept(left)
        self._listen(left.event)

    def take(self, taken: StateTaken) -> None:
        """Call the listener, which adds it up."""
        self._listen(taken)


@contextmanager
def opened(workers: int, options: RunOptions, team: object) -> Iterator[Serial]:
    """Open the engine for one run."""
    del workers, team
    yield Serial(options.threads)
