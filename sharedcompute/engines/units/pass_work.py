"""The blocks of a pass as units of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from sharedcompute.engines.alone import Alone
from sharedcompute.engines.engine import Deliver, Engine, Left, Party
from sharedcompute.engines.units.arrived import crc_of, sample
from sharedcompute.engines.units.block import BlockRunner
from sharedcompute.engines.units.gather import Gathered, together
from sharedcompute.engines.units.ports import state_ports
from sharedcompute.engines.units.warm_up import warm_up, warm_up_coding
from sharedcompute.events import Listener
from sharedcompute.hdf5.writing.chunked import ChunkTarget
from sharedcompute.operations.reductions.tally import CACHED, Tally
from sharedcompute.operations.specs import Array, State
from sharedcompute.planning.grouped import plain
from sharedcompute.planning.in_memory import ArraySink, expect_reachable
from sharedcompute.planning.passes import Pass
from sharedcompute.rows import Rows
from sharedcompute.system import faults

TILE = CACHED
"""Columns that one rank combines at a time."""


@dataclass(frozen=True)
class PassWork:
    """The blocks of a pass.

    Parameters
    ----------
    work : Pass
        With all arguments bound.
    states : sequence of State or None
        One for each of the pass's tallies, fields of shape (slots, width); None where they lie in
        another process, and units return theirs.
    gathered : dict of int to (tuple of Gathered)
        What blocks have left of any number of rows: here alone, it does not travel.
    """

    work: Pass
    states: Sequence[State] | None
    gathered: dict[int, tuple[Gathered, ...]] = field(default_factory=dict)

    @property
    def ordered(self) -> bool:
        """Chunks are stored in the order of their blocks."""
        return any(isinstance(store.sink, ChunkTarget) for store in self.work.stores)

    @property
    def taken(self) -> bool:
        """True if some state belongs to a worker: blocks are done once it is taken over."""
        return any(tally.exact for _, tally in self.work.tallies)

    @property
    def reduced(self) -> Sequence[tuple[Tally, State]]:
        """The tallies, with their states."""
        states = self.states or ()
        return [(t, s) for (_, t), s in zip(self.work.tallies, states, strict=True)]

    def detached(self) -> Self:
        """Return the pass without the arrays of its states and results."""
        keeps = tuple(
            replace(keep, sink=keep.sink.detached()) if isinstance(keep.sink, ArraySink) else keep
            for keep in self.work.stores
        )
        return replace(self, work=replace(self.work, stores=keeps), states=None)

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels."""
        for state in self.states or ():
            for array in state.values():
                expect_reachable(array)
        return {**vars(self), "gathered": {}}

    def accept(self, left: Left) -> None:
        """Put rows and states of a block that travelled in their places."""
        block = left.event.block
        if left.gathered:
            self.gathered[block] = left.gathered
        for which, (keep, rows) in enumerate(zip(self.work.stores, left.rows, strict=False)):
            if rows is not None and isinstance(keep.sink, ArraySink):
                keep.sink.open().begin(self.box(block, which))[...] = rows
        for mine, theirs in zip(self.states or (), left.states, strict=False):
            for name, values in (theirs or {}).items():
                mine[name][block] = values

    def rows_gathered(self, number: int, result: int) -> Array:
        """Return the rows of all blocks that a kernel has given, for one of its results."""
        spec = self.work.gathers[number].step.specs[result]
        return together([self.gathered[b][number][result] for b in sorted(self.gathered)], spec)

    def fold(self, states: Sequence[State]) -> None:
        """Add what was taken over from a worker."""
        exact = [(tally, mine) for tally, mine in self.reduced if tally.exact]
        for (tally, mine), state in zip(exact, states, strict=True):
            tally.fold(mine, state)

    @property
    def side_by_side(self) -> bool:
        """True if all kernels are ours."""
        return self.work.side_by_side

    def __len__(self) -> int:
        return len(self.work.blocks)

    def rows(self, number: int) -> Rows:
        """Return the rows of a block, as the input has them."""
        start, stop = self.work.blocks[number]
        return Rows(start * self.work.unit, stop * self.work.unit)

    sparse = False

    def box(self, number: int, which: int = 0) -> tuple[slice, ...]:
        """Return the rows of a block in one of the results, with all their columns."""
        start, stop = self.work.blocks[number]
        group = self.work.stores[which].group if self.work.stores else 1
        return (slice(start * group, stop * group),)

    def nbytes(self, number: int) -> int:
        """Return the bytes of a block in the source."""
        return self.work.block_nbytes(number)

    def warm_up(self) -> None:
        """Compile the kernels of the pass."""
        for feed in self.work.feeds:
            warm_up_coding(plain(feed), *(store.sink for store in self.work.stores))
        warm_up(self.work)

    def open(self, rank: int, deliver: Deliver) -> BlockRunner:
        """Open source and sinks."""
        return BlockRunner(self.work, state_ports(self.work, self.states, rank), deliver, rank)

    def left(self) -> int | None:
        """Return the checksum of the states. Rows have checksums of their own, block by block."""
        # But for the total, and for the slot that the parent adds to meanwhile.
        own = [s[: -2 if t.exact else -1] for t, state in self.reduced for s in state.values()]
        return crc_of(part for s in own for part in sample(s)) if own else None


@dataclass(frozen=True)
class CombineStates:
    """A program: the states of all blocks, or of all workers, are combined in their fixed tree.

    Parameters
    ----------
    work : PassWork
        All of whose units are done.
    """

    work: PassWork

    def warm_up(self) -> None:
        """Compile nothing: the blocks have called it."""

    def run(self, party: Party) -> None:
        """Combine the columns that fall to one rank."""
        if party.size > 1:
            faults.point("combine")
        for tally, state in self.work.reduced:
            tally.combine_slots(state, party.rank, party.size)

    def left(self) -> int | None:
        """Return None: the states that are combined stay as they are, and were compared before."""
        return None


def combine(work: PassWork, engine: Engine, listen: Listener) -> None:
    """Combine the states of a pass whose units are all done."""
    columns = [tally.columns for tally, _ in work.reduced if not tally.running]
    if not columns:
        return
    program = CombineStates(work)
    if max(columns) <= TILE:
        # All columns fall to one rank: to ask the others took half as long as a small reduction.
        program.run(Alone(1, listen))
    else:
        engine.together(program, listen)
