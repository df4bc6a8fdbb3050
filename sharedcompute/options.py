"""The options of every job, beside its operation, its input and its output.

Each is declared here once: type, default, help, limits. The command line, the keys of job files,
the keywords of Python's functions, the tables of the documentation and the names that parameters
of operations may not have are derived from these declarations.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from numbers import Integral
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sharedcompute.errors import InputError
from sharedcompute.rows import Schedule
from sharedcompute.system import topology
from sharedcompute.system.machine import default_workers, parse_size
from sharedcompute.traits import EngineName, engine_names

Default = TypeVar("Default")


@dataclass(frozen=True)
class _Declared:
    """What `option` notes of an option; see there."""

    help: str
    short: str
    metavar: str
    least: int | None
    most: int | None
    convert: Callable[..., object] | None
    accepts: str
    among: Callable[[], tuple[str, ...]] | None
    batch: object
    repack: bool
    of_team: bool


def option(  # noqa: PLR0913 - an option is all of this
    default: Default,
    help: str,
    *,
    short: str = "",
    metavar: str = "",
    least: int | None = None,
    most: int | None = None,
    convert: Callable[..., object] | None = None,
    accepts: str = "",
    among: Callable[[], tuple[str, ...]] | None = None,
    batch: object = None,
    repack: bool = True,
    of_team: bool = False,
) -> Default:
    """Declare an option: a field of a group, whose annotation is the option's type.

    Parameters
    ----------
    default : object
    help : str
        One sentence or two, for the command line and for Python.
    short : str
        The short flag, such as ``-j``.
    metavar : str
        Name of the value in the command line's help.
    least : int, optional
        The smallest number allowed.
    most : int, optional
        The largest number allowed.
    convert : callable, optional
        Makes the field's value from what Python's keyword or the command line's text gives.
    accepts : str
        The annotation of Python's keyword, where `convert` takes more than the field's type.
    among : callable, optional
        Returns the names that are allowed, where more can be registered than the type has.
    batch : object, optional
        Default on the command line, where it differs.
    repack : bool
        Whether the option has a meaning for `repack`.
    of_team : bool
        Whether a running team has settled it: methods of `Team` do not take it, and a call with
        ``team=`` refuses another value than the team's. `Team` has an attribute of the same name.
    """
    noted = _Declared(
        help, short, metavar, least, most, convert, accepts, among, batch, repack, of_team
    )
    made: Default = field(default=default, metadata={"option": noted})
    return made


@dataclass(frozen=True)
class Option:
    """One option, as the front ends need it.

    Parameters
    ----------
    name, help, short, metavar, least, most, convert, among, batch, repack, of_team
        As declared by `option`.
    default : object
    accepts : str
        The annotation of Python's keyword.
    kind : type
        ``bool``, ``int`` or ``str``.
    choices : tuple of str
        Of a `Literal`; empty for others.
    optional : bool
        Whether None, "as it comes", is a value.
    """

    name: str
    help: str
    short: str
    metavar: str
    least: int | None
    most: int | None
    convert: Callable[..., object] | None
    among: Callable[[], tuple[str, ...]] | None
    batch: object
    repack: bool
    of_team: bool
    default: object
    accepts: str
    kind: type
    choices: tuple[str, ...]
    optional: bool

    @property
    def flag(self) -> str:
        """The command line's spelling."""
        return "--" + self.name.replace("_", "-")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The names that can be given; empty where any value of the type can."""
        return self.choices if self.among is None else self.among()

    def converted(self, given: object) -> object:
        """Make the field's value from what was given."""
        return given if self.convert is None else self.convert(given)

    def check(self, value: object) -> None:
        """Refuse a value of the wrong kind, or outside the limits.

        Raises
        ------
        InputError
        """
        if value is None and (self.optional or self.kind is bool):
            return
        choices = self.allowed
        if choices and value not in choices:
            raise InputError(f"{self.name}: expected one of {', '.join(choices)}, got {value!r}")
        if self.kind is bool and not isinstance(value, bool):
            raise InputError(f"{self.name}: expected true or false, got {value!r}")
        if self.kind is int:
            self._check_number(value)
        if self.kind is str and not isinstance(value, str):
            raise InputError(f"{self.name}: expected a name, got {value!r}")

    def _check_number(self, value: object) -> None:
        """Refuse what is no whole number, or outside the limits."""
        least = 0 if self.least is None else self.least
        if (
            isinstance(value, Integral)
            and not isinstance(value, bool)
            and least <= int(value)
            and (self.most is None or int(value) <= self.most)
        ):
            return
        limits = f"of at least {least}" if self.most is None else f"from {least} to {self.most}"
        raise InputError(f"{self.name}: expected a whole number {limits}, got {value!r}")


@dataclass(frozen=True)
class OptionGroup:
    """Options that belong together. Each is checked when a group is made."""

    def __post_init__(self) -> None:
        for known in options_of(type(self)):
            known.check(getattr(self, known.name))

    @property
    def given(self) -> tuple[str, ...]:
        """The names of those that ask for something."""
        return tuple(
            known.name
            for known in options_of(type(self))
            if getattr(self, known.name) not in (None, known.default)
        )


Group = TypeVar("Group", bound=OptionGroup)


def options_of(*groups: type[OptionGroup]) -> tuple[Option, ...]:
    """Return all options that some groups declare, in their order."""
    # The type of a frozen dataclass is hashable, which mypy denies.
    return tuple(known for group in groups for known in _options(cast(Hashable, group)))


@functools.cache
def _options(group: type[OptionGroup]) -> tuple[Option, ...]:
    hints = get_type_hints(group)
    declared = [one for one in fields(group) if "option" in one.metadata]
    return tuple(_option(one, hints[one.name]) for one in declared)


def _option(one: Field[object], hint: object) -> Option:
    noted: _Declared = one.metadata["option"]
    kind, choices, optional = _kind(hint)
    return Option(
        one.name,
        noted.help,
        noted.short,
        noted.metavar,
        noted.least,
        noted.most,
        noted.convert,
        noted.among,
        batch=one.default if noted.batch is None else noted.batch,
        repack=noted.repack,
        of_team=noted.of_team,
        default=one.default,
        accepts=noted.accepts or str(one.type),
        kind=kind,
        choices=choices,
        optional=optional,
    )


def _kind(hint: object) -> tuple[type, tuple[str, ...], bool]:
    """Return the type of an annotation, its choices, and whether it has None."""
    optional = get_origin(hint) in (Union, types.UnionType)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return str, get_args(hint), optional
    assert isinstance(hint, type)
    return hint, (), optional


def build(group: type[Group], given: Mapping[str, object]) -> Group:
    """Make a group from keywords, a job file's keys or the words of a command line.

    Names that are not the group's are left alone.
    """
    known = {known.name: known for known in options_of(group)}
    made = {name: known[name].converted(given[name]) for name in known if name in given}
    return replace(group(), **made)


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
        "Where blocks run; auto: local, or serial where the job is too small to gain.",
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

OF_REDUCTIONS = ("axis",)
"""And what those of reductions take."""

KEYWORDS = (*NAMES, *ARGUMENTS)
"""All that can be given to a job by name, whatever its operation."""

OF_REPACK = (*FOR_REPACK, "input", "output", "check", "listen", "team")
"""All that `repack` takes."""

RESERVED = frozenset(KEYWORDS)
"""Parameters of operations cannot have these names."""
