"""The commands that run a job."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.expressions import EXPRESSION, Asked
from sharedcompute.cli.options import (
    AXIS,
    CHOSEN,
    JOB,
    KEEPDIMS,
    PARAMETERS,
    SKIPNA,
    chosen,
    parameters,
    settings,
    with_options,
)
from sharedcompute.cli.running import FEW, run_and_print
from sharedcompute.cli.words import read_places, read_words
from sharedcompute.errors import InputError

if TYPE_CHECKING:
    from sharedcompute.api.reductions import Axes
    from sharedcompute.operations.declarations import Operation
    from sharedcompute.operations.specs import DType


@click.command("map")
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*EXPRESSION, *PARAMETERS, *JOB)
def map_(
    words: tuple[str, ...],
    expr: str | None,
    inputs: tuple[str, ...],
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Apply an operation that gives one row for each row; see `sharedcompute ops`.

    With --expr there is no OP, and with --in no INPUT: map --expr TEXT --in NAME=ADDRESS OUTPUT.
    Several expressions go to a dataset each in the file or group OUTPUT.
    """
    given, named = Asked.of(expr, inputs), parameters(params, skipna)
    if given is None:
        _rowwise("map", words, op_from, named, options)
    else:
        _map_expressions(given, words, op_from, named, options)


