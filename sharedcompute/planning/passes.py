"""A pass over all rows, as plain data that pickles.

A pass is a small program over values. The first values are the rows of its feeds, each read once;
every step is one kernel call that gives further ones. They run on a strip of rows while it is in
cache, and the rows of some values are stored or reduced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from sharedcompute.graph.ports import Sink, Source
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.reductions.tally import Tally, tallies
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.operations.stages import Stage, is_ours
from sharedcompute.planning.grouped import Grouped
from sharedcompute.planning.planned import Computed, Held, PlannedSink, ToMemory
from sharedcompute.rows import Blocks


@dataclass(frozen=True)
class Operand:
    """What a kernel gets beside rows: a value, or what an earlier phase computes.

    Parameters
    ----------
    value : object
        A number or an array.
    key : str
        Of the node whose value it is; empty where the value is there.
    per_block : bool
        The value has an entry for each block, which the kernel updates from strip to strip: a
        scan's carry.
    """

    value: Any = None
    key: str = ""
    per_block: bool = False


@dataclass(frozen=True)
class Step:
    """One kernel call: ``kernel(*rows, *results, *operands)``.

    Parameters
    ----------
    stage : Stage
        Its arguments are the operands.
    inputs : tuple of int
        The values that it takes row by row.
    operands : tuple of Operand
    result : int
        The number of its first result.
    specs : tuple of ArraySpec
        Of its results.
    """

    stage: Stage
    inputs: tuple[int, ...]
    operands: tuple[Operand, ...]
    result: int
    specs: tuple[ArraySpec, ...]


@dataclass(frozen=True)
class Store:
    """The rows of a value go to `sink`.

    Parameters
    ----------
    value : int
    sink : Sink, DatasetSink, ToMemory or Held
        In a plan what is to be made, in its run what workers open.
    step : int or None
        Which step of the job has this result.
    key : str
        Of the node whose value it is, where later passes read it.
    name : str
        Of a reduction among those of its step; else empty.
    group : int
        Rows of the sink for each row of the value: they are groups of rows.
    """

    value: int
    sink: Sink | PlannedSink
    step: int | None = None
    key: str = ""
    name: str = ""
    group: int = 1

    @property
    def target(self) -> Sink:
        """The sink as workers open it."""
        assert not isinstance(self.sink, DatasetSink | ToMemory | Held)
        return self.sink


@dataclass(frozen=True)
class ReductionOutput:
    """The rows of a value are reduced.

    Parameters
    ----------
    value : int
    reduction : Reduction
    key : str
        Of the node whose value it is.
    exact : bool
        Kernels of later passes take the result, in full precision.
    """

    value: int
    reduction: Reduction
    key: str
    exact: bool = False


@dataclass(frozen=True)
class GatherOutput:
    """Any number of rows that a kernel returns for rows: they are put together in order.

    Parameters
    ----------
    step : Step
        Its results are no values of the pass.
    keys : tuple of str
        Of the nodes that are its results; empty for one that nobody wants.
    """

    step: Step
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """The rows and the bytes that a phase reads."""

    rows: int
    nbytes: int

    @classmethod
    def of(cls, spec: ArraySpec) -> Reading:
        """Return all of an array."""
        return cls(spec.rows, spec.nbytes)


Values = Mapping[str, Array]
"""What earlier phases have computed, by the keys of nodes."""


@dataclass(frozen=True)
class Pass:
    """One reading of all rows.

    Parameters
    ----------
    feeds : tuple of Source
        All have the same number of rows.
    steps : tuple of Step
        In an order in which they can run.
    stores : tuple of Store
    reductions : tuple of ReductionOutput
    blocks : Blocks
        What a worker takes at a time, and the leaves of the reductions' tree.
    strip : int
        Rows that run through the steps at a time: few enough to stay in cache.
    purpose : str
        For people.
    section : str
        Of the journal, which notes the blocks that are done.
    gathers : tuple of GatherOutput
    """

    feeds: tuple[Source, ...]
    steps: tuple[Step, ...]
    stores: tuple[Store, ...]
    reductions: tuple[ReductionOutput, ...]
    blocks: Blocks
    strip: int
    purpose: str
    section: str = ""
    gathers: tuple[GatherOutput, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: all that follows from it is found again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def rows(self) -> int:
        """The rows of each feed."""
        return self.blocks.n

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of one row of all feeds together."""
        return sum(self.spec(value).row_bytes for value in range(len(self.feeds)))

    @property
    def reads(self) -> Reading:
        """What it reads, of all feeds together."""
        return Reading(self.rows, self.rows * self.row_bytes)

    @property
    def lasts(self) -> bool:
        """Whether a block is done for good: what is held until all rows are there is not.

        Nor is what a pass keeps in memory for later ones, or gathers there.
        """
        held = any(isinstance(store.sink, Held | ToMemory) for store in self.stores)
        return not held and not self.gathers

    @cached_property
    def specs(self) -> tuple[ArraySpec, ...]:
        """Shape and dtype of each value."""
        feeds = (ArraySpec(feed.shape, feed.dtype) for feed in self.feeds)
        return (*feeds, *(spec for step in self.steps for spec in step.specs))

    def spec(self, value: int) -> ArraySpec:
        """Return shape and dtype of a value."""
        return self.specs[value]

    def stored(self, store: Store) -> ArraySpec:
        """Return shape and dtype of what a store keeps."""
        spec = self.specs[store.value]
        if store.group == 1:
            return spec
        groups, size, *row = spec.shape
        return ArraySpec((groups * size, *row), spec.dtype)

    @cached_property
    def unit(self) -> int:
        """Rows of the input for each row of the pass: more than one where they are groups."""
        return max((feed.size for feed in self.feeds if isinstance(feed, Grouped)), default=1)

    @cached_property
    def made_by(self) -> Mapping[int, Step]:
        """The step that gives each value which is not a feed."""
        return {step.result + i: step for step in self.steps for i in range(len(step.specs))}

    @cached_property
    def halos(self) -> tuple[int, ...]:
        """Rows of each value that are needed on each side of a strip: the most of its users."""
        halos = [0] * len(self.specs)
        for step in (gather.step for gather in self.gathers):
            for value in step.inputs:
                halos[value] = max(halos[value], step.stage.halo)
        for step in reversed(self.steps):
            made = slice(step.result, step.result + len(step.specs))
            around = max(halos[made])
            # One call gives the same rows of all its results.
            halos[made] = [around] * len(step.specs)
            for value in step.inputs:
                halos[value] = max(halos[value], around + step.stage.reach)
        return tuple(halos)

    @cached_property
    def tallies(self) -> tuple[tuple[int, Tally], ...]:
        """The partials to compute, each with the value that it reduces."""
        values = sorted({output.value for output in self.reductions})
        return tuple((v, t) for v in values for t in tallies(self._reductions_of(v)))

    def _reductions_of(self, value: int) -> tuple[Reduction, ...]:
        return tuple(o.reduction for o in self.reductions if o.value == value)

    @property
    def side_by_side(self) -> bool:
        """Whether threads of one process may run blocks of it at the same time.

        A user's kernel has a worker's threads for itself: numba's own, of ``parallel=True``, end
        the process where two threads enter them (its workqueue layer).
        """
        partials = (tally.partial.kernel for _, tally in self.tallies)
        return all(map(is_ours, (*(step.stage.kernel for step in self.calls), *partials)))

    def threads(self, each: int) -> int:
        """Return how many blocks a process runs at a time that has so many threads."""
        return each if self.side_by_side else 1

    def block_nbytes(self, number: int) -> int:
        """Return the bytes of a block in the feeds."""
        return self.blocks[number].size * self.row_bytes

    @property
    def wanted(self) -> tuple[str, ...]:
        """The keys of what its kernels and feeds take of earlier phases."""
        operands = (o.key for step in self.calls for o in step.operands if o.key)
        feeds = (feed.key for feed in self.feeds if isinstance(feed, Computed))
        return tuple(dict.fromkeys((*operands, *feeds)))

    @property
    def calls(self) -> tuple[Step, ...]:
        """The steps, and those that gather rows."""
        return (*self.steps, *(gather.step for gather in self.gathers))

    def bind(self, values: Values) -> Pass:
        """Put what earlier phases have computed in its place."""

        def bound(operand: Operand) -> Operand:
            return replace(operand, value=values[operand.key], key="") if operand.key else operand

        def with_values(step: Step) -> Step:
            return replace(step, operands=tuple(map(bound, step.operands)))

        steps = tuple(map(with_values, self.steps))
        gathers = tuple(replace(g, step=with_values(g.step)) for g in self.gathers)
        return replace(self, steps=steps, gathers=gathers)
