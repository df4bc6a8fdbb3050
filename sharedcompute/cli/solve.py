"""The command that solves equations on grids and matrices."""

from __future__ import annotations

import click

from sharedcompute.cli.jobs import iterate
from sharedcompute.cli.options import JOB, OWN_PARAMETERS, with_options


@click.command()
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*OWN_PARAMETERS, *JOB)
def solve(
    words: tuple[str, ...],
    params: tuple[str, ...],
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Solve by iteration on a grid or a matrix: heat, jacobi, power; see `sharedcompute ops`.

    OUTPUT names a group, which gets a dataset for each result, and the history. Ctrl-C stops it
    with the best so far; a second one leaves the output as it was.
    """
    iterate("solve", words, params, op_from, options)
