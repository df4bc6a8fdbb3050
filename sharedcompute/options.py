"""What may be said of a job beside its operation, its input and its output.

The one definition: calls, job files, the command line and the names that parameters may not have
are all made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.rows import SCHEDULES, Schedule
from sharedcompute.system import topology
from sharedcompute.system.machine import default_workers
from sharedcompute.traits import AUTO, engine_names

ENGINES = engine_names()


@dataclass(frozen=True)
class RunOptions:
    """How a job is run. None of it changes a result, but for `block_rows`.

    Parameters
    ----------
    workers : int or None
        Worker processes; None: what SHAREDCOMPUTE_WORKERS says, else the cores that this process
        may use.
    threads : int
        Threads in each worker.
    schedule : str
        How blocks go to workers.
    block_rows : int or None
        Rows of a block. It moves the bounds between which reductions are added up first.
    memory : int or None
        Bytes for all processes together; None: what is available.
    engine : str
        ``auto``, ``serial`` or ``local``.
    retries : int
        How many times rows are computed again whose worker died.
    pin : bool
        Keep each worker on cores of its own.
    """

    workers: int | None = None
    threads: int = 1
    schedule: Schedule = "dynamic"
    block_rows: int | None = None
    memory: int | None = None
    engine: str = AUTO
    retries: int = 0
    pin: bool = False

    def __post_init__(self) -> None:
        least_of = {"workers": 1, "threads": 1, "block_rows": 1, "memory": 1, "retries": 0}
        for name, least in least_of.items():
            value = getattr(self, name)
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if value is not None and (not whole or value < least):
                raise InputError(
                    f"{name}: expected a whole number of at least {least}, got {value!r}"
                )
        for name, known in (("schedule", SCHEDULES), ("engine", engine_names())):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        if not isinstance(self.pin, bool):
            raise InputError(f"pin: expected true or false, got {self.pin!r}")
        if self.pin:
            topology.check_pins(self.team_size, self.threads)

    @property
    def team_size(self) -> int:
        """Workers, worked out."""
        return self.workers or default_workers(self.threads if self.pin else 1)


class _Group:
    """Options that do not go with every job, so that one that is given for nothing is refused."""

    @property
    def given(self: Any) -> tuple[str, ...]:
        """The names of those that ask for something."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)


@dataclass(frozen=True, kw_only=True)
class StorageOptions(_Group):
    """How an output is stored. None of it goes with a job that has no output.

    Parameters
    ----------
    overwrite : bool
        Replace what is named if it exists.
    filter, chunks, shuffle
        As on the command line; None means as the input's.
    resume : bool
        Go on with a job that was stopped.
    """

    overwrite: bool = False
    filter: str | None = None
    chunks: str | None = None
    shuffle: bool | None = None
    resume: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadOptions(_Group):
    """How files are read.

    Parameters
    ----------
    decode_cf : bool
        Unpack numbers as their CF attributes say.
    allow_external : bool
        Read what links, virtual sources and external storage name elsewhere than in the folder of
        the file that was named; of arrays given as parameters too.
    """

    decode_cf: bool = False
    allow_external: bool = False


def names_of(*groups: type[RunOptions | StorageOptions | ReadOptions]) -> tuple[str, ...]:
    """The names of all options of some groups."""
    return tuple(f.name for group in groups for f in fields(group))


NAMES = names_of(RunOptions, StorageOptions, ReadOptions)
"""Of every job."""

FOR_REPACK = tuple(name for name in NAMES if name not in ("block_rows", "decode_cf"))
"""Of `repack`, which has no blocks of rows, and keeps packed numbers packed."""

ARGUMENTS = ("op", "input", "output", "listen", "team")
"""What calls take besides."""

OF_REDUCTIONS = ("axis",)
"""And what those of reductions take."""

KEYWORDS = (*NAMES, *ARGUMENTS)
"""All that can be said of a job by name, whatever its operation."""

OF_REPACK = (*FOR_REPACK, "input", "output", "check", "listen", "team")
"""All that `repack` takes."""

RESERVED = frozenset(KEYWORDS)
"""Parameters called so could never be given."""
