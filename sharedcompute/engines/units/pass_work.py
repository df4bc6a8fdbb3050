"""The blocks of a pass as units of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharedcompute.engines.units.arrived import crc_of, sample
from sharedcompute.engines.units.block import BlockRunner, accumulators
from sharedcompute.engines.units.warm_up import warm_up
from sharedcompute.engines.units.work import Deliver, warm_up_coding
from sharedcompute.hdf5.writing.chunked import ChunkTarget
from sharedcompute.operations.reductions.tally import Tally
from sharedcompute.operations.specs import State
from sharedcompute.plan.passes import Pass
from sharedcompute.rows import Rows


@dataclass(frozen=True)
class PassWork:
    """The blocks of a pass.

    Parameters
    ----------
    work : Pass
        With all arguments bound.
    states : list of State
        One for each of the pass's tallies, fields of shape (slots, width).
    """

    work: Pass
    states: list[State]

    @property
    def ordered(self) -> bool:
        """Chunks are stored in the order of their blocks."""
        return any(isinstance(store.sink, ChunkTarget) for store in self.work.stores)

    @property
    def taken(self) -> bool:
        """Where a state belongs to a worker, blocks are done once it is taken over."""
        return any(tally.exact for _, tally in self.work.tallies)

    @property
    def reduced(self) -> Sequence[tuple[Tally, State]]:
        """The tallies, with their states."""
        return [(t, s) for (_, t), s in zip(self.work.tallies, self.states, strict=True)]

    def fold(self, states: Sequence[State]) -> None:
        """Add what was taken over from a worker."""
        exact = [(tally, mine) for tally, mine in self.reduced if tally.exact]
        for (tally, mine), state in zip(exact, states, strict=True):
            tally.fold(mine, state)

    @property
    def side_by_side(self) -> bool:
        """Where all kernels are ours."""
        return self.work.side_by_side

    def __len__(self) -> int:
        return len(self.work.blocks)

    def rows(self, number: int) -> Rows:
        """The rows of a block."""
        return self.work.blocks[number]

    sparse = False

    def box(self, number: int) -> tuple[slice, ...]:
        """The rows of a block, with all their columns."""
        return (slice(*self.rows(number)),)

    def nbytes(self, number: int) -> int:
        """The bytes of a block in the source."""
        return self.work.block_nbytes(number)

    def warm_up(self) -> None:
        """Compile the kernels of the pass."""
        warm_up_coding(self.work.source, *(store.sink for store in self.work.stores))
        warm_up(self.work)

    def open(self, rank: int, deliver: Deliver) -> BlockRunner:
        """Open source and sinks."""
        return BlockRunner(self.work, accumulators(self.work, self.states, rank), deliver, rank)

    def combine(self, rank: int, size: int) -> None:
        """Combine the states of all blocks, or of all workers."""
        for tally, state in self.reduced:
            tally.combine_slots(state, rank, size)

    def left(self) -> int | None:
        """The checksum of the states. Kept rows have checksums of their own, block by block."""
        # But for the total, and for what the parent adds to meanwhile.
        own = [s[: -2 if t.exact else -1] for t, state in self.reduced for s in state.values()]
        return crc_of(part for s in own for part in sample(s)) if own else None
