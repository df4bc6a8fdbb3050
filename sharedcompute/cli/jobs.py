"""The commands that run a job."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.notes import note
from sharedcompute.cli.options import (
    AXIS,
    JOB,
    KEEPDIMS,
    OWN_PARAMETERS,
    PARAMETERS,
    SKIPNA,
    Shown,
    chosen,
    parameters,
    settings,
    with_options,
)
from sharedcompute.cli.stopped import note_stopped
from sharedcompute.errors import InputError

if TYPE_CHECKING:
    from sharedcompute.api.reductions import Axes
    from sharedcompute.api.settings import Settings
    from sharedcompute.cli.signals import Signals
    from sharedcompute.graph.ports import Source
    from sharedcompute.operations.declarations import Operation
    from sharedcompute.operations.fits.declaration import Iterative
    from sharedcompute.planning.job import Job

FEW = 64
"""Results that are printed rather than refused where no output is given."""


@dataclass(frozen=True)
class Words:
    """The words of a command line: operations, input, output."""

    operations: tuple[Operation | Iterative, ...]
    input: str
    output: str | None

    def one(self, command: str, instead: str) -> Operation | Iterative:
        """Return the operation of a command that takes only one."""
        if len(self.operations) != 1:
            raise InputError(
                f"{command} takes one operation, got {len(self.operations)}: {instead}"
            )
        return self.operations[0]


def _names(word: str) -> list[str]:
    return [name.strip() for name in word.split(",")]


def read_words(
    words: tuple[str, ...], op_from: tuple[str, ...], command: str, *, out: bool
) -> Words:
    """Read OP INPUT OUTPUT; OP may be left out where ``--op-from`` names it."""
    from sharedcompute.operations.catalogue import find, find_iterative, load  # noqa: PLC0415

    own: dict[str, Operation | Iterative] = {}
    for reference in op_from:
        op = load(reference)
        own.update({op.name: op, reference.rpartition(":")[2]: op})
    rest = list(words)
    kinds = ("map", "stencil") if command == "map" else (command,)
    operations: tuple[Operation | Iterative, ...] = ()
    # With --op-from the first word is OP only if it names one; else it is the input.
    if own and (len(rest) < (3 if out else 2) or not set(rest[0].split(",")) & set(own)):
        operations = tuple(dict.fromkeys(own.values()))
    elif rest:
        named = _names(rest.pop(0))
        if command in ("fit", "solve"):
            operations = tuple(own.get(name) or find_iterative(name, command) for name in named)
        else:
            operations = tuple(own.get(name) or find(name, *kinds) for name in named)
    wanted = "OP INPUT OUTPUT" if out else "OP INPUT [OUTPUT]"
    if not operations or len(rest) > 2 or len(rest) < (2 if out else 1):
        raise InputError(f"expected {command} {wanted}, got {' '.join(words) or 'nothing'}")
    return Words(operations, rest[0], rest[1] if len(rest) == 2 else None)


@click.command("map")
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*PARAMETERS, *JOB)
def map_(
    words: tuple[str, ...],
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Apply an operation that gives one row for each row; see `sharedcompute ops`."""
    _rowwise("map", words, op_from, parameters(params, skipna), options)


