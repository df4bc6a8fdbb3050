"""The options of every job, each declared once: type, default, help, limits.

The command line, the keys of job files, the keywords of Python's functions, the tables of the
documentation and the names that parameters of operations may not have are derived from these
declarations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sharedcompute.errors import InputError
from sharedcompute.options.declaration import OptionGroup, option, options_of
from sharedcompute.rows import Schedule
from sharedcompute.system import topology
from sharedcompute.system.machine import default_workers, parse_size
from sharedcompute.traits import EngineName, engine_names

_ROWS = re.compile(r"(?:[+-]?\d+)?\s*:\s*(?:[+-]?\d+)?\s*(?::\s*[+-]?0*[1-9]\d*)?")


def as_bytes(given: int | str | None) -> int | None:
    """Return `memory` in bytes; ``4G`` and the like are taken too."""
    if not isinstance(given, str):
        return given
    try:
        return parse_size(given)
    except ValueError as problem:
        raise InputError(f"memory: {problem}") from None


def as_chunks(given: str | Sequence[int] | None) -> str | None:
    """Return `chunks` as the command line has them: a tuple is its numbers with commas."""
    if given is None or isinstance(given, str):
        return given
    if not isinstance(given, Sequence):
        raise InputError(f"chunks: expected sides such as (64, 36, 48), got {given!r}")
    return ",".join(map(str, given))


def as_rows(given: str | slice | None) -> str | None:
    """Return `rows` as the command line has them: a slice is its numbers with colons."""
    if isinstance(given, slice):
        ends = ["" if end is None else str(end) for end in (given.start, given.stop, given.step)]
        given = ":".join(ends if ends[2] else ends[:2])
    if given is None or (isinstance(given, str) and _ROWS.fullmatch(given.strip())):
        return None if given is None else given.strip()
    raise InputError(f"rows: expected FROM:TO, FROM:TO:STEP or a slice, got {given!r}")


@dataclass(frozen=True)
class RunOptions(OptionGroup):
    """How a job is run. None of it changes a result, but for `block_rows`."""

    workers: int | None = option(
        None,
        "Number of worker processes; default: SHAREDCOMPUTE_WORKERS, or the cores available.",
        short="-j",
        least=1,
        of_team=True,
    )
    threads: int = option(1, "Threads in each worker.", least=1, of_team=True)
    pin: bool = option(False, "Pin each worker to cores of its own.", of_team=True)
    schedule: Schedule = option("dynamic", "How blocks of rows are assigned to workers.")
    block_rows: int | None = option(
        None,
        "Rows in a block; reductions are accumulated block by block.",
        least=1,
        repack=False,
    )
    memory: int | None = option(
        None,
        "Memory for all processes together, such as 4G; default: what is available.",
        metavar="SIZE",
        least=1,
        convert=as_bytes,
        accepts="int | str | None",
    )
    engine: EngineName = option(
        "auto",
        "Where blocks run; auto: serial in several threads, or local where workers gain.",
        among=engine_names,
        of_team=True,
    )
    retries: int = option(0, "Times to recompute the rows of a worker that died.", least=0, batch=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pin:
            topology.check_pins(self.team_size, self.threads)

    @property
    def team_size(self) -> int:
        """Number of workers, default resolved."""
        return self.workers or default_workers(self.threads if self.pin else 1)


@dataclass(frozen=True, kw_only=True)
class StorageOptions(OptionGroup):
    """How an output is stored. None of it goes with a job that has no output."""

    filter: str | None = option(
        None,
        "Filter of the output datasets, as NAME[:LEVEL]; default: the input's.",
        metavar="NAME[:LEVEL]",
    )
    chunks: str | None = option(
        None,
        "Chunk shape of the output datasets; default: the input's.",
        metavar="N,N,...|auto|contiguous",
        convert=as_chunks,
        accepts="str | Sequence[int] | None",
    )
    shuffle: bool | None = option(
        None, "Shuffle bytes before the filter of the output datasets; default: as the input's."
    )
    overwrite: bool = option(False, "Replace an output that exists.")
    resume: bool = option(False, "Continue a job that was stopped.")


@dataclass(frozen=True, kw_only=True)
class ReadOptions(OptionGroup):
    """How files are read, arrays given as parameters among them."""

    decode_cf: bool = option(
        False,
        "Apply scale_factor, add_offset, _FillValue and missing_value to what is read.",
        repack=False,
    )
    allow_external: bool = option(
        False, "Follow links, virtual sources and external storage out of the input's folder."
    )
    rows: str | None = option(
        None,
        "Rows of the input to take, as FROM:TO or FROM:TO:STEP; default: all.",
        metavar="FROM:TO",
        convert=as_rows,
        accepts="str | slice | None",
        repack=False,
    )


GROUPS = (RunOptions, StorageOptions, ReadOptions)


def names_of(*groups: type[OptionGroup]) -> tuple[str, ...]:
    """Return the names of all options of some groups."""
    return tuple(known.name for known in options_of(*groups))


OPTIONS = options_of(*GROUPS)
"""Of every job."""

NAMES = names_of(*GROUPS)

OF_A_TEAM = tuple(known.name for known in OPTIONS if known.of_team)
"""Settled by a team that runs."""

FOR_REPACK = tuple(known.name for known in OPTIONS if known.repack)
"""Of `repack`, which has no blocks of rows, and keeps packed numbers packed."""

ARGUMENTS = ("op", "input", "output", "listen", "team")
"""What calls take besides."""

OF_REDUCTIONS = ("axis", "keepdims", "where", "weights")
"""And what those of reductions take."""

KEYWORDS = (*NAMES, *ARGUMENTS)
"""All that can be given to a job by name, whatever its operation."""

OF_REPACK = (*FOR_REPACK, "input", "output", "check", "listen", "team")
"""All that `repack` takes."""

RESERVED = frozenset(KEYWORDS)
"""Parameters of operations cannot have these names."""
