"""Options that several commands share, and their meaning for the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from sharedcompute.errors import InputError
from sharedcompute.options.declaration import Option, OptionGroup, options_of
from sharedcompute.options.groups import GROUPS, NAMES

if TYPE_CHECKING:
    from sharedcompute.api.settings import Settings

Function = TypeVar("Function", bound=Callable[..., object])
Decorator = Callable[[Callable[..., object]], Callable[..., object]]


def click_option(known: Option) -> Decorator:
    """Make the command line's form of an option."""
    if known.kind is bool:
        flags = f"{known.flag}/--no-{known.flag.removeprefix('--')}"
        default = None if known.optional else False
        return click.option(
            flags if known.optional else known.flag,
            is_flag=True,
            default=default,
            help=known.help,
        )
    return click.option(
        *filter(None, (known.short, known.flag)),
        type=_value_type(known),
        default=known.batch,
        show_default=known.batch is not None,
        metavar=known.metavar or None,
        help=known.help,
    )


def _value_type(known: Option) -> click.Choice[str] | click.IntRange | None:
    """Return the type of an option's value; None for text."""
    if known.allowed:
        return click.Choice(known.allowed)
    if known.kind is int and known.convert is None:
        return click.IntRange(known.least, known.most)
    return None


def click_options(*groups: type[OptionGroup], repack: bool = False) -> tuple[Decorator, ...]:
    """Make the options of some groups; with `repack` those that have a meaning for it."""
    return tuple(click_option(o) for o in options_of(*groups) if o.repack or not repack)


OWN_PARAMETERS: tuple[Decorator, ...] = (
    click.option(
        "-p",
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        help="Parameter of the operation; may be repeated.",
    ),
    click.option(
        "--op-from", multiple=True, metavar="FILE.py:NAME", help="Operation from a Python file."
    ),
)
SKIPNA: Decorator = click.option("--skipna", is_flag=True, help="Leave NaN out.")
PARAMETERS = (*OWN_PARAMETERS, SKIPNA)

OUTCOME: tuple[Decorator, ...] = (
    click.option("--dry-run", is_flag=True, help="Print the plan and stop."),
    click.option("--json", "as_json", is_flag=True, help="Print a JSON summary on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="Show no progress and no notes."),
)

SVG: Decorator = click.option(
    "--svg", metavar="FILE", help="Draw the passes of the plan as a picture, and stop."
)

JOB = (*click_options(*reversed(GROUPS)), *OUTCOME, SVG)
"""What all commands that run a job take."""

REPACK = (*click_options(*reversed(GROUPS), repack=True), *OUTCOME)

EXTERNAL = next(click_option(o) for o in options_of(*GROUPS) if o.name == "allow_external")

AXIS: Decorator = click.option(
    "--axis", metavar="rows|all|N,N,...", help="Axes to reduce along, such as -1 or 0,2."
)

KEEPDIMS: Decorator = click.option(
    "--keepdims", is_flag=True, help="Keep the axes that are reduced, with length 1."
)


CHOSEN: tuple[Decorator, ...] = (
    click.option(
        "--where",
        metavar="ADDRESS|TEXT",
        help="The elements that take part: a dataset of booleans, or of 0 and 1, or with --in an "
        "expression; broadcast against the input.",
    ),
    click.option(
        "--weights",
        metavar="ADDRESS|TEXT",
        help="How much each element counts, for mean, sum, var and std: broadcast as --where, or "
        "an entry for each place along the one axis.",
    ),
)


class Group(click.Group):
    """Commands of which one has to be named: without, the help on stderr, and wrong usage.

    As click does since 8.2; before, that was the help on stdout, and success.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of a command line."""
        if not args:
            click.echo(ctx.get_help(), err=True)
            raise SystemExit(2)  # `ctx.exit` only returns the code here
        return super().parse_args(ctx, args)


def with_options(*options: Decorator) -> Callable[[Function], Function]:
    """Give a command several options, in the order in which help lists them."""

    def decorate(command: Function) -> Function:
        for add in reversed(options):
            add(command)  # click notes them on the function itself
        return command

    return decorate


@dataclass(frozen=True)
class Shown:
    """What a command prints.

    Parameters
    ----------
    dry_run : bool
        The plan, and nothing is run.
    as_json : bool
        A summary as JSON.
    quiet : bool
        Neither progress nor notes.
    svg : str or None
        The plan goes to this file as a picture, and nothing is run.
    """

    dry_run: bool
    as_json: bool
    quiet: bool
    svg: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Shown:
        """Take it from a command's options."""
        dry_run, as_json, quiet = (options[n] is True for n in ("dry_run", "as_json", "quiet"))
        svg = options.get("svg")
        return cls(dry_run, as_json, quiet, svg if isinstance(svg, str) else None)


def parameters(given: tuple[str, ...], skipna: bool = False) -> dict[str, object]:
    """Return the parameters that ``-p NAME=VALUE`` and ``--skipna`` give.

    Raises
    ------
    InputError
        One is given twice, or is an option.
    """
    params: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"expected -p NAME=VALUE, got {text!r}")
        if name in params:
            raise InputError(f"parameter {name!r} is given twice: give it once")
        if name in NAMES:
            option = name.replace("_", "-")
            raise InputError(f"{name!r} is an option, not a parameter: give --{option}")
        if name == "team":
            raise InputError("'team' is for Python, not a parameter: give --workers")
        params[name] = value
    if skipna:
        params["skipna"] = True
    return params


def chosen(options: Mapping[str, object]) -> dict[str, object]:
    """Return the options of the job among those of a command."""
    return {name: options[name] for name in NAMES if options.get(name) is not None}


def settings(options: Mapping[str, object]) -> Settings:
    """Return what the options of a command ask for."""
    from sharedcompute.api.settings import Settings  # noqa: PLC0415

    return Settings.of(chosen(options))
