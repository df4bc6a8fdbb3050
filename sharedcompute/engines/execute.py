"""Executing a plan: its passes in order, what they work out, and the output file around them.

An engine only runs one pass; everything else is here, the same for all engines.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sharedcompute.engines.fill import fill
from sharedcompute.engines.fits.run import FitOutcome, run_fit
from sharedcompute.engines.results import Results, finished_fit, finished_results, nothing_to_do
from sharedcompute.engines.units.load import loaded, room
from sharedcompute.engines.units.pass_work import PassWork
from sharedcompute.engines.units.work import Engine, undeliverable
from sharedcompute.events import Event, JobFinished, Listener, PassStarted, StateTaken
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.reductions.reduction import Reduction, cast_result
from sharedcompute.operations.reductions.tally import Tally, served_by
from sharedcompute.operations.specs import Array, ArraySpec, State
from sharedcompute.plan.budget.loading import Load, stripe_of, stripe_shape, units
from sharedcompute.plan.build import Plan, ToMemory, scratch_folder
from sharedcompute.plan.fit import FitPart
from sharedcompute.plan.in_memory import ArraySink, ArraySource
from sharedcompute.plan.passes import BoundValues, Pass, Store, fitted, needs


@dataclass(frozen=True)
class Outcome:
    """What a job gave.

    Parameters
    ----------
    results : tuple
        For each step of the job: an array (a transform kept in memory), a dict of arrays by
        reduction, or None (written to the file, or wanted by later steps only).
    seconds : float
        From the first pass to the output in its place.
    warnings : tuple of str
        What a reader of the output may miss.
    """

    results: tuple[Any, ...]
    seconds: float
    warnings: tuple[str, ...] = ()


def execute(plan: Plan, engine: Engine, listen: Listener) -> Outcome:
    """Run a plan to its end. If it fails, the output path is as it was."""
    began = time.monotonic()
    if nothing_to_do(plan):
        reductions = [observe.reduction for observe in plan.passes[-1].observes]
        found = list(zip(reductions, finished_results(plan), strict=False))
        fit = finished_fit(plan) if plan.fit is not None else None
        return Outcome(_by_step(plan, plan.passes[-1].keeps, found, fit), 0.0)
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(Results(plan)) if plan.job.output else None
        stack.enter_context(plan.reads.unchanged())
        run = _Run(plan, engine, results, listen, stack)
        if plan.load is None:
            parts = [run.passes(plan.passes)]
        else:
            parts = [run.passes(passes, part) for part, passes in run.loaded(plan.load)]
        reduced = _side_by_side(parts)

        def finished() -> None:
            listen(JobFinished(time.monotonic() - began))

        if results:
            results.finish(reduced, run.fitted, finished)
        else:
            plan.reads.check()
            finished()
    return Outcome(
        _by_step(plan, run.kept, reduced, run.fitted),
        time.monotonic() - began,
        results.warnings if results else (),
    )


Reduced = list[tuple[Reduction, Array]]
"""The result of each reduction of a pass."""


class _Run:
    """One run of a plan.

    Attributes
    ----------
    kept : tuple of Store
        What the last pass kept, with the sinks that were filled.
    fitted : FitOutcome or None
        What the fit came to.
    """

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        results: Results | None,
        listen: Listener,
        stack: contextlib.ExitStack,
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._results = results
        self._listen = listen
        self._stack = stack
        self._folder = scratch_folder(plan.job)
        self._number = 0
        stripes = len(plan.load.stripes) if plan.load else 0
        held = sum(into is not None for into in plan.staged.held)
        last = plan.passes[-1]
        empty = not (last.keeps or last.observes)
        fits = (plan.fit is not None) - empty
        self._count = len(plan.passes) * max(1, stripes) + stripes + held + fits
        self.kept: tuple[Store, ...] = ()
        self.fitted: FitOutcome | None = None

    def passes(self, passes: tuple[Pass, ...], part: str = "") -> Reduced:
        """Run passes in order, and give what the last one reduced.

        `part` tells passes over different stripes apart.
        """
        values = dict[tuple[int, Any], Array]()
        for number, work in enumerate(passes, start=1):
            if number == len(passes) and self._plan.fit is not None:
                values |= self._fit(self._plan.fit, work, values)
            bound = self._with_sinks(work.bind(values))
            if not (work.keeps or work.observes):
                return []  # a fit gives nothing for each row
            self._begin(work.purpose, work.spec(0))
            states = [_block_states(t, work, self._engine) for _, t in work.tallies]
            self._run(f"{number}{part}", PassWork(bound, states), last=work is passes[-1])
            if number < len(passes):
                found = _worked_out(work, states, passes[-1])
                values |= {key: self._engine.share(value) for key, value in found.items()}
        self.kept = bound.keeps
        self._release(bound.keeps)
        return _reduced(passes[-1], states)

    def _fit(self, part: FitPart, last: Pass, values: BoundValues) -> dict[Any, Array]:
        """Iterate; what it came to, for the arguments of the stage behind it."""
        before = replace(last, stages=last.stages[: part.depth], keeps=(), observes=())
        work = replace(before.bind(values), source=self._engine.reach(last.source))
        self._begin(part.name, work.spec(0), fit=True)
        section = self._results.fit_section() if self._results is not None else None
        self.fitted = run_fit(part, work, self._engine, self._listen, section)
        wanted = fitted(last.stages)
        return {(i, a): self._engine.share(self.fitted.model[a.name]) for i, a in wanted}

    def _run(self, name: str, work: PassWork, *, last: bool) -> None:
        """Do the blocks of a pass that are not done yet."""
        if not len(work):
            return
        if self._results is None:
            self._engine.run(work, undeliverable, _folding(work, self._listen))
            return
        with self._results.notes(name, work, last=last) as notes:
            left = notes.left(self._listen)
            self._engine.run(work, notes.deliver, notes.watch(self._listen), left)

    def loaded(self, load: Load) -> Iterator[tuple[str, tuple[Pass, ...]]]:
        """Decode all chunks of one stripe after the other; yield passes that read what is there."""
        source = self._plan.passes[-1].source
        assert isinstance(source, DatasetSource)
        size = load.nbytes(source) // source.dtype.itemsize
        with room(load.into, (size,), source.dtype, self._folder, self._engine) as held:
            for stripe in load.stripes:
                shape = stripe_shape(source, stripe)
                self._begin("decode all chunks", ArraySpec(shape, source.dtype))
                ready = loaded(source, stripe, held, self._engine, self._listen)
                passes = (
                    replace(stripe_of(work, *stripe), source=ready) for work in self._plan.passes
                )
                yield f"-{stripe[0]}-{stripe[1]}", tuple(passes)

    def _with_sinks(self, work: Pass) -> Pass:
        """The pass with the source and sinks that workers open."""
        keeps = [replace(k, sink=self._sink(i, k, work)) for i, k in enumerate(work.keeps)]
        return replace(work, source=self._engine.reach(work.source), keeps=tuple(keeps))

    def _sink(self, number: int, keep: Store, work: Pass) -> Any:
        sink: Any = keep.sink
        if isinstance(sink, ToMemory):
            return ArraySink(self._engine.allocate(sink.spec.shape, sink.spec.dtype))
        into = self._plan.staged.held[number]
        if into is not None:
            spec = work.spec(keep.depth)
            held = room(into, spec.shape, spec.dtype, self._folder, self._engine)
            return ArraySink(self._stack.enter_context(held), sink.stored_dtype)
        return sink if self._results is None else self._results.created(number).target

    def _release(self, keeps: tuple[Store, ...]) -> None:
        """Write the results that were held until all their rows were there."""
        for number, into in enumerate(self._plan.staged.held):
            if into is None or self._results is None:
                continue
            held: Any = keeps[number].sink
            source = ArraySource(held.array)
            created = self._results.created(number)
            chunks = created.sink.chunks or source.shape
            grid = units(source.shape, chunks, source.dtype.itemsize)
            self._begin(f"encode {created.sink.path}", ArraySpec(source.shape, source.dtype))
            section = self._results.section(number, len(grid))
            fill(created, source, grid, section, self._engine, self._listen)

    def _begin(self, purpose: str, spec: ArraySpec, *, fit: bool = False) -> None:
        self._plan.reads.check()
        self._number += 1
        started = PassStarted(self._number, self._count, purpose, spec.rows, spec.nbytes, fit)
        self._listen(started)


def _folding(work: PassWork, listen: Listener) -> Listener:
    """A listener that adds up what is taken over from workers, before anybody notes it."""

    def fold(event: Event) -> None:
        if isinstance(event, StateTaken):
            work.fold(event.states)
        listen(event)

    return fold


def _side_by_side(stripes: list[Reduced]) -> Reduced:
    """The results of stripes as those of the whole."""
    if len(stripes) == 1:
        return stripes[0]
    return [
        (parts[0][0], np.concatenate([values for _, values in parts]))
        for parts in zip(*stripes, strict=True)
    ]


def _block_states(tally: Tally, work: Pass, engine: Engine) -> State:
    """Room for the states, which the blocks fill in; without rows, the identity."""
    blocks = len(work.blocks)
    runners = engine.workers * work.threads(engine.threads)
    states = tally.states(tally.slots(blocks, runners), engine.allocate)
    if blocks == 0:
        tally.reset(states)
    elif tally.exact:
        # Workers begin with their own; what is taken over from them is added up here.
        tally.reset({name: s[-2] for name, s in states.items()})
    return states


def _worked_out(work: Pass, states: list[State], last: Pass) -> dict[tuple[int, Any], Array]:
    """What a prelude pass found, for the arguments of the stage behind it in the `last` pass."""
    stage = work.observes[0].depth
    kept = [t for _, t in work.tallies]
    wanted = [a for i, a in needs(last.stages) if i == stage]
    combined = [
        t.prefixes(s) if t.running else t.total(s) for t, s in zip(kept, states, strict=True)
    ]
    found: dict[tuple[int, Any], Array] = {}
    for observe, argument in zip(work.observes, wanted, strict=True):
        state = combined[served_by(observe.reduction, kept)]
        found[stage, argument] = observe.reduction.result(state)
    return found


def _reduced(work: Pass, states: list[State]) -> Reduced:
    """The result of each reduction of a pass."""
    combined = [(depth, t, t.total(s)) for (depth, t), s in zip(work.tallies, states, strict=True)]
    found = []
    for observe in work.observes:
        here = [(t, s) for depth, t, s in combined if depth == observe.depth]
        state = here[served_by(observe.reduction, [t for t, _ in here])][1]
        values = observe.reduction.result(state)
        found.append((observe.reduction, cast_result(observe.reduction, values)))
    return found


def _by_step(
    plan: Plan, keeps: tuple[Store, ...], reduced: Reduced, fitted: FitOutcome | None
) -> tuple[Any, ...]:
    steps: list[Any] = [None] * len(plan.job.steps)
    for number, keep, held in zip(plan.keep_steps, keeps, plan.staged.held, strict=True):
        # What was held is in the file now.
        if held is None and isinstance(keep.sink, ArraySink):
            steps[number] = keep.sink.array
    for number, (reduction, values) in zip(plan.observe_steps, reduced, strict=True):
        steps[number] = {**(steps[number] or {}), reduction.operation.name: values}
    if fitted is not None:
        rows = plan.fit.rows if plan.fit else None
        named = {} if rows is None or steps[-1] is None else {rows[0]: steps[-1]}
        steps[-1] = {**fitted.datasets, **named, "converged": np.array(fitted.converged)}
    return tuple(steps)
