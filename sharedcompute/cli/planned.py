"""Plans on the command line: printed, and drawn, instead of run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.options import Shown
from sharedcompute.errors import OutputExists

if TYPE_CHECKING:
    from sharedcompute.planning.plan import Plan


def show_plan(plan: Plan, shown: Shown, *, overwrite: bool = False) -> bool:
    """Print or draw a plan where that is asked for; return whether it was.

    Raises
    ------
    OutputExists
        The picture's file is there already.
    """
    from sharedcompute.report.drawing import as_svg  # noqa: PLC0415
    from sharedcompute.report.records import plan_record  # noqa: PLC0415
    from sharedcompute.report.text import describe  # noqa: PLC0415

    if shown.svg is not None:
        file = Path(shown.svg)
        if file.exists() and not overwrite:
            raise OutputExists(f"{file} exists: give --overwrite, or another name")
        file.write_text(as_svg(plan), encoding="utf-8")
    elif shown.dry_run:
        click.echo(json.dumps(plan_record(plan)) if shown.as_json else describe(plan))
    return shown.dry_run or shown.svg is not None
