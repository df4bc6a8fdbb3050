"""The output file of a job: datasets made, chunks stored, checksums noted, metadata kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from sharedcompute.engines.durability.checkpoint import NAME
from sharedcompute.engines.durability.durable_output import DurableOutput
from sharedcompute.engines.durability.identity import header_of
from sharedcompute.engines.durability.lineage import record
from sharedcompute.engines.durability.notes import Notes
from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.fits.run import FitOutcome
from sharedcompute.engines.units.pass_work import PassWork
from sharedcompute.hdf5.copying import metadata
from sharedcompute.hdf5.format.cf import FLAGS, OF_THE_VALUES, PACKING, UNITS
from sharedcompute.hdf5.format.dimensions import Axes
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.writing import stamps
from sharedcompute.hdf5.writing.output import OutputFile
from sharedcompute.hdf5.writing.sink import Created, DatasetSink, create, created
from sharedcompute.operations.declarations import Array, ArraySpec, Operation
from sharedcompute.operations.reductions.tally import Reduction
from sharedcompute.plan.axes import axes_after, axes_of_fit
from sharedcompute.plan.build import Plan
from sharedcompute.plan.job import FitStep, Job, MapStep, saved


def check_output(plan: Plan) -> None:
    """Refuse an output that cannot be written, before anything is started or changed."""
    if plan.job.output is not None:
        outgoing_of(plan).check(plan.projection.disk_needed)


def nothing_to_do(plan: Plan) -> bool:
    """Whether a job that is to go on has nothing left to do."""
    return plan.job.output is not None and outgoing_of(plan).nothing_to_do()


def finished_results(plan: Plan) -> list[Array]:
    """What each reduction gave, as the output of a job with nothing left to do has it."""
    assert plan.job.output is not None
    with open_file(plan.job.output.address.file) as opened:
        return [opened[raw(sink.path)][...] for sink in plan.observe_sinks if sink is not None]


def finished_fit(plan: Plan) -> FitOutcome:
    """What a fit gave, as the output of a job with nothing left to do has it."""
    assert plan.job.output is not None
    step = plan.job.steps[-1]
    assert isinstance(step, FitStep)
    assert step.save is not None
    kept = {sink.path for sink in _kept(plan)}
    with open_file(plan.job.output.address.file) as opened:
        group = opened[step.save]
        history = group["history"]
        paths = zip(step.operation.saved, saved(step), strict=True)
        found = {name: opened[path][()] for name, path in paths if path not in kept}
        converged, stopped = (bool(history.attrs[name]) for name in ("converged", "stopped"))
    told = {n.removeprefix("history/"): v for n, v in found.items() if n.startswith("history/")}
    results = {n: np.asarray(v) for n, v in found.items() if not n.startswith("history/")}
    return FitOutcome(results, told, converged, stopped, {})


def outgoing_of(plan: Plan) -> DurableOutput:
    """The output of a plan that has one."""
    out = plan.job.output
    assert out is not None
    return DurableOutput(
        OutputFile(out.address, out.overwrite, plan.saved),
        plan.reads,
        lambda base: header_of(plan, base),
        out.resume,
        in_place=not any(sink.filters for sink in _kept(plan)),
    )


def _kept(plan: Plan) -> list[DatasetSink]:
    """The datasets whose rows workers write."""
    return [keep.sink for keep in plan.passes[-1].keeps if isinstance(keep.sink, DatasetSink)]


class Results:
    """The results of a plan on their way to a file. A context manager: aborts unless finished."""

    def __init__(self, plan: Plan) -> None:
        last = plan.passes[-1]
        self._plan = plan
        self._outgoing = outgoing_of(plan)
        self._file = self._outgoing.file
        self._sinks = _kept(plan)
        self._warnings: list[str] = []
        self._crcs: Array = np.zeros((len(last.keeps), len(last.blocks)), np.uint32)

    def __enter__(self) -> Self:
        self._outgoing.__enter__()
        try:
            self._make()
        except BaseException as problem:
            # `with` calls no __exit__ for what fails in here.
            self.__exit__(type(problem), problem, None)
            raise
        return self

    def _make(self) -> None:
        """Make all datasets, unless a stopped job has."""
        made = [*self._sinks, *self._plan.observe_sinks]
        if not self._outgoing.goes_on:
            for sink in made:
                if sink is not None:
                    create(sink, self._file)
            self._outgoing.settle()
        file = self._file
        found = [None if s is None else created(s, file.h5[raw(s.path)], file) for s in made]
        self._created = [c for c in found[: len(self._sinks)] if c is not None]
        self._reduced = found[len(self._sinks) :]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._outgoing.__exit__(kind, value, traceback)

    def created(self, number: int) -> Created:
        """The dataset of keep `number`."""
        return self._created[number]

    def notes(self, name: str, work: PassWork, *, last: bool) -> Notes:
        """The notes on one pass."""
        # What is held in memory until all of it is there does not last.
        lasting = not (last and any(self._plan.staged.held))
        section = self._outgoing.progress.section(name, len(work), noted=lasting)
        return Notes(section, work, self._created if last else (), self._crcs)

    def section(self, number: int, units: int) -> Section:
        """Takes the notes on keep `number`, which is written once all of it is there."""
        return self._outgoing.progress.section(f"held-{number}", units)

    def fit_section(self) -> Section:
        """Takes the notes on a fit."""
        return self._outgoing.progress.section(NAME, 0)

    def finish(
        self,
        reduced: Sequence[tuple[Reduction, Array]],
        fitted: FitOutcome | None,
        published: Callable[[], None],
    ) -> None:
        """Write what is small, say what made it, put the file in its place, and say so."""
        plan, last = self._plan, self._plan.passes[-1]
        self._outgoing.progress.finishing()
        for i, (number, made) in enumerate(zip(plan.keep_steps, self._created, strict=True)):
            self._describe(made.dataset, number, self._axes(last.keeps[i].depth))
            stamps.record_crcs(made.dataset, plan.blocks.rows, self._crcs[i])
        pairs = zip(plan.observe_steps, last.observes, self._reduced, reduced, strict=True)
        for number, observe, small, (reduction, values) in pairs:
            if small is not None:
                axes = () if reduction.over_all else self._axes(observe.depth)[1:]
                small.write(values)
                stamps.record_whole(small.dataset, values)
                self._describe(small.dataset, number, axes, reduction)
        if fitted is not None:
            self._write_fit(fitted)
        self._outgoing.commit(published, whole=fitted is None or not fitted.stopped)

    def _write_fit(self, fitted: FitOutcome) -> None:
        """Write what a fit gives beside its rows, and how it went."""
        job, number = self._plan.job, len(self._plan.job.steps) - 1
        step, part = job.steps[number], self._plan.fit
        assert job.output is not None
        assert part is not None
        assert isinstance(step, FitStep)
        axes, row = self._axes(part.depth), self._plan.passes[-1].spec(part.depth).shape[1:]
        out = replace(job.output, chunks=None, filter=None, shuffle=None)
        group = str(job.steps[number].save)
        for name, values in fitted.datasets.items():
            spec = ArraySpec(values.shape, values.dtype)
            made = create(out.sink(None, f"{group}/{name}", spec), self._file)
            made.write(values)
            stamps.record_whole(made.dataset, values)
            kept = axes_of_fit(step.operation, name, axes, row, values.shape)
            self._describe(made.dataset, number, kept)
        history = self._file.h5[f"{group}/history"]
        history.attrs["converged"] = int(fitted.converged)
        history.attrs["stopped"] = int(fitted.stopped)

    def _axes(self, depth: int) -> Axes:
        """The input's axes that the rows behind `depth` stages have."""
        return axes_after(self._plan.job.source.shape, self._plan.passes[-1].stages[:depth])

    def _describe(
        self, dataset: Any, number: int, axes: Axes, reduction: Reduction | None = None
    ) -> None:
        """Give a result what still holds of the input's metadata, and say what made it."""
        job, source = self._plan.job, self._plan.job.source
        if isinstance(source, DatasetSource):
            self._warnings += metadata.copy_metadata(
                source,
                dataset,
                axes=axes,
                # What a fit gives are no values of the input's variable.
                attributes=not isinstance(job.steps[number], FitStep),
                file_attributes=self._file.fresh,
                leave_out=_no_longer_true(job, number, reduction),
            )
        stamps.stamp(dataset, record(job, number))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader may miss in the finished file, a line each."""
        return tuple(dict.fromkeys(self._warnings))


def _no_longer_true(job: Job, number: int, reduction: Reduction | None) -> frozenset[str]:
    """The input's attributes that would make a reader take the result for something else.

    Unpacking a standard deviation by ``add_offset`` gives nonsense, and a count has no kelvins.
    """
    steps = job.steps[: number + 1]
    chain: list[Operation] = [s.operation for s in steps if isinstance(s, MapStep)]
    units = {op.units for op in (*chain, *([reduction.operation] if reduction else []))}
    packing = getattr(job.source, "packing", None)
    gone = OF_THE_VALUES
    if units - {"same"} or job.packing:
        gone |= PACKING | FLAGS
    # Numbers that were packed have the units only once they are unpacked.
    changing = packing.changes(job.source.dtype) if packing and not job.packing else ()
    packed = {"scale_factor", "add_offset"} & {*changing}
    meaningless = "own" in units or ("difference" in units and packed)
    return gone | (UNITS if meaningless else frozenset())
