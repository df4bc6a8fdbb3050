"""The commands that iterate until it has converged: fit, solve."""

from __future__ import annotations

from collections.abc import Mapping

import click

from sharedcompute.cli.options import (
    JOB,
    OWN_PARAMETERS,
    parameters,
    settings,
    with_options,
)
from sharedcompute.cli.running import run_and_print
from sharedcompute.cli.words import read_words


@click.command()
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*OWN_PARAMETERS, *JOB)
def fit(
    words: tuple[str, ...],
    params: tuple[str, ...],
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Iterate until it has converged: kmeans, pca, lstsq, ridge; see `sharedcompute ops`.

    OUTPUT names a group, which gets a dataset for each result, and the history. Ctrl-C stops it
    with the best so far; a second one leaves the output as it was.
    """
    iterate("fit", words, params, op_from, options)


def iterate(
    command: str,
    words: tuple[str, ...],
    params: tuple[str, ...],
    op_from: tuple[str, ...],
    options: Mapping[str, object],
) -> None:
    """Run ``fit`` or ``solve``."""
    from sharedcompute.api.fits import fit_job  # noqa: PLC0415
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.operations.catalogue import expect_iterative  # noqa: PLC0415

    given = read_words(words, op_from, command, out=True)
    one = given.one(command, f"{command} one at a time")
    named, asked = parameters(params), settings(options)
    op, output = expect_iterative(one, command), Address.parse(str(given.output)).literal
    source = as_source(given.source, asked.reading.allow_external, asked.reading.rows)
    run_and_print(fit_job(op, source, output, asked, named), asked, options)


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