@click.command()
@click.argument("words", nargs=-1, metavar="OP INPUT OUTPUT")
@with_options(*EXPRESSION, *PARAMETERS, *JOB)
def scan(
    words: tuple[str, ...],
    expr: str | None,
    inputs: tuple[str, ...],
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Accumulate along rows: cumsum, cumprod, cummax.

    With --expr and --in there is no INPUT: the rows are those of the expression.
    """
    given, named = Asked.of(expr, inputs), parameters(params, skipna)
    if given is None:
        _rowwise("scan", words, op_from, named, options)
    else:
        _scan_expression(given, words, op_from, named, options)


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
    source = as_source(given.source, asked.reading.allow_external, asked.reading.rows)
    run_and_print(
        map_job(op, source, Address.parse(str(given.output)).literal, asked, params), asked, options
    )


def _map_expressions(
    given: Asked,
    words: tuple[str, ...],
    op_from: tuple[str, ...],
    params: Mapping[str, object],
    options: Mapping[str, object],
) -> None:
    from sharedcompute.api.expressions import map_expressions  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.operations.catalogue import expect, load  # noqa: PLC0415

    if params:
        name = next(iter(params))
        raise InputError(
            f"map --expr: expected parameters in the expression, got {name}: write them there, as "
            "in gaussian(u, sigma=2) or nanmean(u)"
        )
    source, output = read_places(words, "map --expr TEXT", has_input=not given.inputs)
    asked = settings(options)
    own = [expect(load(reference), "map", "stencil", "scan") for reference in op_from]
    written = given.written(source, asked, own)
    large = [each for each in written if each.size > FEW]
    if output is None and large:
        raise InputError(
            f"{large[0].called} has {large[0].size} numbers, too many to print: name an OUTPUT"
        )
    address = None if output is None else Address.parse(output).literal
    run_and_print(map_expressions(written, address, asked), asked, options)


def _scan_expression(
    given: Asked,
    words: tuple[str, ...],
    op_from: tuple[str, ...],
    params: Mapping[str, object],
    options: Mapping[str, object],
) -> None:
    from sharedcompute.api.expressions import scan_expression  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.operations.catalogue import expect  # noqa: PLC0415

    found = read_words(words, op_from, "scan", out=True, has_input=not given.inputs)
    op = expect(found.one("scan", "use `run`"), "scan")
    asked, output = settings(options), Address.parse(str(found.output)).literal
    written = given.written(found.input, asked)
    run_and_print(scan_expression(written, op, output, asked, params), asked, options)


@click.command()
@click.argument("words", nargs=-1, metavar="OP[,OP...] INPUT [OUTPUT]")
@with_options(*EXPRESSION, AXIS, KEEPDIMS, *CHOSEN, *PARAMETERS, *JOB)
def reduce(
    words: tuple[str, ...],
    expr: str | None,
    inputs: tuple[str, ...],
    params: tuple[str, ...],
    skipna: bool,
    op_from: tuple[str, ...],
    **options: object,
) -> None:
    """Reduce along some axes, by default the rows, all operations in one pass.

    OUTPUT names a group, which gets a dataset for each operation. Without OUTPUT a few results
    are printed. With --expr and --in there is no INPUT: the rows are those of the expression.
    """
    from sharedcompute.operations.catalogue import expect  # noqa: PLC0415

    given = Asked.of(expr, inputs)
    found = read_words(words, op_from, "reduce", out=False, has_input=not inputs)
    ops = tuple(expect(op, "reduce") for op in found.operations)
    places = Places(given, found.input, found.output)
    axes = _axes("rows", options)
    _reduce(lambda _: ops, places, axes, parameters(params, skipna), options)


@click.command()
@click.argument("words", nargs=-1, metavar="INPUT [OUTPUT]")
@with_options(*EXPRESSION, SKIPNA, AXIS, KEEPDIMS, *JOB)
def stats(
    words: tuple[str, ...],
    expr: str | None,
    inputs: tuple[str, ...],
    skipna: bool,
    **options: object,
) -> None:
    """Compute count, nan_count, mean, std, min, max; of all elements, or along some axes.

    With --expr and --in there is no INPUT: the elements are those of the expression.
    """
    from sharedcompute.api.statistics import stats_operations  # noqa: PLC0415

    given = Asked.of(expr, inputs)
    places = Places(given, *read_places(words, "stats", has_input=not inputs))
    axes = _axes("all", options)
    _reduce(stats_operations, places, axes, parameters((), skipna), options)


@dataclass(frozen=True)
class Places:
    """What is reduced, and where the results go.

    Parameters
    ----------
    asked : Asked or None
        The expression.
    input, output : str or None
        The words of the command line.
    """

    asked: Asked | None
    input: str | None
    output: str | None


def _axes(default: str, options: Mapping[str, object]) -> Axes:
    """Return along which axes a command reduces, which elements, and with which weights."""
    from sharedcompute.api.reductions import Axes  # noqa: PLC0415

    axis, where, weights = (
        value if isinstance(value := options.get(name), str) else None
        for name in ("axis", "where", "weights")
    )
    return Axes(axis or default, options["keepdims"] is True, where, weights)


def _reduce(
    operations: Callable[[DType], tuple[Operation, ...]],
    places: Places,
    axes: Axes,
    params: Mapping[str, object],
    options: Mapping[str, object],
) -> None:
    """Run the reductions that suit a dtype."""
    from sharedcompute.api.expressions import beside, reduce_expressions  # noqa: PLC0415
    from sharedcompute.api.inputs import as_source  # noqa: PLC0415
    from sharedcompute.api.lazy.written import evaluated  # noqa: PLC0415
    from sharedcompute.api.reductions import reduce_job  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415

    asked = settings(options)
    address = None if places.output is None else Address.parse(places.output).literal
    if places.asked is None:
        source = as_source(str(places.input), asked.reading.allow_external, asked.reading.rows)
        job = reduce_job(operations(source.dtype), source, address, axes, asked, params)
        shapes = [source.shape]
    else:
        texts = [text for text in (axes.where, axes.weights) if isinstance(text, str)]
        arrays = places.asked.arrays(places.input, asked, beside=texts)
        written = evaluated(places.asked.expr, arrays)
        where = beside("where", axes.where, arrays)
        axes = replace(axes, where=where, weights=beside("weights", axes.weights, arrays))
        ops = operations(written[0].node.spec.dtype)
        job = reduce_expressions(written, ops, address, axes, asked, params)
        shapes = [each.node.spec.shape for each in written]
    if address is None:
        _check_few(shapes, axes)
    run_and_print(job, asked, options)


def _check_few(shapes: Sequence[tuple[int, ...]], axes: Axes) -> None:
    """Refuse to print more results than anybody reads."""
    from sharedcompute.operations.reductions.reduction import normal_axes  # noqa: PLC0415
    from sharedcompute.planning.job import as_axes  # noqa: PLC0415

    for shape in shapes:
        reduced = normal_axes(as_axes(axes.axis), len(shape))
        columns = math.prod(n for axis, n in enumerate(shape) if axis not in reduced)
        if columns > FEW:
            raise InputError(
                f"{columns} results for each operation are too many to print: "
                "name an OUTPUT, or give --axis all"
            )


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
    from sharedcompute.planning.jobfile import TextStep, read_job  # noqa: PLC0415

    described = read_job(job, None if output is None else Address.parse(output).literal)
    reduces = any(isinstance(step, ReduceStep | TextStep) for step in described.steps)
    if described.output is None and not reduces:
        raise InputError(f'{job}: expected output = "FILE", or reductions to print, got neither')
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    # The command line's options go before the file's keys; its defaults do not.
    given = {k: v for k, v in options.items() if context.get_parameter_source(k) != default}
    asked = Settings.of({**chosen(options), **described.settings, **chosen(given)})
    run_and_print(run_job(described, asked), asked, options)
