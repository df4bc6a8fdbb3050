"""Executing a plan: its phases in order, and the output file around them.

An engine only runs units of work; everything else is here, the same for all engines.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.engines.engine import Engine
from sharedcompute.engines.output import Found, PlanOutput
from sharedcompute.engines.phase_runner import PhaseRunner
from sharedcompute.engines.results import Results
from sharedcompute.engines.structure import CopiedFile
from sharedcompute.events import JobFinished, Listener
from sharedcompute.operations.specs import Array
from sharedcompute.planning.job import Job
from sharedcompute.planning.plan import Plan

StepResult = Array | Mapping[str, Array] | None
"""Rows in memory, arrays by name, or nothing: it is in the file, or only later steps want it."""


@dataclass(frozen=True)
class Outcome:
    """The results of a plan.

    Parameters
    ----------
    results : tuple
        A `StepResult` of each step of the job, which knows its own kind; empty for a repack.
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


def _by_step(plan: Plan, found: Found) -> tuple[StepResult, ...]:
    if not isinstance(plan.task, Job):
        return ()
    reduced: dict[int, Any] = {}
    for made in found.reduced:
        if made.small.name:
            reduced.setdefault(made.small.step, {})[made.small.name] = made.values
        else:
            reduced[made.small.step] = made.values
    for (step, name), values in found.arrays.items():
        if name:
            reduced.setdefault(step, {})[name] = values
        else:
            reduced[step] = values
    results: dict[int, StepResult] = reduced
    fitted, last = found.fitted, len(plan.task.steps) - 1
    if fitted is not None:
        rows = plan.fit.rows if plan.fit else None
        own = found.arrays.get((last, ""))
        kept = {rows[0]: own} if rows is not None and own is not None else {}
        results[last] = {**fitted.datasets, **kept, "converged": np.array(fitted.converged)}
    return tuple(map(results.get, range(last + 1)))
