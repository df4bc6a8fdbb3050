"""Places for rows that exist only while a plan runs: named in the plan, made by whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

from sharedcompute.graph.node import Node
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.specs import ArraySpec, DType

Into = Literal["memory", "file"]
"""Memory that all workers share (private for the serial engine), or a file without a name."""

Stripe = tuple[int, int]
"""A range of axis 1."""


def everything(source: DatasetSource) -> Stripe:
    """Return all of axis 1, as one stripe."""
    return (0, source.shape[1] if source.ndim > 1 else 0)


def stripe_shape(source: DatasetSource, stripe: Stripe) -> tuple[int, ...]:
    """Return the shape of a range of axis 1; of all where there is no such axis."""
    return (source.shape[0], stripe[1] - stripe[0], *source.shape[2:])[: source.ndim]


def stripe_corner(source: DatasetSource, stripe: Stripe) -> tuple[int, ...]:
    """Return where a range of axis 1 begins."""
    return (0, stripe[0], *(0 for _ in source.shape[2:]))[: source.ndim]


@dataclass(frozen=True)
class Decoded:
    """The rows of a stripe once a phase has decoded all their chunks."""

    source: DatasetSource
    stripe: Stripe

    row_alignment: int = 1
    read_path: str = "memory"
    reason: str = "all chunks are decoded first"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the stripe."""
        return stripe_shape(self.source, self.stripe)

    @property
    def dtype(self) -> DType:
        """Of the source."""
        return self.source.dtype

    def scratch_nbytes(self, rows: int) -> int:
        """Return 0: rows are views."""
        return 0 * rows

    def open(self) -> NoReturn:
        """Refuse: nothing is decoded yet."""
        raise AssertionError("decoded when the plan is run")


@dataclass(frozen=True)
class Computed:
    """The rows of an array that earlier phases compute as a whole.

    Parameters
    ----------
    key : str
        Of its node.
    spec : ArraySpec
    """

    key: str
    spec: ArraySpec

    row_alignment: int = 1
    read_path: str = "memory"
    reason: str = "computed before"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        return self.spec.shape

    @property
    def dtype(self) -> DType:
        """Of the array."""
        return self.spec.dtype

    def scratch_nbytes(self, rows: int) -> int:
        """Return 0: rows are views."""
        return 0 * rows

    def open(self) -> NoReturn:
        """Refuse: nothing is computed yet."""
        raise AssertionError("computed when the plan is run")


@dataclass(frozen=True)
class Expression:
    """The rows of an expression as what a job begins with: they are computed as it runs."""

    node: Node

    row_alignment: int = 1
    read_path: str = "expression"
    reason: str = "computed from what it reads"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        return self.node.spec.shape

    @property
    def dtype(self) -> DType:
        """Of the result."""
        return self.node.spec.dtype

    def scratch_nbytes(self, rows: int) -> int:
        """Return 0: a pass counts its values itself."""
        return 0 * rows

    def open(self) -> NoReturn:
        """Refuse: passes open what it reads."""
        raise AssertionError("an expression is lowered to a pass")


@dataclass(frozen=True)
class ToMemory:
    """A result that is an array in memory, allocated when the plan is run."""

    spec: ArraySpec


@dataclass(frozen=True)
class Held:
    """A result that is held until all its rows are there, and encoded then.

    Parameters
    ----------
    into : {"memory", "file"}
    spec : ArraySpec
    sink : DatasetSink
        Where the rows go in the end.
    """

    into: Into
    spec: ArraySpec
    sink: DatasetSink


PlannedSink = DatasetSink | ToMemory | Held
"""What a plan names and only its run makes."""
