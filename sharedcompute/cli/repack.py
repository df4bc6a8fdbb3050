"""The command that stores a file in another way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.notes import note
from sharedcompute.cli.options import REPACK, Decorator, Shown, settings, with_options
from sharedcompute.cli.stopped import note_stopped

if TYPE_CHECKING:
    from sharedcompute.cli.signals import Signals

CHECK: Decorator = click.option(
    "--check/--no-check",
    default=True,
    help="Let HDF5 read back what was written, and compare.",
)


@click.command()
@click.argument("input")
@click.argument("output")
@with_options(CHECK, *REPACK)
def repack(input: str, output: str, check: bool, **options: object) -> None:
    """Store a file, or one dataset of it, with other filters and chunks.

    All attributes, links, references and types are kept. What is not asked for stays as it is.
    """
    from sharedcompute.api.jobs import run_plan  # noqa: PLC0415
    from sharedcompute.api.repack import make_repack  # noqa: PLC0415
    from sharedcompute.cli.planned import show_plan  # noqa: PLC0415
    from sharedcompute.cli.progress import Bar  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.report.records import run_record  # noqa: PLC0415
    from sharedcompute.report.totals import Totals  # noqa: PLC0415

    asked, shown = settings(options), Shown.of(options)
    plan = make_repack(input, output, asked, check=check)
    if show_plan(plan, shown):
        return
    note_stopped(Address.parse(output).literal, asked.storage.resume, shown.quiet)
    signals: Signals = click.get_current_context().obj
    totals = Totals()
    with Bar(shown.quiet) as bar:
        done = run_plan(plan, asked.team, signals.guard(totals, bar))
    if not shown.quiet:
        for warning in done.warnings:
            note(warning)
    if shown.as_json:
        click.echo(json.dumps(run_record(plan, totals, done.seconds)))
