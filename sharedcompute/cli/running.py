"""Running a job of the command line: planned, printed or run, and its results shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.notes import note
from sharedcompute.cli.options import Shown
from sharedcompute.cli.stopped import note_stopped

if TYPE_CHECKING:
    from sharedcompute.api.settings import Settings
    from sharedcompute.cli.signals import Signals
    from sharedcompute.planning.job import Job

FEW = 64
"""Results that are printed rather than refused where no output is given."""


def run_and_print(job: Job, asked: Settings, options: Mapping[str, object]) -> None:
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
        click.echo(json.dumps({**record, "results": tables.as_json(job, outcome, FEW)}))
    else:
        tables.print_results(job, outcome, FEW)
