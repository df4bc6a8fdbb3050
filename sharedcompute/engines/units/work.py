"""What engines run: numbered units of work, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sharedcompute.events import BlockDone, Listener, StateTaken
from sharedcompute.hdf5.filters import decode, encode
from sharedcompute.operations.reductions.tally import Tally
from sharedcompute.operations.specs import Array, DType, State
from sharedcompute.rows import Rows

if TYPE_CHECKING:
    from sharedcompute.engines.fits.loop import Loop

Deliver = Callable[[int, int, Sequence[Any]], None]
"""Hands encoded chunks, of unit ... and result number ..., to the one writer of the output file."""


class Runner(Protocol):
    """Units of work in one thread, with its files and buffers."""

    def run(self, number: int) -> BlockDone:
        """Do unit `number`."""

    def take(self) -> StateTaken | None:
        """Hand over what the units since the last time came to, where that is not there already."""

    def finish(self) -> None:
        """Leave what the units since the last time came to."""

    def close(self) -> None:
        """Let go of files and buffers."""


class Work(Protocol):
    """Units that can be done in any order by any worker. It pickles."""

    @property
    def ordered(self) -> bool:
        """Whether what units deliver is stored in their order."""

    @property
    def taken(self) -> bool:
        """Whether a unit counts as done only once its state is taken over from its worker."""

    @property
    def side_by_side(self) -> bool:
        """Whether a process may do several units at a time, each in a thread of its own."""

    def __len__(self) -> int:
        """How many units there are."""

    def rows(self, number: int) -> Rows:
        """The rows of a unit."""

    def nbytes(self, number: int) -> int:
        """The bytes of a unit, as its event tells them."""

    def warm_up(self) -> None:
        """Compile here what all workers will need: they then find it in numba's cache."""

    def open(self, rank: int, deliver: Deliver) -> Runner:
        """Get ready to do units in this thread, as number `rank` of all threads that do."""

    @property
    def reduced(self) -> Sequence[tuple[Tally, State]]:
        """What units are reduced to: the states that this process knows of."""

    def fold(self, states: Sequence[State]) -> None:
        """Add what was taken over from a worker."""

    def combine(self, rank: int, size: int) -> None:
        """Do this process's share of what is to be done once all units are."""

    def left(self) -> int | None:
        """The checksum of a sample of what all units left in memory; None where that is nothing.

        The same before and after `combine`.
        """


class LastingWork(Work, Protocol):
    """Units that are noted as they are done, and found again by a later run."""

    @property
    def sparse(self) -> bool:
        """Whether a unit may leave out chunks that nobody ever wrote to."""

    def box(self, number: int) -> tuple[slice, ...]:
        """What a unit is of the source; axes that are not told belong to it as a whole."""


TAKE_SECONDS = 1.0
"""How often what is done is made to last: what came after the last time is lost in a death."""


def warm_up_coding(source: Any, *targets: Any) -> None:
    """Compile here what workers will code chunks with: N workers compile nothing then.

    Each that compiled took 45 MB for it.
    """
    decode.warm_up(getattr(source, "filters", ()))
    for part in getattr(source, "parts", ()):
        if part.unpacking is not None:
            part.unpacking.of(np.empty((0, *part.source_shape[1:]), part.source.dtype))
    for target in targets:
        encode.warm_up(getattr(target, "filters", ()))


def undeliverable(_unit: int, _number: int, _chunks: Sequence[Any]) -> None:
    """Stands in where nothing is delivered: arrays in memory give no chunks."""
    raise AssertionError("arrays in memory give no chunks")


class Engine(Protocol):
    """Runs units of work."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def workers(self) -> int:
        """How many processes do units."""

    @property
    def threads(self) -> int:
        """How many units each does at a time, where they can stand side by side."""

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """An array that whoever runs blocks can write to."""

    def share(self, array: Array) -> Array:
        """An array in a form that reaches whoever runs blocks at little cost."""

    def reach(self, source: Any) -> Any:
        """The source in a form that whoever runs blocks can open."""

    def run(
        self, work: Work, deliver: Deliver, listen: Listener, left: Sequence[int] | None = None
    ) -> None:
        """Do all units, or those that are `left`, in any order; then what is to do after all."""

    def iterate(self, loop: Loop, again: Callable[[], None], listen: Listener) -> None:
        """Do the rounds of a fit; `again` makes its first model where it cannot be gone on with."""
