"""Executing a plan: its phases in order, and the output file around them.

An engine only runs units of work; everything else is here, the same for all engines.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.engines.output import Found, PlanOutput
from sharedcompute.engines.phase_runner import PhaseRunner
from sharedcompute.engines.results import Results
from sharedcompute.engines.structure import CopiedFile
from sharedcompute.engines.units.work import Engine
from sharedcompute.events import JobFinished, Listener
from sharedcompute.plan.job import Job
from sharedcompute.plan.plan import Plan


@dataclass(frozen=True)
class Outcome:
    """The results of a plan.

    Parameters
    ----------
    results : tuple
        For each step of the job: an array (rows in memory), a dict of arrays by reduction, or None
        (written to the file, or wanted by later steps only). Empty for a repack.
    seconds : float
        From the first phase to the output in its place.
    warnings : tuple of str
        What a reader of the output may miss.
    """

    results: tuple[Any, ...]
    seconds: float
    warnings: tuple[str, ...] = ()


def execute(plan: Plan, engine: Engine, listen: Listener) -> Outcome:
    """Run a plan to its end. If it fails, the output path is as it was."""
    began = time.monotonic()
    output = output_of(plan)
    if output is not None and output.nothing_to_do():
        return Outcome(_by_step(plan, output.finished()), 0.0)
    with contextlib.ExitStack() as stack:
        if output is not None:
            stack.enter_context(output)
        stack.enter_context(plan.reads.unchanged())
        plan.reads.check()
        if output is not None:
            output.make()
        found = PhaseRunner(plan, engine, output, listen).run_all()

        def finished() -> None:
            listen(JobFinished(time.monotonic() - began))

        if output is not None:
            output.finish(found, finished)
        else:
            plan.reads.check()
            finished()
    warnings = output.warnings if output is not None else ()
    return Outcome(_by_step(plan, found), time.monotonic() - began, warnings)


def output_of(plan: Plan) -> PlanOutput | None:
    """Return the output of a plan, if it has one."""
    if not isinstance(plan.task, Job):
        return CopiedFile(plan, plan.task)
    return None if plan.task.output is None else Results(plan, plan.task)


def _by_step(plan: Plan, found: Found) -> tuple[Any, ...]:
    if not isinstance(plan.task, Job):
        return ()
    steps: list[Any] = [None] * len(plan.task.steps)
    for number, array in found.arrays.items():
        steps[number] = array
    for made in found.reduced:
        assert made.output.step is not None
        name = made.output.reduction.operation.name
        steps[made.output.step] = {**(steps[made.output.step] or {}), name: made.values}
    fitted = found.fitted
    if fitted is not None:
        rows = plan.fit.rows if plan.fit else None
        named = {} if rows is None or steps[-1] is None else {rows[0]: steps[-1]}
        steps[-1] = {**fitted.datasets, **named, "converged": np.array(fitted.converged)}
    return tuple(steps)
