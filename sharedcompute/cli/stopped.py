"""Notes on a job that was stopped before, and whose output is asked for again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.notes import note
from sharedcompute.wording import on_command_line

if TYPE_CHECKING:
    from sharedcompute.hdf5.address import Address


def note_stopped(output: Address, resume: bool, quiet: bool) -> None:
    """Print a note that what a stopped job has done is dropped, before it is."""
    from sharedcompute.engines.durability.stopped import stopped  # noqa: PLC0415

    found = None if resume or quiet else stopped(Path(output.file))
    if found is not None and (found.done or found.rounds):
        what = f"{found.rounds} rounds" if found.rounds else f"{found.done} blocks"
        note(
            f"{what} that a stopped job has left in {found.folder.name} are dropped; with --resume "
            "it would have gone on"
        )


def print_stopped(file: str, as_json: bool) -> bool:
    """Print what is known of the stopped job of a file; return whether that is all there is."""
    from sharedcompute.engines.durability.stopped import stopped  # noqa: PLC0415
    from sharedcompute.hdf5.writing.state_folder import SUFFIX  # noqa: PLC0415

    output = Path(file.removesuffix(SUFFIX))
    found = stopped(output)
    if found is None:
        return False
    is_all = file.endswith(SUFFIX) or not output.exists()
    if is_all and as_json:
        record = {**dataclasses.asdict(found), "folder": str(found.folder)}
        click.echo(json.dumps({"stopped": record}))
    elif is_all:
        click.echo(on_command_line(found.text))
    else:
        note(found.text)
    return is_all
