"""A job: a source, steps one after the other, and where results go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import normal_path
from sharedcompute.hdf5.format.packing import Packing
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.declarations import Map, Operation, Reduce, Scan
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.reductions.reduction import Reduction, normal_axes
from sharedcompute.operations.rowwise.unpacking import as_asked
from sharedcompute.operations.specs import Array
from sharedcompute.planning.output import OutputSpec

AXES: Mapping[str, tuple[int, ...] | None] = {"rows": (0,), "all": None}
Axis = str | int | Sequence[int] | None
"""Whole numbers as in NumPy, or their text; ``rows`` for 0, ``all`` or None for all of them."""


@dataclass(frozen=True)
class MapStep:
    """A step that gives one row for each row: a map, a stencil or a scan.

    Parameters
    ----------
    operation : Map or Scan
    params : mapping
        Bound: every parameter has its value.
    save : str or None
        Path of the dataset that keeps the result, within the output; None where only later steps
        want it.
    given : mapping
        The parameters that the user gave, for the record.
    """

    operation: Map | Scan
    params: Mapping[str, Any]
    save: str | None
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReduceStep:
    """A step that reduces the rows at this point of the chain; the chain goes on unchanged.

    Parameters
    ----------
    operations : tuple of (Reduce, params)
    axis : tuple of int or None
        As NumPy has it; None for all.
    keepdims : bool
        Results have the axes that are reduced, of length 1.
    save : str or None
        Path of the group that keeps the results, a dataset each; None where they are only returned.
    """

    operations: tuple[tuple[Reduce, Mapping[str, Any]], ...]
    axis: tuple[int, ...] | None
    save: str | None
    given: Mapping[str, Any] = field(default_factory=dict)
    keepdims: bool = False

    @property
    def chosen(self) -> Mapping[str, Node]:
        """What says which elements take part, or how much each counts, by keyword."""
        return {}

    def nodes(self, rows: Node) -> tuple[Node, ...]:
        """Return the nodes of the results, in the order of the reductions."""
        spec, found = rows.spec, []
        axes = normal_axes(self.axis, len(spec.shape))
        for operation, params in self.operations:
            Reduction(operation, params, spec, axes).check()
            found.append(build.reduced(operation, params, rows, axes, keepdims=self.keepdims))
        return tuple(found)


@dataclass(frozen=True)
class FitStep:
    """A step that iterates over the rows at this point of the chain. It is the last one.

    Parameters
    ----------
    save : str or None
        Path of the group that keeps the results, a dataset each; None where they are only returned.
    """

    operation: Iterative
    params: Mapping[str, Any]
    save: str | None
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExpressionStep:
    """A step that goes on with an expression, whatever the steps before it gave.

    Parameters
    ----------
    node : Node
    save : str or None
        Path of the dataset that keeps the result; None where it is only returned.
    text : str
        The expression, for people and for the record.
    name : str
        What the user calls it; may be empty.
    names : mapping of str to str
        What the text calls arrays, by the keys of their nodes.
    wanted : bool
        Whether it is a result; else only later steps see its rows.
    """

    node: Node
    save: str | None
    text: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    wanted: bool = True

    @property
    def called(self) -> str:
        """Its name, or the expression where it has none."""
        return self.name or self.text


@dataclass(frozen=True)
class MapCall:
    """A map of several inputs or results, which are steps of their own.

    Parameters
    ----------
    operation : Map
    params : mapping
        Bound: every parameter has its value.
    sources : tuple of Source
        The inputs; none where it takes the rows that the steps before it gave.
    given : mapping
        The parameters that the user gave, for the record.
    """

    operation: Map
    params: Mapping[str, Any]
    sources: tuple[Source, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultStep:
    """A step that is one result of a call.

    Parameters
    ----------
    call : MapCall
        The same one for all of its results.
    result : int
    save : str or None
        Path of the dataset that keeps the result; None where it is only returned.
    """

    call: MapCall
    result: int
    save: str | None

    @property
    def given(self) -> Mapping[str, Any]:
        """The parameters that the user gave, for the record."""
        return self.call.given


Step = MapStep | ReduceStep | FitStep | ExpressionStep | ResultStep


@dataclass(frozen=True)
class Job:
    """A source, the steps to take, and where the results go.

    Parameters
    ----------
    output : OutputSpec or None
        None: results are arrays in memory.
    into : ndarray or None
        An array in memory that takes the rows of the last step.
    decode_cf : bool
        Unpack the numbers of datasets as their CF attributes say.
    allow_external : bool
        Arrays that parameters name may lie in other folders than that of the file named.
    scripts : tuple of str
        The files that say what the job is.
    """

    source: Source | None
    steps: tuple[Step, ...]
    output: OutputSpec | None = None
    into: Array | None = None
    decode_cf: bool = False
    allow_external: bool = False
    scripts: tuple[str, ...] = ()

    @property
    def packing(self) -> Packing | None:
        """How the rows of the source are unpacked; None where they are taken as they stand."""
        source = self.source
        return source.packing if self.decode_cf and isinstance(source, DatasetSource) else None

    def expression(self, number: int) -> ExpressionStep | None:
        """Return the expression that a step goes on from, or is; None where there is none."""
        steps = reversed(self.steps[: number + 1])
        return next((step for step in steps if isinstance(step, ExpressionStep)), None)

    @property
    def fitted(self) -> tuple[str, ...]:
        """The paths of the datasets that a fit puts into the output."""
        return tuple(p for step in self.steps if isinstance(step, FitStep) for p in saved(step))

    def __post_init__(self) -> None:
        if isinstance(self.source, DatasetSource):
            object.__setattr__(self, "source", as_asked(self.source, self.decode_cf))
        taken: list[str] = []
        for path in (p for step in self.steps for p in saved(step)):
            if path == "/":
                raise InputError("expected a dataset's path for a result, got /: name one")
            for other in taken:
                if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                    raise InputError(
                        f"expected results that do not stand in each other's way, got {other} "
                        f"and {path}: save one under another name"
                    )
            taken.append(path)


def operations_of(step: Step) -> list[tuple[Operation | Iterative, Mapping[str, Any]]]:
    """Return the operations of a step, with their parameters."""
    if isinstance(step, ExpressionStep):
        return []
    if isinstance(step, ReduceStep):
        return list(step.operations)
    if isinstance(step, ResultStep):
        return [(step.call.operation, step.call.params)]
    return [(step.operation, step.params)]


def saved(step: Step) -> list[str]:
    """Return the paths of the datasets that a step puts into the output."""
    if step.save is None:
        return []
    if isinstance(step, ReduceStep):
        return [normal_path(f"{step.save}/{op.name}") for op, _ in step.operations]
    if isinstance(step, FitStep):
        return [normal_path(f"{step.save}/{name}") for name in step.operation.saved]
    return [normal_path(step.save)]


def transform(operation: Operation, given: Mapping[str, Any], save: str | None) -> MapStep:
    """Return a step of a map, stencil or scan."""
    if isinstance(operation, Reduce | Iterative):
        kind = operation.kind
        raise InputError(f"{operation.name} is a {kind}, expected a map, stencil or scan")
    params = bind(operation.name, operation.parameters, given)
    return MapStep(operation, params, save, {name: params[name] for name in given})


def calling(
    operation: Map,
    given: Mapping[str, Any],
    sources: tuple[Source, ...],
    saves: Sequence[str | None],
) -> tuple[ResultStep, ...]:
    """Return the steps of the results of a map, each with its place."""
    params = bind(operation.name, operation.parameters, given)
    call = MapCall(operation, params, sources, {name: params[name] for name in given})
    return tuple(ResultStep(call, result, save) for result, save in enumerate(saves))


def fitting(operation: Iterative, given: Mapping[str, Any], save: str | None) -> FitStep:
    """Return a step of a fit."""
    params = bind(operation.name, operation.parameters, given)
    return FitStep(operation, params, save, {name: params[name] for name in given})


def as_axes(axis: Axis) -> tuple[int, ...] | None:
    """Return axes as they were given, in a tuple; None for all."""
    if axis is None or (isinstance(axis, str) and axis in AXES):
        return None if axis is None else AXES[axis]
    each: Any = axis.strip("()[] ").split(",") if isinstance(axis, str) else axis
    try:
        return tuple(map(_whole, (each,) if isinstance(each, Integral) else each))
    except (TypeError, ValueError):
        raise InputError(
            "axis: expected 'rows' (axis 0), 'all' (None), or whole numbers as -1 or 0,2, "
            f"got {axis!r}"
        ) from None


def _whole(axis: object) -> int:
    if isinstance(axis, str):
        return int(axis)
    if isinstance(axis, Integral) and not isinstance(axis, bool):
        return int(axis)
    raise TypeError


def axis_text(axis: tuple[int, ...] | None) -> str:
    """Return axes as a command has them."""
    words = {axes: word for word, axes in AXES.items()}
    return words[axis] if axis in words else ",".join(map(str, axis or ()))


def summary(
    operations: tuple[Operation, ...],
    given: Mapping[str, Any],
    axis: Axis,
    save: str | None,
    *,
    keepdims: bool = False,
) -> ReduceStep:
    """Return a step of reductions that share the parameters they have in common.

    Each parameter must belong to one of them at least.
    """
    axes = as_axes(axis)
    reductions = []
    known = {p.name for op in operations for p in op.parameters}
    for op in operations:
        if not isinstance(op, Reduce):
            raise InputError(f"{op.name} is a {op.kind}, expected a reduce: use `map` for it")
        own = {p.name for p in op.parameters}
        # A name that none of them knows is refused by the first one, with the nearest name.
        meant = {k: v for k, v in given.items() if k in own or k not in known}
        reductions.append((op, bind(op.name, op.parameters, meant)))
    names = [op.name for op in operations]
    if len(set(names)) != len(names):
        raise InputError(f"expected different reductions, got {', '.join(names)}: name each once")
    bound = {k: v for _, params in reductions for k, v in params.items() if k in given}
    kept = {"keepdims": True} if keepdims else {}
    record = {**bound, "axis": axis_text(axes), **kept}
    return ReduceStep(tuple(reductions), axes, save, record, keepdims)