@click.command()
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*PARAMETERS, *JOB)
def scan(
    words: tuple[str, ...],
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Accumulate along rows: cumsum, cumprod, cummax."""
    _rowwise("scan", words, op_from, parameters(params, skipna), options)


def _rowwise(
    command: str,
    words: tuple[str, ...],
    op_from: tuple[str, ...],
    params: Mapping[str, object],
    options: Mapping[str, object],
) -> None:
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415
    from sharedcompute.api.rowwise import map_job  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.operations.catalogue import expect  # noqa: PLC0415

    given = read_words(words, op_from, command, out=True)
    named = given.one(command, "use `run`")
    asked = settings(options)
    op = expect(named, *(("map", "stencil") if command == "map" else (command,)))
    source = as_source(given.input, asked.reading.allow_external, asked.reading.rows)
    _run(
        map_job(op, source, Address.parse(str(given.output)).literal, asked, params), asked, options
    )


@click.command()
@click.argument("words", nargs=-1, metavar="OP[,OP...] INPUT [OUTPUT]")
@with_options(AXIS, KEEPDIMS, *PARAMETERS, *JOB)
def reduce(
    words: tuple[str, ...],
    axis: str | None,
    keepdims: bool,
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Reduce along some axes, by default the rows, all operations in one pass.

    OUTPUT names a group, which gets a dataset for each operation. Without OUTPUT a few results
    are printed.
    """
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415
    from sharedcompute.api.reductions import Axes  # noqa: PLC0415
    from sharedcompute.operations.catalogue import expect  # noqa: PLC0415

    given = read_words(words, op_from, "reduce", out=False)
    named, asked = parameters(params, skipna), settings(options)
    source = as_source(given.input, asked.reading.allow_external, asked.reading.rows)
    ops = tuple(expect(op, "reduce") for op in given.operations)
    _reduce(ops, source, given.output, Axes(axis or "rows", keepdims), named, asked, options)


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
    source = as_source(given.input, asked.reading.allow_external, asked.reading.rows)
    _run(fit_job(op, source, output, asked, named), asked, options)


@click.command()
@click.argument("input")
@click.argument("output", required=False)
@with_options(SKIPNA, AXIS, KEEPDIMS, *JOB)
def stats(
    input: str,
    output: str | None,
    skipna: bool,
    axis: str | None,
    keepdims: bool,
    **options: object,
) -> None:
    """Compute count, nan_count, mean, std, min, max; of all elements, or along some axes."""
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415
    from sharedcompute.api.reductions import Axes  # noqa: PLC0415
    from sharedcompute.api.statistics import stats_operations  # noqa: PLC0415

    asked = settings(options)
    source = as_source(input, asked.reading.allow_external, asked.reading.rows)
    ops, named = stats_operations(source), parameters((), skipna)
    _reduce(ops, source, output, Axes(axis or "all", keepdims), named, asked, options)


def _reduce(
    operations: Sequence[Operation],
    source: Source,
    output: str | None,
    axes: Axes,
    params: Mapping[str, object],
    asked: Settings,
    options: Mapping[str, object],
) -> None:
    from sharedcompute.api.reductions import reduce_job  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.operations.reductions.reduction import normal_axes  # noqa: PLC0415
    from sharedcompute.planning.job import as_axes  # noqa: PLC0415

    address = Address.parse(output).literal if output is not None else None
    job = reduce_job(tuple(operations), source, address, axes, asked, params)
    reduced = normal_axes(as_axes(axes.axis), len(source.shape))
    columns = math.prod(n for axis, n in enumerate(source.shape) if axis not in reduced)
    if address is None and columns > FEW:
        raise InputError(
            f"{columns} results for each operation are too many to print: "
            "name an OUTPUT, or give --axis all"
        )
    _run(job, asked, options)


@click.command()
@click.argument("job", type=click.Path(path_type=Path))
@click.option("--output", metavar="ADDRESS", help="Output instead of the job file's.")
@with_options(*JOB)
def run(job: Path, output: str | None, **options: object) -> None:
    """Run a pipeline from a TOML file: several operations in as few passes as can be."""
    from sharedcompute.api.pipelines import run_job  # noqa: PLC0415
    from sharedcompute.api.settings import Settings  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.planning.job import ReduceStep  # noqa: PLC0415
    from sharedcompute.planning.jobfile import read_job  # noqa: PLC0415

    described = read_job(job, None if output is None else Address.parse(output).literal)
    reduces = any(isinstance(step, ReduceStep) for step in described.steps)
    if described.output is None and not reduces:
        raise InputError(f'{job}: expected output = "FILE", or reductions to print, got neither')
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    # The command line's options go before the file's keys; its defaults do not.
    given = {k: v for k, v in options.items() if context.get_parameter_source(k) != default}
    asked = Settings.of({**chosen(options), **described.settings, **chosen(given)})
    _run(run_job(described, asked), asked, options)


def _run(job: Job, asked: Settings, options: Mapping[str, object]) -> None:
    """Plan a job, and print the plan or run it and print its results."""
    from sharedcompute.api.jobs import make_plan, run_plan  # noqa: PLC0415
    from sharedcompute.cli import tables  # noqa: PLC0415
    from sharedcompute.cli.planned import show_plan  # noqa: PLC0415
    from sharedcompute.cli.progress import Bar  # noqa: PLC0415
    from sharedcompute.report.records import run_record  # noqa: PLC0415
    from sharedcompute.report.totals import Totals  # noqa: PLC0415

    shown = Shown.of(options)
    plan = make_plan(job, asked)
    signals: Signals = click.get_current_context().obj
    if show_plan(plan, shown, overwrite=asked.storage.overwrite):
        return
    if job.output is not None:
        note_stopped(job.output.address, job.output.resume, shown.quiet)
    totals = Totals()
    with Bar(shown.quiet) as bar:
        outcome = run_plan(plan, None, signals.guard(totals, bar))
    if not shown.quiet:
        for text in outcome.warnings:
            note(text)
    if shown.as_json:
        record = run_record(plan, totals, outcome.seconds)
        click.echo(json.dumps({**record, "results": tables.as_json(outcome, FEW)}))
    else:
        tables.print_results(job, outcome, FEW)
