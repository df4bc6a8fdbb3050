"""run: a pipeline from a job file."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharedcompute.api.addresses import output_address
from sharedcompute.api.chosen import chosen_step
from sharedcompute.api.expressions import beside, opened
from sharedcompute.api.inputs import as_source
from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.keywords import closed
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.written import evaluated
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.planning.job import ExpressionStep, Job, ReduceStep, Step
from sharedcompute.planning.jobfile import ChosenText, JobFile, TextStep, read_job
from sharedcompute.planning.plan import Plan
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName

FEW = 64
"""The most numbers of an expression that is a result without being saved."""

StepResult = Any
"""Result of a step: reductions by name, a fit's results by name, or None for rows in the output."""


@closed
def run(
    job: str | os.PathLike[str],
    output: AddressLike | None = None,
    *,
    workers: int | None = None,
    threads: int | None = None,
    pin: bool | None = None,
    schedule: Schedule | None = None,
    block_rows: int | None = None,
    memory: int | str | None = None,
    engine: EngineName | None = None,
    retries: int | None = None,
    filter: str | None = None,
    chunks: str | Sequence[int] | None = None,
    shuffle: bool | None = None,
    overwrite: bool | None = None,
    resume: bool | None = None,
    decode_cf: bool | None = None,
    allow_external: bool | None = None,
    rows: str | slice | None = None,
    team: Team | None = None,
    listen: Listener | None = None,
) -> tuple[StepResult, ...]:
    r"""Run a pipeline from a TOML file in as few passes as can be.

    Options that are not given are as the job file has them.

    Parameters
    ----------
    job : str or os.PathLike
        The job file.
    output : address, optional
        Instead of the job file's.
    workers : int, optional
        Number of worker processes; default: SHAREDCOMPUTE_WORKERS, or the cores available.
    threads : int, optional
        Threads in each worker.
    pin : bool, optional
        Pin each worker to cores of its own.
    schedule : {'static', 'dynamic', 'guided', 'stealing'}, optional
        How blocks of rows are assigned to workers.
    block_rows : int, optional
        Rows in a block; reductions are accumulated block by block.
    memory : int or str, optional
        Memory for all processes together, such as 4G; default: what is available.
    engine : {'auto', 'serial', 'local'}, optional
        Where blocks run; auto: serial in several threads, or local where workers gain.
    retries : int, optional
        Times to recompute the rows of a worker that died.
    filter : str, optional
        Filter of the output datasets, as NAME[:LEVEL]; default: the input's.
    chunks : str or sequence of int, optional
        Chunk shape of the output datasets; default: the input's.
    shuffle : bool, optional
        Shuffle bytes before the filter of the output datasets; default: as the input's.
    overwrite : bool, optional
        Replace an output that exists.
    resume : bool, optional
        Continue a job that was stopped.
    decode_cf : bool, optional
        Apply scale_factor, add_offset, _FillValue and missing_value to what is read.
    allow_external : bool, optional
        Follow links, virtual sources and external storage out of the input's folder.
    rows : str or slice, optional
        Rows of the input to take, as FROM:TO or FROM:TO:STEP; default: all.
    team : Team, optional
        Run on its workers; by default workers are started where it pays.
    listen : callable, optional
        Receives the events of the run.

    Returns
    -------
    tuple
        For each step: a dict of arrays by reduction, or None for rows, which are in the output.

    Raises
    ------
    InputError, OutputExists, MemoryBudgetError
        Before anything is started or changed.
    StaleResumeError
        What a stopped job left belongs to another one.
    WorkerDied
        A worker process was killed.

    Examples
    --------
    >>> from pathlib import Path
    >>> import h5py
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> with h5py.File("in.h5", "w") as file:
    ...     file["x"] = np.arange(6.0)
    >>> lines = ['input = "in.h5::/x"', "[[steps]]", 'op = ["min", "max"]', 'axis = "all"']
    >>> _ = Path("job.toml").write_text("\n".join(lines))
    >>> sc.run("job.toml")
    ({'min': array(0.), 'max': array(5.)},)
    """
    given: dict[str, object] = {
        "workers": workers,
        "threads": threads,
        "pin": pin,
        "schedule": schedule,
        "block_rows": block_rows,
        "memory": memory,
        "engine": engine,
        "retries": retries,
        "filter": filter,
        "chunks": chunks,
        "shuffle": shuffle,
        "overwrite": overwrite,
        "resume": resume,
        "decode_cf": decode_cf,
        "allow_external": allow_external,
        "rows": rows,
    }
    return plan_run(job, output, given, team).run(listen=listen)


def run_job(described: JobFile, settings: Settings) -> Job:
    """Return the job of `run`, whose parameters are in the job file alone."""
    reading, source = settings.reading, None
    if described.input is not None:
        source = as_source(described.input, reading.allow_external, reading.rows)
    arrays, before = opened(described.inputs, settings), dict[str, LazyArray]()
    steps: list[Step] = []
    for number, step in enumerate(described.steps, start=1):
        if isinstance(step, TextStep):
            kept = described.output is None and number == len(described.steps)
            steps += _written(step, arrays, before, kept=kept)
        elif isinstance(step, ChosenText):
            steps.append(_chosen(step, {**arrays, **before}, settings))
        else:
            steps.append(step)
    return make_job(source, tuple(steps), described.output, settings, described.scripts)


def _written(
    step: TextStep, arrays: Mapping[str, LazyArray], before: dict[str, LazyArray], *, kept: bool
) -> list[ExpressionStep]:
    """Return the steps of the expressions of a text, and add what it names to those before.

    Without a place in a file, those are results that are few numbers, and all of them if `kept`.
    """
    try:
        found = evaluated(step.text, arrays, before=before)
    except InputError as problem:
        raise InputError(f"{step.where}: {problem.text}") from None
    before.update({each.name: LazyArray(each.node) for each in found if each.name})
    if step.save is None:
        return [each.step(wanted=kept or each.size <= FEW) for each in found]
    several = len(found) > 1
    return [each.step(f"{step.save}/{each.name}" if several else step.save) for each in found]


def _chosen(step: ChosenText, arrays: Mapping[str, LazyArray], settings: Settings) -> ReduceStep:
    """Return the step of reductions with its `where` or `weights`."""
    try:
        where, weights = (
            beside(name, step.beside.get(name), arrays) for name in ("where", "weights")
        )
        return chosen_step(step, where, weights, settings)
    except InputError as problem:
        raise InputError(f"{step.place}: {problem.text}") from None


def plan_run(
    job: str | os.PathLike[str],
    output: AddressLike | None,
    given: Mapping[str, object],
    team: Team | None,
) -> JobPlan[tuple[StepResult, ...]]:
    """Plan `run`; options that are None are the job file's."""
    described = read_job(Path(job), output_address(output))
    asked = {name: value for name, value in given.items() if value is not None}
    settings = Settings.of({**described.settings, **asked}, team)
    plan = make_plan(run_job(described, settings), settings)
    return JobPlan(plan, functools.partial(_run_pipeline, plan, settings))


def _run_pipeline(plan: Plan, settings: Settings, listen: Listener) -> tuple[StepResult, ...]:
    return run_and_warn(plan, settings.team, listen).results
