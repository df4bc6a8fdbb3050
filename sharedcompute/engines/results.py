"""The output file of a job: datasets made, chunks stored, checksums noted, metadata kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.engines.durability.lineage import record
from sharedcompute.engines.fits.run import FitOutcome
from sharedcompute.engines.output import Found, PlanOutput, Reduced
from sharedcompute.graph.node import Gather, Node, Reduce
from sharedcompute.hdf5.copying import metadata
from sharedcompute.hdf5.format.cf import FLAGS, OF_THE_VALUES, PACKING, UNITS
from sharedcompute.hdf5.format.dimensions import Axes
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.writing import stamps
from sharedcompute.hdf5.writing.sink import Created, DatasetSink, create, created
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.planning.axes import axes_of, axes_of_fit, primary
from sharedcompute.planning.job import FitStep, Job, MapStep, ReduceStep, ResultStep, saved
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.phases import Copy, Encode, Phase
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.planned import Expression


class Results(PlanOutput):
    """The results of a job: a dataset each, with what still holds of the input's metadata."""

    def __init__(self, plan: Plan, job: Job) -> None:
        super().__init__(plan)
        self._job = job
        self._last = plan.passes[-1]
        self._stores = self._last.stores
        self._warnings: list[str] = []
        self._created: list[Created] = []
        self._small: list[Created | None] = []
        self._crcs = np.zeros((len(self._stores), len(self._last.blocks)), np.uint32)

    def finished(self) -> Found:
        """Read the results of a job with nothing left to do from its output."""
        with open_file(str(self._file.file)) as opened:
            reduced = [
                Reduced(small, opened[raw(small.sink.path)][...])
                for small in self._plan.smalls
                if small.sink is not None
            ]
        return Found(reduced, {}, self._finished_fit() if self._plan.fit is not None else None)

    def _finished_fit(self) -> FitOutcome:
        step = self._job.steps[-1]
        assert isinstance(step, FitStep)
        assert step.save is not None
        kept = {sink.path for sink in self._plan.row_sinks}
        with open_file(str(self._file.file)) as opened:
            history: h5py.Group = opened[f"{step.save}/history"]
            paths = zip(step.operation.saved, saved(step), strict=True)
            found: dict[str, Array] = {
                name: opened[path][()] for name, path in paths if path not in kept
            }
            converged = bool(history.attrs["converged"])
            stopped = bool(history.attrs["stopped"])
        rounds = {
            n.removeprefix("history/"): v for n, v in found.items() if n.startswith("history/")
        }
        results = {n: np.asarray(v) for n, v in found.items() if not n.startswith("history/")}
        return FitOutcome(results, rounds, converged, stopped, {})

    def make(self) -> None:
        """Make all datasets, unless a stopped job has."""
        rows, small = self._plan.row_sinks, [made.sink for made in self._plan.smalls]
        if not self._durable.goes_on:
            for sink in (*rows, *small):
                if sink is not None:
                    create(sink, self._file)
            self._durable.settle()
        self._created = [self._opened(sink) for sink in rows]
        self._small = [None if sink is None else self._opened(sink) for sink in small]

    def _opened(self, sink: DatasetSink) -> Created:
        return created(sink, self._file.h5[raw(sink.path)], self._file)

    def in_order(self) -> Sequence[Phase]:
        """Return the phases of the plan."""
        return self._plan.phases

    def datasets(self, phase: Pass | Encode | Copy) -> Sequence[Created]:
        """Return the datasets whose rows a phase writes."""
        if isinstance(phase, Pass):
            return self._created if phase.section == self._last.section else ()
        assert isinstance(phase, Encode)
        return [self._created[phase.number]]

    def filled(self, phase: Encode | Copy) -> None:
        """Do nothing: metadata are written at the end, for all results alike."""

    def finish(self, found: Found, published: Callable[[], None]) -> None:
        """Write what is small and what made it, move the file to its place, and report that."""
        self._durable.progress.finishing()
        assert self._crcs is not None
        # Behind the results stands what the pass keeps in memory.
        stores = zip(self._stores, self._created, self._crcs, strict=False)
        crcs: NDArray[np.uint32]
        for store, made, crcs in stores:
            assert store.step is not None
            self._describe(made.dataset, store.step, self._plan.row_nodes[store.step, store.name])
            stamps.record_crcs(made.dataset, self._plan.blocks.rows * store.group, crcs)
        for reduced, small in zip(found.reduced, self._small, strict=True):
            if small is not None:
                small.write(reduced.values)
                stamps.record_whole(small.dataset, reduced.values)
                self._describe(small.dataset, reduced.small.step, reduced.small.node)
        fitted = found.fitted
        if fitted is not None:
            self._write_fit(fitted)
        self._durable.commit(published, whole=fitted is None or not fitted.stopped)

    def _write_fit(self, fitted: FitOutcome) -> None:
        """Write the results of a fit that have no rows, and its history."""
        job, number = self._job, len(self._job.steps) - 1
        step, part = job.steps[number], self._plan.fit
        assert job.output is not None
        assert part is not None
        assert isinstance(step, FitStep)
        seen = self._plan.fitted
        assert seen is not None
        axes, row = self._axes(seen), seen.spec.shape[1:]
        out = replace(job.output, chunks=None, filter=None, shuffle=None)
        group = str(job.steps[number].save)
        for name, values in fitted.datasets.items():
            spec = ArraySpec(values.shape, values.dtype)
            made = create(out.sink(None, f"{group}/{name}", spec), self._file)
            made.write(values)
            stamps.record_whole(made.dataset, values)
            kept = axes_of_fit(step.operation, name, axes, row, values.shape)
            self._describe(made.dataset, number, seen, kept)
        history: h5py.Group = self._file.h5[f"{group}/history"]
        history.attrs["converged"] = int(fitted.converged)
        history.attrs["stopped"] = int(fitted.stopped)

    def _axes(self, node: Node) -> Axes:
        """Return the axes that a result has of the dataset that it is like."""
        return axes_of(node, primary(node))

    def _describe(
        self, dataset: h5py.Dataset, number: int, node: Node, axes: Axes | None = None
    ) -> None:
        """Write what still holds of the input's metadata, and the steps that made a result."""
        job, source = self._job, primary(node)
        if source is not None:
            self._warnings += metadata.copy_metadata(
                source,
                dataset,
                axes=self._axes(node) if axes is None else axes,
                # The results of a fit are no values of the input's variable; what the numbers of
                # an expression mean, nobody knows.
                attributes=_is_of_one(job, number) and not isinstance(node.op, Gather),
                file_attributes=self._file.fresh,
                leave_out=_no_longer_true(job, number, node),
            )
        stamps.stamp(dataset, record(job, number))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader may miss in the finished file, a line each."""
        return tuple(dict.fromkeys(self._warnings))


def _is_of_one(job: Job, number: int) -> bool:
    """Return whether a result is values of one variable, whose attributes may hold for it."""
    step = job.steps[number]
    if isinstance(job.source, Expression) or job.expression(number) is not None:
        return False
    if isinstance(step, ReduceStep):
        return not step.chosen
    alone = isinstance(step, ResultStep) and not step.call.sources
    return alone or isinstance(step, MapStep)


def _no_longer_true(job: Job, number: int, node: Node) -> frozenset[str]:
    """Return the input's attributes that would make a reader take the result for something else.

    Unpacking a standard deviation by ``add_offset`` gives nonsense, and a count has no kelvins.
    """
    steps = job.steps[: number + 1]
    chain: list[Operation] = [s.operation for s in steps if isinstance(s, MapStep)]
    chain += [s.call.operation for s in steps[-1:] if isinstance(s, ResultStep)]
    reduced = [node.op.operation] if isinstance(node.op, Reduce) else []
    units = {op.units for op in (*chain, *reduced)}
    like = primary(node)
    packing = None if like is None else like.packing
    gone = OF_THE_VALUES
    if units - {"same"} or job.packing:
        gone |= PACKING | FLAGS
    # Numbers that were packed have the units only once they are unpacked.
    changing = packing.changes(like.dtype) if like and packing and not job.packing else ()
    packed = {"scale_factor", "add_offset"} & {*changing}
    meaningless = "own" in units or ("difference" in units and packed)
    return gone | (UNITS if meaningless else frozenset())
