"""A pass over all rows, as plain data that pickles.

The source is read once, a chain of stages runs on each block while it is in cache, and what the
chain gives at some depths is kept or reduced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.reductions.tally import Tally, tallies
from sharedcompute.operations.specs import Array, ArraySpec, DType
from sharedcompute.operations.stages import Carry, FromModel, Needed, Stage, is_ours
from sharedcompute.rows import Blocks


class Reader(Protocol):
    """An open source."""

    def read(self, start: int, stop: int) -> Array:
        """Rows, read-only and C-contiguous, valid until the next read."""

    def close(self) -> None:
        """Let go of files."""


class Source(Protocol):
    """Rows in: plain data that any process can open."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""

    @property
    def dtype(self) -> DType:
        """Native byte order."""

    @property
    def row_alignment(self) -> int:
        """Rows that are stored together."""

    @property
    def read_path(self) -> str:
        """How rows are read: ``mmap``, ``h5py``, ``memory``."""

    @property
    def reason(self) -> str:
        """Why they are read so, for a person."""

    def scratch_nbytes(self, rows: int) -> int:
        """Private memory that a reader takes for `rows` rows."""

    def open(self) -> Reader:
        """Open it in this process."""


class Writer(Protocol):
    """An open sink."""

    def write(self, start: int, rows: Array) -> Sequence[Any]:
        """Keep rows from row `start` on; what it returns is for the one writer of the file."""

    def close(self) -> None:
        """Let go of files."""


class Sink(Protocol):
    """Rows out: plain data that any process can open."""

    @property
    def row_alignment(self) -> int:
        """Strips begin at multiples of it."""

    def open(self) -> Writer:
        """Open it in this process."""


@dataclass(frozen=True)
class Store:
    """Rows after the first `depth` stages go to `sink`."""

    depth: int
    sink: Sink


@dataclass(frozen=True)
class ReductionOutput:
    """Rows after the first `depth` stages are reduced."""

    depth: int
    reduction: Reduction


BoundValues = Mapping[tuple[int, Needed | Carry | FromModel], Array]
"""What earlier passes worked out for the arguments of a stage, by the stage's index."""


@dataclass(frozen=True)
class Pass:
    """One reading of all rows.

    Parameters
    ----------
    source : Source
    stages : tuple of Stage
        A chain: each takes the rows that the one before gives.
    keeps : tuple of Store
    observes : tuple of ReductionOutput
    blocks : Blocks
        What a worker takes at a time, and the leaves of the reductions' tree.
    strip : int
        Rows that run through the chain at a time: few enough to stay in cache.
    purpose : str
        For people.
    """

    source: Source
    stages: tuple[Stage, ...]
    keeps: tuple[Store, ...]
    observes: tuple[ReductionOutput, ...]
    blocks: Blocks
    strip: int
    purpose: str

    def spec(self, depth: int) -> ArraySpec:
        """Shape and dtype after the first `depth` stages."""
        return spec_after(self.source, self.stages, depth)

    @property
    def tallies(self) -> tuple[tuple[int, Tally], ...]:
        """The partials to compute, each with the depth at which it looks."""
        depths = sorted({o.depth for o in self.observes})
        return tuple((d, t) for d in depths for t in tallies(self.reductions(d)))

    def reductions(self, depth: int) -> tuple[Reduction, ...]:
        """The reductions at one depth."""
        return tuple(o.reduction for o in self.observes if o.depth == depth)

    @property
    def side_by_side(self) -> bool:
        """Whether threads of one process may run blocks of it at the same time.

        A user's kernel has a worker's threads for itself: numba's own, of ``parallel=True``, end
        the process where two threads enter them (its workqueue layer).
        """
        partials = (tally.partial.kernel for _, tally in self.tallies)
        return all(map(is_ours, (*(stage.kernel for stage in self.stages), *partials)))

    def threads(self, each: int) -> int:
        """How many blocks of it a process runs at a time that has so many threads."""
        return each if self.side_by_side else 1

    def block_nbytes(self, number: int) -> int:
        """The bytes of a block in the source."""
        return self.blocks[number].size * self.spec(0).row_bytes

    def bind(self, values: BoundValues) -> Pass:
        """The same pass with what earlier passes worked out in its stages' arguments."""
        return replace(
            self,
            stages=tuple(
                replace(s, args=tuple(_value(values, i, a) for a in s.args))
                for i, s in enumerate(self.stages)
            ),
        )


def spec_after(source: Source | ArraySpec, stages: Sequence[Stage], depth: int) -> ArraySpec:
    """Shape and dtype of the source after the first `depth` stages."""
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
    """What has to be worked out before these stages can run, by stage."""
    return tuple(
        (i, a) for i, s in enumerate(stages) for a in s.args if isinstance(a, Needed | Carry)
    )


def fitted(stages: tuple[Stage, ...]) -> tuple[tuple[int, FromModel], ...]:
    """What of a fit's model these stages take, by stage."""
    return tuple((i, a) for i, s in enumerate(stages) for a in s.args if isinstance(a, FromModel))
