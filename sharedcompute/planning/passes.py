"""A pass over all rows, as plain data that pickles.

The source is read once, a chain of stages runs on each block while it is in cache, and the rows at
some depths of the chain are stored or reduced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sharedcompute.graph.ports import Sink, Source
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.reductions.tally import Tally, tallies
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.operations.stages import Carry, FromModel, Needed, Stage, is_ours
from sharedcompute.planning.planned import Held, PlannedSink, ToMemory
from sharedcompute.rows import Blocks


@dataclass(frozen=True)
class Store:
    """Rows after the first `depth` stages go to `sink`.

    Parameters
    ----------
    depth : int
    sink : Sink, DatasetSink, ToMemory or Held
        In a plan what is to be made, in its run what workers open.
    step : int or None
        Which step of the job has this result.
    """

    depth: int
    sink: Sink | PlannedSink
    step: int | None = None

    @property
    def target(self) -> Sink:
        """The sink as workers open it."""
        assert not isinstance(self.sink, DatasetSink | ToMemory | Held)
        return self.sink


@dataclass(frozen=True)
class ReductionOutput:
    """Rows after the first `depth` stages are reduced.

    Parameters
    ----------
    depth : int
    reduction : Reduction
    argument : Needed, Carry or None
        Which argument of stage `depth` the result is, in passes after this one.
    step : int or None
        Which step of the job has this result.
    sink : DatasetSink or None
        Where it is saved.
    """

    depth: int
    reduction: Reduction
    argument: Needed | Carry | None = None
    step: int | None = None
    sink: DatasetSink | None = None


BoundValues = Mapping[tuple[int, Needed | Carry | FromModel], Array]
"""What earlier phases have computed for the arguments of a stage, by the stage's index."""


@dataclass(frozen=True)
class Pass:
    """One reading of all rows.

    Parameters
    ----------
    source : Source
    stages : tuple of Stage
        A chain: each takes the rows that the one before gives.
    stores : tuple of Store
    reductions : tuple of ReductionOutput
    blocks : Blocks
        What a worker takes at a time, and the leaves of the reductions' tree.
    strip : int
        Rows that run through the chain at a time: few enough to stay in cache.
    purpose : str
        For people.
    section : str
        Of the journal, which notes the blocks that are done.
    """

    source: Source
    stages: tuple[Stage, ...]
    stores: tuple[Store, ...]
    reductions: tuple[ReductionOutput, ...]
    blocks: Blocks
    strip: int
    purpose: str
    section: str = ""

    @property
    def reads(self) -> ArraySpec:
        """Shape and dtype of the source."""
        return self.spec(0)

    @property
    def lasts(self) -> bool:
        """Whether a block is done for good: what is held until all rows are there is not."""
        return not any(isinstance(store.sink, Held) for store in self.stores)

    def spec(self, depth: int) -> ArraySpec:
        """Return shape and dtype after the first `depth` stages."""
        return spec_after(self.source, self.stages, depth)

    @property
    def tallies(self) -> tuple[tuple[int, Tally], ...]:
        """The partials to compute, each with the depth of the rows that it reduces."""
        depths = sorted({output.depth for output in self.reductions})
        return tuple((d, t) for d in depths for t in tallies(self._reductions_at(d)))

    def _reductions_at(self, depth: int) -> tuple[Reduction, ...]:
        return tuple(o.reduction for o in self.reductions if o.depth == depth)

    @property
    def side_by_side(self) -> bool:
        """Whether threads of one process may run blocks of it at the same time.

        A user's kernel has a worker's threads for itself: numba's own, of ``parallel=True``, end
        the process where two threads enter them (its workqueue layer).
        """
        partials = (tally.partial.kernel for _, tally in self.tallies)
        return all(map(is_ours, (*(stage.kernel for stage in self.stages), *partials)))

    def threads(self, each: int) -> int:
        """Return how many blocks a process runs at a time that has so many threads."""
        return each if self.side_by_side else 1

    def block_nbytes(self, number: int) -> int:
        """Return the bytes of a block in the source."""
        return self.blocks[number].size * self.spec(0).row_bytes

    def bind(self, values: BoundValues) -> Pass:
        """Put what earlier phases have computed into the arguments of the stages."""
        return replace(
            self,
            stages=tuple(
                replace(s, args=tuple(_value(values, i, a) for a in s.args))
                for i, s in enumerate(self.stages)
            ),
        )


def spec_after(source: Source | ArraySpec, stages: Sequence[Stage], depth: int) -> ArraySpec:
    """Return shape and dtype of the source after the first `depth` stages."""
    dtype = stages[depth - 1].dtype if depth else source.dtype
    shapes = [s.row_shape for s in stages[:depth] if s.row_shape is not None]
    row_shape = shapes[-1] if shapes else source.shape[1:]
    return ArraySpec((source.shape[0], *row_shape), dtype)


@dataclass(frozen=True)
class BlockCarry:
    """A scan's carry at the begin of each block, shape (blocks, columns)."""

    values: Array


def _value(values: BoundValues, stage: int, argument: Any) -> Any:
    if isinstance(argument, Needed | FromModel):
        return values[stage, argument]
    if isinstance(argument, Carry):
        return BlockCarry(values[stage, argument])
    return argument


def needs(stages: tuple[Stage, ...]) -> tuple[tuple[int, Needed | Carry], ...]:
    """Return the reductions that these stages need first, each with the index of its stage."""
    return tuple(
        (i, a) for i, s in enumerate(stages) for a in s.args if isinstance(a, Needed | Carry)
    )


def fitted(stages: tuple[Stage, ...]) -> tuple[tuple[int, FromModel], ...]:
    """Return what of a fit's model these stages take, each with the index of its stage."""
    return tuple((i, a) for i, s in enumerate(stages) for a in s.args if isinstance(a, FromModel))
