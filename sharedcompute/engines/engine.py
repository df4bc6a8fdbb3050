"""The seam between plans and engines: work goes in, what its units leave comes out.

A unit of work never relies on memory that its process happens to share with the parent. It writes
through ports (`sharedcompute.engines.units.ports`). One that the engine's memory backs is written
in place. One that is detached collects values: they travel in what the unit leaves, and
`Work.accept` puts them in place, in the parent.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from sharedcompute.engines.claims import Claims
from sharedcompute.events import BlockDone, Event, Listener, StateTaken
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.operations.reductions.tally import Tally
from sharedcompute.operations.specs import Array, DType, State
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.in_memory import Buffer
from sharedcompute.rows import Blocks, Rows
from sharedcompute.traits import Traits, module_of

if TYPE_CHECKING:
    from sharedcompute.graph.ports import Source
    from sharedcompute.sync.layout import ControlBlock
    from sharedcompute.team import Team

Deliver = Callable[[int, int, Sequence[EncodedChunk]], None]
"""Takes the encoded chunks of unit ... and result number ... to the one writer of the file."""

TAKE_SECONDS = 1.0
"""How often what is done is made to last: what came after the last time is lost in a death."""


@dataclass(frozen=True)
class Left:
    """What one unit leaves, beside its chunks, which are delivered as they are encoded.

    Parameters
    ----------
    event : BlockDone
    rows : tuple of (ndarray or None)
        Rows for the parent to put in place, one for each result; none where they are there.
    states : tuple of (State or None)
        States of the unit, one for each tally; none where they are in place.
    gathered : tuple of (tuple of ndarray)
        Rows of any number, one for each result of each kernel that gives such. They always travel.
    """

    event: BlockDone
    rows: tuple[Array | None, ...] = ()
    states: tuple[State | None, ...] = ()
    gathered: tuple[tuple[Array, ...], ...] = ()

    @property
    def in_place(self) -> bool:
        """True if nothing is left for the parent to put in place."""
        return all(part is None for part in (*self.rows, *self.states))


class Runner(Protocol):
    """Units of work in one thread, with its files and buffers."""

    def run(self, number: int) -> Left:
        """Do unit `number`."""

    def take(self) -> StateTaken | None:
        """Return and reset the state of the units since the last call, where units share one."""

    def finish(self) -> StateTaken | None:
        """Leave the state of the units since the last call of `take`; return it if it travels."""

    def close(self) -> None:
        """Close files and free buffers."""


class Work(Protocol):
    """Units that can be done in any order by any worker. It pickles."""

    @property
    def ordered(self) -> bool:
        """True if the chunks of units are stored in the order of the units."""

    @property
    def taken(self) -> bool:
        """True if a unit counts as done only once its state is taken over from its worker."""

    @property
    def side_by_side(self) -> bool:
        """True if a process may do several units at a time, each in a thread of its own."""

    def __len__(self) -> int:
        """Return the number of units."""

    def rows(self, number: int) -> Rows:
        """Return the rows of a unit."""

    def nbytes(self, number: int) -> int:
        """Return the bytes of a unit, as its event states them."""

    def warm_up(self) -> None:
        """Compile here what all workers will need: they then find it in numba's cache."""

    def detached(self) -> Self:
        """Return the work without any memory of this process: what travels to a place without it.

        Its units leave values, for `accept`.
        """

    def open(self, rank: int, deliver: Deliver) -> Runner:
        """Return a runner for this thread, number `rank` of all threads that do units."""

    def accept(self, left: Left) -> None:
        """Put in place what a unit of the detached work left."""

    @property
    def reduced(self) -> Sequence[tuple[Tally, State]]:
        """The states of all units, as far as this process has them."""

    def fold(self, states: Sequence[State]) -> None:
        """Add states that were taken over from a worker."""

    def left(self) -> int | None:
        """Return the checksum of a sample of what all units left in memory, or None.

        The same before and after the states are combined.
        """


class LastingWork(Work, Protocol):
    """Units that are noted as they are done, and found again by a later run."""

    @property
    def sparse(self) -> bool:
        """True if a unit may leave out chunks that nobody ever wrote to."""

    def box(self, number: int, which: int = 0) -> tuple[slice, ...]:
        """Return the box of a unit in result `which`; all axes that are not named belong to it."""


class Party(Protocol):
    """One rank of those that take steps together."""

    @property
    def rank(self) -> int:
        """Its number."""

    @property
    def size(self) -> int:
        """The number of ranks."""

    @property
    def control(self) -> ControlBlock:
        """The control block that `sharedcompute.sync.barrier` takes."""

    @property
    def threads(self) -> int:
        """The blocks that it may do at a time."""

    def barrier(self) -> None:
        """Wait for all ranks."""

    def claims(self, blocks: Blocks) -> Claims:
        """Return the blocks of a round that fall to this rank."""

    def report(self, event: Event) -> None:
        """Report an event to the parent; it is received before the next barrier opens."""


class Program(Protocol):
    """Steps that all ranks take together, over memory that they share. It pickles."""

    def warm_up(self) -> None:
        """Compile here what all ranks will need."""

    def run(self, party: Party) -> None:
        """Take the steps of one rank."""

    def left(self) -> int | None:
        """Return the checksum of a sample of what the last step left in memory, or None."""


class Engine(Protocol):
    """Runs units of work, and programs."""

    @property
    def name(self) -> str:
        """The name in the registry."""

    @property
    def traits(self) -> Traits:
        """What may be relied upon."""

    @property
    def runners(self) -> int:
        """The number of processes that leave states in place; each has slots for its threads."""

    @property
    def threads(self) -> int:
        """The units that a process does at a time, where they can stand side by side."""

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Return an array that units can write to, or whose values they return."""

    def room(
        self, shape: tuple[int, ...], dtype: DType, folder: Path
    ) -> AbstractContextManager[Buffer]:
        """Make room for an array in a file in `folder`, where memory is too small for it."""

    def share(self, array: Array) -> Array:
        """Return an array in a form that reaches units at little cost."""

    def reach(self, source: Source) -> Source:
        """Return the source in a form that units can open."""

    def run(
        self, work: Work, deliver: Deliver, listen: Listener, left: Sequence[int] | None = None
    ) -> None:
        """Do all units, or those that are `left`, in any order."""

    def together(
        self, program: Program, listen: Listener, again: Callable[[], None] = lambda: None
    ) -> None:
        """Run a program on all ranks; where workers cannot wait for each other, here.

        `again` is called before the ranks start anew after a death.
        """


def undeliverable(_unit: int, _number: int, _chunks: Sequence[EncodedChunk]) -> None:
    """Refuse chunks where nothing is delivered: arrays in memory give none."""
    raise AssertionError("arrays in memory give no chunks")


def open_engine(
    name: str, workers: int, options: RunOptions, team: Team | None
) -> AbstractContextManager[Engine]:
    """Return the engine of this name, on a team that is there, or one for this run."""
    module = importlib.import_module(module_of(name))
    opened: AbstractContextManager[Engine] = module.opened(workers, options, team)
    return opened
