"""The commands that run a job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sharedcompute.cli.notes import note
from sharedcompute.cli.options import (
    AXIS,
    DECODE,
    EXTERNAL,
    OWN_PARAMETERS,
    PARAMETERS,
    RUN,
    STORE,
    parameters,
    settings,
    with_options,
)
from sharedcompute.cli.stopped import note_stopped
from sharedcompute.errors import InputError

FEW = 64
"""Results that are printed rather than refused where no output is given."""


@dataclass(frozen=True)
class Words:
    """The words of a command line: operations, input, output."""

    operations: tuple[Any, ...]
    input: str
    output: str | None


def _names(word: str) -> list[str]:
    return [name.strip() for name in word.split(",")]


def read_words(
    words: tuple[str, ...], op_from: tuple[str, ...], command: str, *, out: bool
) -> Words:
    """OP INPUT OUTPUT; OP may be left out where ``--op-from`` names it."""
    from sharedcompute.operations.catalogue import find, find_iterative, load  # noqa: PLC0415

    own = {}
    for reference in op_from:
        op = load(reference)
        own.update({op.name: op, reference.rpartition(":")[2]: op})
    rest = list(words)
    kinds = ("map", "stencil") if command == "map" else (command,)
    # With --op-from the first word is OP only if it names one; else it is the input.
    if own and (len(rest) < (3 if out else 2) or not set(rest[0].split(",")) & set(own)):
        operations = tuple(dict.fromkeys(own.values()))
    elif rest:
        named = _names(rest.pop(0))
        if command in ("fit", "solve"):
            operations = tuple(own.get(name) or find_iterative(name, command) for name in named)
        else:
            operations = tuple(own.get(name) or find(name, *kinds) for name in named)
    else:
        operations = ()
    wanted = "OP INPUT OUTPUT" if out else "OP INPUT [OUTPUT]"
    if not operations or len(rest) > 2 or len(rest) < (2 if out else 1):
        raise InputError(f"expected {command} {wanted}, got {' '.join(words) or 'nothing'}")
    return Words(operations, rest[0], rest[1] if len(rest) == 2 else None)


@click.command("map")
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*PARAMETERS, DECODE, EXTERNAL, *STORE, *RUN)
def map_(
    words: tuple[str, ...],
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: Any,
) -> None:
    """One row out for each row in, stencils included; see `sharedcompute ops`."""
    _rowwise("map", words, op_from, settings(options, parameters(params, skipna)), options)


@click.command()
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*PARAMETERS, DECODE, EXTERNAL, *STORE, *RUN)
def scan(
    words: tuple[str, ...],
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: Any,
) -> None:
    """Cumulative operations along rows: cumsum, cumprod, cummax."""
    _rowwise("scan", words, op_from, settings(options, parameters(params, skipna)), options)


def _rowwise(
    command: str,
    words: tuple[str, ...],
    op_from: tuple[str, ...],
    made: dict[str, Any],
    options: dict[str, Any],
) -> None:
    from sharedcompute.api.functions import map_job  # noqa: PLC0415
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415
    from sharedcompute.api.jobs import Settings  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.operations.catalogue import expect  # noqa: PLC0415

    said = read_words(words, op_from, command, out=True)
    if len(said.operations) != 1:
        raise InputError(f"{command} takes one operation, got {len(said.operations)}: use `run`")
    kinds = ("map", "stencil") if command == "map" else (command,)
    sorted_ = Settings.of(made)
    op = expect(said.operations[0], *kinds)
    output = Address.parse(str(said.output))
    _run(
        map_job(op, as_source(said.input, sorted_.reading.allow_external), output, sorted_),
        sorted_,
        options,
    )


@click.command()
@click.argument("words", nargs=-1, metavar="OP[,OP...] INPUT [OUTPUT]")
@with_options(AXIS, *PARAMETERS, DECODE, EXTERNAL, *STORE, *RUN)
def reduce(
    words: tuple[str, ...],
    axis: str | None,
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: Any,
) -> None:
    """Reduce rows (or all elements), all operations in one pass.

    OUTPUT names a group, which gets a dataset for each operation. Without OUTPUT a few results
    are printed.
    """
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415

    said = read_words(words, op_from, "reduce", out=False)
    made = settings(options, parameters(params, skipna))
    source = as_source(said.input, options["allow_external"])
    _reduce(said.operations, source, said.output, axis or "rows", made, options)


@click.command()
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*OWN_PARAMETERS, DECODE, EXTERNAL, *STORE, *RUN)
def fit(
    words: tuple[str, ...],
    params: tuple[str, ...],
    op_from: tuple[str, ...],
    **options: Any,
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
    options: dict[str, Any],
) -> None:
    """Run ``fit`` or ``solve``."""
    from sharedcompute.api.functions import fit_job  # noqa: PLC0415
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415
    from sharedcompute.api.jobs import Settings  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.operations.catalogue import expect_iterative  # noqa: PLC0415

    said = read_words(words, op_from, command, out=True)
    if len(said.operations) != 1:
        raise InputError(
            f"{command} takes one operation, got {len(said.operations)}: {command} one at a time"
        )
    sorted_ = Settings.of(settings(options, parameters(params)))
    op = expect_iterative(said.operations[0], command)
    output = Address.parse(str(said.output))
    source = as_source(said.input, sorted_.reading.allow_external)
    _run(fit_job(op, source, output, sorted_), sorted_, options)


@click.command()
@click.argument("input")
@click.argument("output", required=False)
@click.option("--skipna", is_flag=True, help="Leave NaN out.")
@with_options(AXIS, DECODE, EXTERNAL, *STORE, *RUN)
def stats(input: str, output: str | None, skipna: bool, axis: str | None, **options: Any) -> None:
    """count, nan_count, mean, std, min, max; of all elements, or of each column (--axis rows)."""
    from sharedcompute.api.functions import stats_operations  # noqa: PLC0415
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415

    source = as_source(input, options["allow_external"])
    made = settings(options, parameters((), skipna))
    _reduce(stats_operations(source), source, output, axis or "all", made, options)


def _reduce(
    operations: Sequence[Any],
    source: Any,
    output: str | None,
    axis: str,
    made: dict[str, Any],
    options: dict[str, Any],
) -> None:
    from sharedcompute.api.functions import reduce_job  # noqa: PLC0415
    from sharedcompute.api.jobs import Settings  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415

    sorted_ = Settings.of(made)
    address = Address.parse(output) if output is not None else None
    job = reduce_job(tuple(operations), source, address, axis, sorted_)
    columns = 1 if axis == "all" else _columns(source)
    if address is None and columns > FEW:
        raise InputError(
            f"{columns} results for each operation are too many to print: "
            "name an OUTPUT, or give --axis all"
        )
    _run(job, sorted_, options)


def _columns(source: Any) -> int:
    columns = 1
    for size in source.shape[1:]:
        columns *= size
    return columns


@click.command()
@click.argument("job", type=click.Path(path_type=Path))
@click.option("--output", metavar="ADDRESS", help="Instead of the job file's.")
@with_options(DECODE, EXTERNAL, *STORE, *RUN)
def run(job: Path, output: str | None, **options: Any) -> None:
    """A pipeline from a TOML file: several operations in as few passes as can be."""
    from sharedcompute.api.functions import run_job  # noqa: PLC0415
    from sharedcompute.api.jobs import Settings  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.plan.job import ReduceStep  # noqa: PLC0415
    from sharedcompute.plan.jobfile import read_job  # noqa: PLC0415

    told = read_job(job, None if output is None else Address.parse(output))
    if told.output is None and not any(isinstance(step, ReduceStep) for step in told.steps):
        raise InputError(f'{job}: expected output = "FILE", or reductions to print, got neither')
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    # What the command line says goes before what the file says; its defaults do not.
    said = {k: v for k, v in options.items() if context.get_parameter_source(k) != default}
    batch = {"retries": options["retries"]}
    sorted_ = Settings.of({**batch, **told.settings, **settings(said, {})})
    _run(run_job(told, sorted_), sorted_, options)


def _run(job: Any, sorted_: Any, options: dict[str, Any]) -> None:
    from sharedcompute import report  # noqa: PLC0415
    from sharedcompute.api.jobs import make_plan, run_plan  # noqa: PLC0415
    from sharedcompute.cli import tables  # noqa: PLC0415
    from sharedcompute.cli.progress import Bar  # noqa: PLC0415

    plan = make_plan(job, sorted_)
    signals = click.get_current_context().obj
    if options["dry_run"]:
        text = json.dumps(report.plan_record(plan)) if options["as_json"] else report.describe(plan)
        click.echo(text)
        return
    if job.output is not None:
        note_stopped(job.output.address, job.output.resume, options["quiet"])
    totals = report.Totals()
    with Bar(options["quiet"]) as bar:
        listen = signals.guard(totals, bar)
        outcome = run_plan(plan, None, listen)
    if not options["quiet"]:
        for text in outcome.warnings:
            note(text)
    if options["as_json"]:
        record = report.run_record(plan, totals, outcome.seconds)
        click.echo(json.dumps({**record, "results": tables.as_json(outcome, FEW)}))
    else:
        tables.print_results(job, outcome, FEW)
