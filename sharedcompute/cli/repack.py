"""The command that stores a file in another way."""

from __future__ import annotations

import json
from typing import Any

import click

from sharedcompute.cli.notes import note
from sharedcompute.cli.options import BLOCK_ROWS, EXTERNAL, RUN, STORE, settings, with_options
from sharedcompute.cli.stopped import note_stopped

CHECK = click.option(
    "--check/--no-check",
    default=True,
    help="Let HDF5 read back what was written, and compare.",
)


@click.command()
@click.argument("input")
@click.argument("output")
@with_options(CHECK, EXTERNAL, *STORE, *(option for option in RUN if option is not BLOCK_ROWS))
def repack(input: str, output: str, **options: Any) -> None:
    """Store a file, or one dataset of it, with other filters and chunks.

    All attributes, links, references and types are kept. What is not asked for stays as it is.
    """
    from sharedcompute import report  # noqa: PLC0415
    from sharedcompute.api.jobs import Settings, run_plan  # noqa: PLC0415
    from sharedcompute.api.repack import make_repack  # noqa: PLC0415
    from sharedcompute.cli.progress import Bar  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415

    made = Settings.of(settings(options, {}))
    plan = make_repack(input, output, made, check=options["check"])
    if options["dry_run"]:
        text = json.dumps(report.plan_record(plan)) if options["as_json"] else report.describe(plan)
        click.echo(text)
        return
    stored = made.storage
    note_stopped(Address.parse(output), stored.resume, options["quiet"])
    signals = click.get_current_context().obj
    totals = report.Totals()
    with Bar(options["quiet"]) as bar:
        listen = signals.guard(totals, bar)
        done = run_plan(plan, made.team, listen)
    if not options["quiet"]:
        for warning in done.warnings:
            note(warning)
    if options["as_json"]:
        click.echo(json.dumps(report.run_record(plan, totals, done.seconds)))
