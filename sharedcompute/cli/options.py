"""Options that several commands share, and what they mean to the API."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sharedcompute.errors import InputError
from sharedcompute.options import ENGINES, NAMES
from sharedcompute.rows import SCHEDULES

Command = TypeVar("Command", bound=Callable[..., Any])

BLOCK_ROWS = click.option(
    "--block-rows", type=click.IntRange(1), help="Rows that a worker takes at a time."
)

RUN = (
    click.option("-j", "--workers", type=click.IntRange(1), help="Worker processes."),
    click.option("--threads", type=click.IntRange(1), default=1, help="Threads in each worker."),
    click.option("--pin", is_flag=True, help="Keep each worker on cores of its own."),
    click.option("--schedule", type=click.Choice(SCHEDULES), default="dynamic", show_default=True),
    BLOCK_ROWS,
    click.option("--memory", metavar="SIZE", help="For all processes together, as in 4G."),
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default="auto",
        help="auto: local, or serial where the job is too small to gain.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace an output that exists."),
    click.option("--resume", is_flag=True, help="Go on with a job that was stopped."),
    click.option(
        "--retries",
        type=click.IntRange(0),
        default=2,
        show_default=True,
        help="Times that rows are computed again whose worker died.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the plan and stop."),
    click.option("--json", "as_json", is_flag=True, help="A summary for programs on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="No progress."),
)

STORE = (
    click.option("--filter", metavar="NAME[:LEVEL]", help="Of the output; default: the input's."),
    click.option("--chunks", metavar="N,N,...|auto|contiguous", help="Of the output."),
    click.option("--shuffle/--no-shuffle", default=None, help="Of the output."),
)

OWN_PARAMETERS = (
    click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE"),
    click.option("--op-from", multiple=True, metavar="FILE.py:NAME", help="Your own operation."),
)

PARAMETERS = (
    *OWN_PARAMETERS,
    click.option("--skipna", is_flag=True, help="Leave NaN out."),
)

DECODE = click.option(
    "--decode-cf", is_flag=True, help="Apply scale_factor, add_offset, _FillValue, missing_value."
)

EXTERNAL = click.option(
    "--allow-external",
    is_flag=True,
    help="Follow links, virtual sources and external storage out of the input's folder.",
)

AXIS = click.option("--axis", type=click.Choice(["rows", "all"]), help="What is reduced.")


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


def with_options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Give a command several options, in the order in which help lists them."""

    def decorate(command: Command) -> Command:
        return functools.reduce(lambda made, option: option(made), reversed(options), command)

    return decorate


def parameters(given: tuple[str, ...], skipna: bool = False) -> dict[str, Any]:
    """What ``-p NAME=VALUE`` and ``--skipna`` say."""
    params: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"expected -p NAME=VALUE, got {text!r}")
        if name.strip() in params:
            raise InputError(f"parameter {name.strip()!r} is given twice: give it once")
        params[name.strip()] = value
    if skipna:
        params["skipna"] = True
    return params


def settings(options: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments that the API takes."""
    for name in params:
        if name in NAMES:
            option = name.replace("_", "-")
            raise InputError(f"{name!r} is an option, not a parameter: give --{option}")
        if name == "team":
            raise InputError("'team' is for Python, not a parameter: give --workers")
    chosen = {name: options[name] for name in NAMES if name in options}
    return {**{k: v for k, v in chosen.items() if v is not None}, **params}
