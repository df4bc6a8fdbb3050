"""What an option is: a field of a group that declares its type, default, help and limits."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from numbers import Integral
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sharedcompute.errors import InputError

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
        for known in _options(cast(Hashable, type(self))):
            value = getattr(self, known.name)
            # Groups are made for every call: what was not given needs no check.
            if value is not known.default:
                known.check(value)

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
