"""Planning and running a job: the engine, the team. All that a user calls goes through here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sharedcompute.api.notices import NotKept, warn, warn_of_attributes, warn_of_cache
from sharedcompute.api.settings import Settings
from sharedcompute.engines.durability.durable_output import check_output
from sharedcompute.engines.engine import Engine, open_engine
from sharedcompute.engines.execute import Outcome, execute
from sharedcompute.errors import InputError
from sharedcompute.events import Listener, ignore
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.rehearsal import rehearse, rehearse_all
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.build import build
from sharedcompute.planning.job import Job, Step
from sharedcompute.planning.plan import Plan
from sharedcompute.system.shortage import shortage_named
from sharedcompute.team import Team
from sharedcompute.traits import traits_of


def make_job(
    source: Source | None,
    steps: tuple[Step, ...],
    output: Address | None,
    settings: Settings,
    scripts: tuple[str, ...] = (),
) -> Job:
    """Return the job that takes `steps`."""
    reading = settings.reading
    return Job(
        source,
        steps,
        settings.output(output),
        decode_cf=reading.decode_cf,
        allow_external=reading.allow_external,
        scripts=scripts,
    )


def make_plan(job: Job, settings: Settings) -> Plan:
    """Plan a job and refuse what cannot work, before anything is started or changed."""
    warn_of_attributes(job)
    plan = build(job, settings.options, have_team=settings.team is not None)
    _check_effect(plan, settings)
    check_output(plan)
    warn_of_cache()
    return plan


def _check_effect(plan: Plan, settings: Settings) -> None:
    """Refuse options that nothing of a job can follow.

    Raises
    ------
    InputError
    """
    if not plan.reads.seen:
        # Rows can be taken of an array in memory as well.
        for name in (given for given in settings.reading.given if given != "rows"):
            raise InputError(
                f"{name}: expected a dataset in a file to read so, got arrays in memory; leave "
                f"{name} out"
            )
    if plan.task.output is not None and not any(sink.shape for sink in plan.sinks):
        for name in sorted({"filter", "chunks", "shuffle"} & {*settings.storage.given}):
            raise InputError(
                f"{name}: expected a result with rows to store so, got single numbers and small "
                f"arrays; leave {name} out"
            )


def run_plan(plan: Plan, team: Team | None, listen: Listener) -> Outcome:
    """Run a plan on the engine that it names."""
    # The first model of a fit is made here, of rows that are read here.
    here = not traits_of(plan.engine).processes or plan.fit is not None
    if len(plan.sources) == 1:
        rehearse(plan.sources[0], rows=here, metadata=bool(plan.results))
    else:
        rehearse_all(plan.sources, rows=here, metadata=bool(plan.results))
    with engine_of(plan.engine, plan.workers, plan.options, team) as engine:
        outcome = execute(plan, engine, listen)
    plan.code.note(traits_of(plan.engine))
    return outcome


def run_and_warn(plan: Plan, team: Team | None, listen: Listener | None) -> Outcome:
    """Run a plan, and warn of what a reader of its output may miss."""
    outcome = run_plan(plan, team, listen or ignore)
    for text in outcome.warnings:
        warn(text, NotKept)
    return outcome


@contextlib.contextmanager
def engine_of(name: str, workers: int, options: RunOptions, team: Team | None) -> Iterator[Engine]:
    """Give the engine that a plan names, on a team that is there, or on one for this run."""
    with shortage_named(), open_engine(name, workers, options, team) as engine:
        yield engine
