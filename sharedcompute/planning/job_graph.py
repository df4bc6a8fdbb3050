"""From the steps of a job to a graph: the nodes whose values are its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Gather, Node, Rowwise, ordered, reads, unified
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_all
from sharedcompute.operations.declarations import Map, Operation, Scan
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.kinds import is_address
from sharedcompute.operations.rowwise.unpacking import as_asked, unpacked
from sharedcompute.operations.specs import Array
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.job import (
    ExpressionStep,
    FitStep,
    Job,
    MapStep,
    ReduceStep,
    ResultStep,
    Step,
)
from sharedcompute.planning.planned import Expression
from sharedcompute.planning.trial import tried


@dataclass(frozen=True)
class Wanted:
    """A result of a job.

    Parameters
    ----------
    step : int
    node : Node
    name : str
        Of a reduction among those of its step; else empty.
    """

    step: int
    node: Node
    name: str = ""


class JobGraph:
    """The graph of a job, made step by step.

    Attributes
    ----------
    given : list of DatasetSource
        The arrays that parameters name by their addresses.
    wanted : list of Wanted
        The results, in the order of the steps.
    fit : FitPart or None
    fitted : Node or None
        The rows that the fit sees.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.given: list[DatasetSource] = []
        self.wanted: list[Wanted] = []
        self.fit: FitPart | None = None
        self.fitted: Node | None = None
        self._scanned = ""
        self._called: dict[int, tuple[Node, ...]] = {}
        self._rows = None if job.source is None else self._begin(job.source)
        for number, step in enumerate(job.steps):
            self._add(number, step)

    @property
    def rows(self) -> Node:
        """The rows after the steps so far."""
        assert self._rows is not None
        return self._rows

    def _begin(self, source: Source) -> Node:
        """Return the rows of a source, as numbers that kernels work with."""
        return rows_of(source, self._job.decode_cf)

    def _add(self, number: int, step: Step) -> None:
        """Add a step."""
        if self.fit is not None:
            raise InputError(f"expected {self.fit.name} as the last step, got steps after it")
        match step:
            case FitStep():
                self._add_fit(number, step)
            case ReduceStep():
                self._add_reductions(number, step)
            case ExpressionStep():
                self._rows = build.widened(step.node)
                if step.wanted:
                    self.wanted.append(Wanted(number, step.node))
            case MapStep():
                self._add_rows(number, step)
            case ResultStep():
                self._rows = self._result(step)
                self.wanted.append(Wanted(number, self._rows))

    def _add_reductions(self, number: int, step: ReduceStep) -> None:
        _check_counted(self.rows)
        for (operation, _), node in zip(step.operations, step.nodes(self.rows), strict=True):
            self.wanted.append(Wanted(number, node, operation.name))

    def _add_rows(self, number: int, step: MapStep) -> None:
        op = step.operation
        before = self.rows
        made = self._applied(op, step.params, before)
        if len(made) > 1:
            raise InputError(
                f"{op.name} has {len(made)} outputs, expected one for a step of a job: give "
                "sharedcompute.map a place for each"
            )
        self._rows = made[0]
        if self._scanned and _reaches(self.rows, before):
            raise InputError(
                f"{op.name} needs neighbouring rows and cannot follow {self._scanned} in one job: "
                "write the scan to a file and run it as a second job"
            )
        self._scanned = op.name if op.kind == "scan" else self._scanned
        self.wanted.append(Wanted(number, self.rows))

    def _result(self, step: ResultStep) -> Node:
        """Return one result of a call, whose others are steps as well."""
        call = step.call
        if id(call) not in self._called:
            inputs = tuple(map(self._begin, call.sources)) or (self.rows,)
            self._called[id(call)] = self._applied(call.operation, call.params, *inputs)
        return self._called[id(call)][step.result]

    def _applied(
        self, op: Map | Scan, params: Mapping[str, Any], *inputs: Node
    ) -> tuple[Node, ...]:
        """Return the results of an operation on rows."""
        for given in inputs:
            _check_counted(given)
        loaded = self._loaded(op, params)
        if isinstance(op, Map):
            op = tried(op, loaded, inputs)
        return build.applied(op, loaded, *inputs)

    def _add_fit(self, number: int, step: FitStep) -> None:
        """Iterate over the rows here; what the fit gives for each row is one more stage."""
        op = step.operation
        _check_counted(self.rows)
        algorithm = op.algorithm(self._loaded(op, step.params), self.rows.spec)
        self.fit, self.fitted = FitPart(op, algorithm), self.rows
        if self.fit.rows is not None:
            self._rows = build.staged(self.fit.rows[1], self.rows)
            self.wanted.append(Wanted(number, self.rows))

    def unify(self) -> None:
        """Let all that is equal be one node."""
        nodes = [w.node for w in self.wanted] + ([] if self.fitted is None else [self.fitted])
        same = unified(nodes)
        if self.fitted is not None:
            self.fitted = same.pop()
        pairs = zip(self.wanted, same, strict=True)
        self.wanted = [Wanted(w.step, node, w.name) for w, node in pairs]

    def _loaded(self, op: Operation | Iterative, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with the arrays that addresses stand for."""
        kinds = {p.name: p.kind for p in op.parameters}
        return {
            name: self._read(value) if is_address(kinds[name], value) else value
            for name, value in params.items()
        }

    def _read(self, address: str) -> Array:
        """Read all of an array that a parameter names, which is an input as any other is."""
        decode_cf = self._job.decode_cf
        source = as_asked(open_source(address, self._job.allow_external), decode_cf)
        self.given.append(source)
        rows = read_all(source)
        return unpacked(source, rows) if decode_cf else rows


def _check_counted(node: Node) -> None:
    """Refuse rows whose number is not known before they are there."""
    if isinstance(node.op, Gather):
        raise InputError(
            f"{node.op.stage.label} gives a variable number of rows: expected it as the last step; "
            "go on in a second job"
        )


def rows_of(source: Source, decode_cf: bool) -> Node:
    """Return the rows of a source, as numbers that kernels work with."""
    if isinstance(source, Expression):
        return build.widened(source.node)
    return build.widened(build.decoded(source, decode_cf))


def _reaches(rows: Node, before: Node) -> bool:
    """Return whether rows need neighbours of the rows before them."""
    new = ordered([rows])
    known = {id(node) for node in ordered([before])}
    added = (n.op for n in new if id(n) not in known)
    return any(isinstance(op, Rowwise) and op.stage.halo for op in added)


def sources_of(graph: JobGraph) -> list[DatasetSource]:
    """Return all datasets that a job reads, those too that parameters name."""
    nodes = [w.node for w in graph.wanted] + ([graph.fitted] if graph.fitted else [])
    return [s for s in (*reads(nodes), *graph.given) if isinstance(s, DatasetSource)]
