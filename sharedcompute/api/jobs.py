"""Running a job: the plan, the engine, the team. All that a user calls comes through here."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sharedcompute.engines.durability.durable_output import check_output
from sharedcompute.engines.execute import Outcome, execute
from sharedcompute.engines.serial import Serial
from sharedcompute.engines.units.work import Engine
from sharedcompute.errors import InputError, Worded
from sharedcompute.events import Listener
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import rehearse, rehearse_all
from sharedcompute.operations.rowwise.unpacking import meant_otherwise
from sharedcompute.options import KEYWORDS, ReadOptions, RunOptions, StorageOptions
from sharedcompute.plan.build import build
from sharedcompute.plan.job import Job
from sharedcompute.plan.output import OutputSpec
from sharedcompute.plan.plan import Plan
from sharedcompute.system.machine import parse_size
from sharedcompute.system.shortage import shortage_named
from sharedcompute.team import Team
from sharedcompute.wording import flag


@dataclass(frozen=True)
class Settings:
    """What one call asks for beside its input: options, and parameters.

    Parameters
    ----------
    options : RunOptions
    storage : StorageOptions
    reading : ReadOptions
    team : Team or None
        A running team; None: one is started where it pays, and closed at the end.
    params : mapping
        All that is left: the operation's parameters.
    """

    options: RunOptions
    storage: StorageOptions
    reading: ReadOptions
    team: Team | None
    params: Mapping[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Sort keyword arguments: options have fixed names, the rest are parameters."""
        rest = dict(given)
        running = _taken(rest, RunOptions)
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
            RunOptions(**running),
            StorageOptions(**_checked(_taken(rest, StorageOptions))),
            ReadOptions(**_checked(_taken(rest, ReadOptions))),
            team,
            rest,
        )

    def check_names(self, declared: Iterable[str], besides: Iterable[str] = ()) -> None:
        """Refuse a keyword that is nearer to one of the call itself than to a parameter.

        What is near to none is for the operation to refuse, which knows its own.

        Parameters
        ----------
        declared : iterable of str
            The parameters of the operation.
        besides : iterable of str
            What this call takes beside `KEYWORDS`.

        Raises
        ------
        InputError
            With the nearest name.
        """
        known = {*declared}
        for name in self.params:
            if name in known:
                continue
            near = difflib.get_close_matches(name, [*known, *KEYWORDS, *besides], n=1)
            if near and near[0] not in known:
                raise InputError(f"unknown keyword {name!r}: did you mean {near[0]!r}?")

    def output(self, address: Address | None) -> OutputSpec | None:
        """The output at `address`, stored as asked.

        Raises
        ------
        InputError
            Without one, something was asked of it.
        """
        if address is not None:
            return OutputSpec(address=address, **vars(self.storage))
        for name in self.storage.given:
            raise InputError(
                f"{name}: expected an output file for it, got none; name one, or leave {name} out"
            )
        return None


def _taken(given: dict[str, Any], group: type[Any]) -> dict[str, Any]:
    """Take the options of a group."""
    return {f.name: given.pop(f.name) for f in fields(group) if f.name in given}


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options that are flags, names or chunks; None stands for the default."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "chunks":
            found[name] = _chunks(value)
        elif name == "filter":
            found[name] = _text(name, value)
        elif value is not None:
            found[name] = _flag(name, value)
    return found


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


def _flag(name: str, value: Any) -> bool:
    """A flag. The text "no" would count as true."""
    if not isinstance(value, bool):
        raise InputError(f"{name}: expected true or false, got {value!r}")
    return value


def _text(name: str, value: Any) -> str | None:
    if not isinstance(value, str | None):
        raise InputError(f"{name}: expected a name, got {value!r}")
    return value


def _chunks(given: Any) -> str | None:
    """Chunks as the command line has them: a tuple is its numbers with commas."""
    if not isinstance(given, str | tuple | list | None):
        raise InputError(f"chunks: expected sides such as (64, 36, 48), got {given!r}")
    return given if given is None or isinstance(given, str) else ",".join(map(str, given))


class UnappliedAttributes(Worded, UserWarning):
    """The input says how its numbers are to be unpacked, and they are taken as they stand."""


class NotKept(Worded, UserWarning):
    """Something of the input has no place in the output."""


class UncachedKernels(UserWarning):
    """What numba compiles is not kept: every process, and every command, compiles again."""


def note_cache() -> None:
    """Say, here and not in each worker, that numba has no folder to keep what it compiles."""
    from sharedcompute.kernels.cache import is_kept  # noqa: PLC0415 - imports numba

    if not is_kept():
        warnings.warn(
            "numba finds no folder that it may write to, so each process compiles all kernels "
            "again, which takes seconds: set NUMBA_CACHE_DIR to one",
            UncachedKernels,
            stacklevel=5,
        )


def make_plan(job: Job, settings: Settings) -> Plan:
    """Plan a job and refuse what cannot work, before anything is started or changed."""
    for text in _unapplied(job):
        warnings.warn(text, UnappliedAttributes, stacklevel=4)
    plan = build(job, settings.options, have_team=settings.team is not None)
    _check_effect(plan, settings)
    check_output(plan)
    note_cache()
    return plan


def _unapplied(job: Job) -> Iterator[str]:
    """What attributes of the input say of its numbers that the job takes no notice of."""
    source = job.source
    if not isinstance(source, DatasetSource):
        return
    names = source.packing.changes(source.dtype) if source.packing else ()
    if names and not job.decode_cf:
        yield (
            f"{source.path} has {', '.join(names)}: its numbers are taken as they are stored, "
            f"fill values too; {flag('decode_cf')} unpacks them"
        )
    if source.glob is None:
        for name, one, other in itertools.islice(meant_otherwise(source), 1):
            yield (
                f"{source.path} is put together from {one.source} and {other.source}, which differ "
                f"in {name}: their numbers are taken as they are stored, as HDF5 reads them; join "
                "the files themselves by a glob to unpack each by its own attributes"
            )


def _check_effect(plan: Plan, settings: Settings) -> None:
    """Refuse options that nothing of a job can follow.

    Raises
    ------
    InputError
    """
    if not plan.reads.seen:
        for name in settings.reading.given:
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
    here = plan.engine == "serial" or plan.fit is not None
    if len(plan.sources) == 1:
        rehearse(plan.sources[0], rows=here, metadata=bool(plan.results))
    else:
        rehearse_all(plan.sources, rows=here, metadata=bool(plan.results))
    with engine_of(plan.engine, plan.workers, plan.options, team) as engine:
        return execute(plan, engine, listen)


@contextlib.contextmanager
def engine_of(name: str, workers: int, options: RunOptions, team: Team | None) -> Iterator[Engine]:
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
