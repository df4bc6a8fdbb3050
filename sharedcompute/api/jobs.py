"""Running a job: the plan, the engine, the team. All that a user calls comes through here."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sharedcompute.engines.base import Outcome, execute
from sharedcompute.engines.results import check_output
from sharedcompute.engines.serial import Serial
from sharedcompute.engines.work import Engine
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.rehearsal import rehearse
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.machine import parse_size
from sharedcompute.plan.build import Plan, build
from sharedcompute.plan.job import Job, Options, OutputSpec
from sharedcompute.shortage import shortage_named
from sharedcompute.team import Team


@dataclass(frozen=True)
class Settings:
    """What one call asks for beside its input: how to run, how to store, and parameters.

    Parameters
    ----------
    options : Options
    team : Team or None
        A running team; None: one is started where it pays, and closed at the end.
    overwrite, filter, chunks, shuffle
        Of the output, as in `OutputSpec`.
    decode_cf : bool
        Unpack the input's numbers, as in `Job`.
    resume : bool
        Go on with a stopped job, as in `OutputSpec`.
    allow_external : bool
        Read what links, virtual sources and external storage of the input name elsewhere than in
        its folder.
    params : mapping
        All that is left: the operation's parameters.
    """

    options: Options
    team: Team | None
    overwrite: bool
    filter: str | None
    chunks: str | None
    shuffle: bool | None
    decode_cf: bool
    resume: bool
    allow_external: bool
    params: Mapping[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Sort keyword arguments: those of a run have fixed names, the rest are parameters."""
        rest = dict(given)
        running = {f.name: rest.pop(f.name) for f in fields(Options) if f.name in rest}
        memory = running.get("memory")
        if isinstance(memory, str):
            try:
                running["memory"] = parse_size(memory)
            except ValueError as problem:
                raise InputError(f"memory: {problem}") from None
        team = rest.pop("team", None)
        if not isinstance(team, Team | None):
            raise InputError(f"team: expected a Team, got {team!r}")
        if team is not None:
            team.check_usable()
            running = _on_team(team, running)
        return cls(
            Options(**running),
            team,
            bool(_flag(rest, "overwrite")),
            _text(rest, "filter"),
            _chunks(rest.pop("chunks", None)),
            _flag(rest, "shuffle"),
            bool(_flag(rest, "decode_cf")),
            bool(_flag(rest, "resume")),
            bool(_flag(rest, "allow_external")),
            rest,
        )

    def output(self, address: Address | None) -> OutputSpec | None:
        """The output at `address`, stored as asked."""
        if address is None:
            return None
        return OutputSpec(
            address, self.overwrite, self.filter, self.chunks, self.shuffle, self.resume
        )


def _on_team(team: Team, running: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run on a team, which has its own size and threads."""
    own = {"engine": "local", "workers": team.size, "threads": team.threads, "pin": team.pin}
    for name, value in own.items():
        if running.get(name, value) not in (value, "auto"):
            raise InputError(
                f"{name}={running[name]!r} does not go with a team of {name}={value!r}: "
                "leave one out"
            )
    return {**running, **own}


def _flag(given: dict[str, Any], name: str) -> bool | None:
    """Take a setting that is true, false or not given. The text "no" would count as true."""
    value = given.pop(name, None)
    if not isinstance(value, bool | None):
        raise InputError(f"{name}: expected true or false, got {value!r}")
    return value


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.pop(name, None)
    if not isinstance(value, str | None):
        raise InputError(f"{name}: expected a name, got {value!r}")
    return value


def _chunks(given: Any) -> str | None:
    """Chunks as the command line has them: a tuple is its numbers with commas."""
    if not isinstance(given, str | tuple | list | None):
        raise InputError(f"chunks: expected sides such as (64, 36, 48), got {given!r}")
    return given if given is None or isinstance(given, str) else ",".join(map(str, given))


class UnappliedAttributes(UserWarning):
    """The input says how its numbers are to be unpacked, and they are taken as they stand."""


def make_plan(job: Job, settings: Settings) -> Plan:
    """Plan a job and refuse what cannot work, before anything is started or changed."""
    packing = getattr(job.source, "packing", None)
    if packing and not job.decode_cf:
        warnings.warn(
            f"{getattr(job.source, 'path', 'the input')} has {', '.join(packing.names)}: its "
            "numbers are taken as they are stored, fill values too; --decode-cf (decode_cf=True) "
            "unpacks them",
            UnappliedAttributes,
            stacklevel=4,
        )
    if settings.resume and job.output is None:
        raise InputError("expected an output file to go on with, got none; leave out --resume")
    plan = build(job, settings.options, have_team=settings.team is not None)
    check_output(plan)
    return plan


def run_plan(plan: Plan, team: Team | None, listen: Listener) -> Outcome:
    """Run a plan on the engine that it names."""
    source = plan.job.source
    if isinstance(source, DatasetSource):
        # The first model of a fit is made here, of rows that are read here.
        here = plan.engine == "serial" or plan.fit is not None
        rehearse(source, rows=here, metadata=bool(plan.saved))
    with engine_of(plan.engine, plan.workers, plan.options, team) as engine:
        return execute(plan, engine, listen)


@contextlib.contextmanager
def engine_of(name: str, workers: int, options: Options, team: Team | None) -> Iterator[Engine]:
    """The engine that a plan names, on a team that is there, or one for this run."""
    with shortage_named():
        if name == "serial":
            yield Serial(options.threads)
            return
        from sharedcompute.engines.local import Local  # noqa: PLC0415

        if team is not None:
            yield Local(team, options.schedule, options.retries)
            return
        with Team(workers, options.threads, pin=options.pin) as own:
            yield Local(own, options.schedule, options.retries)
