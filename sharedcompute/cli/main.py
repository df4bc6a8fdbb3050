"""The command line: every error becomes one line and an exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

import click

from sharedcompute import __version__
from sharedcompute.cli.inspect import info, ops, shm, verify
from sharedcompute.cli.iterative import fit, solve
from sharedcompute.cli.jobs import map_, reduce, run, scan, stats
from sharedcompute.cli.notes import as_notes
from sharedcompute.cli.options import Group
from sharedcompute.cli.repack import repack
from sharedcompute.cli.scaling.command import scaling
from sharedcompute.cli.signals import Signals
from sharedcompute.errors import GOES_ON, KEPT, Error, InputError
from sharedcompute.system.machine import check_process_limits
from sharedcompute.system.shortage import shortage_named
from sharedcompute.wording import in_python, on_command_line

INTERRUPTED = 130


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Array jobs over HDF5 files with every core of the machine.

    An ADDRESS is FILE or FILE::PATH, as in run_7.h5::/entry/data. A window in brackets may follow:
    "run_7.h5::/entry/data[31:59, :, ::2]", "era5.nc::/t2m[time=2001-03, lat=30:60]".
    """
    del debug
    check_process_limits()


COMMANDS = (info, ops, map_, reduce, scan, fit, solve, stats, repack, run, verify, scaling, shm)
for command in COMMANDS:
    cli.add_command(command)


def invoke(arguments: list[str], signals: Signals | None = None) -> int:
    """Run one command line in this process and return its exit code."""
    # Everywhere on the line, as people add it at its end when something went wrong.
    debug = "--debug" in arguments
    words = [a for a in arguments if a != "--debug"]
    signals = signals or Signals()
    try:
        try:
            signals.begin()
            with shortage_named(), as_notes(quiet=not {"-q", "--quiet"}.isdisjoint(words)):
                cli.main(words, "sharedcompute", standalone_mode=False, obj=signals)
        finally:
            signals.end()
    except BaseException as problem:  # noqa: BLE001 - all of them become an exit code
        # Whatever else it has become on its way: an import that is interrupted in the middle may
        # raise an ImportError.
        if signals.caught:
            return _interrupted(signals.exit_code, problem)
        return _exit_code(problem, debug, words)
    if signals.asked:
        click.echo("sharedcompute: stopped; the output has the best so far", err=True)
        return signals.exit_code
    return 0


def _interrupted(code: int, problem: BaseException) -> int:
    word = "interrupted" if code == INTERRUPTED else "terminated"
    begin = "\n" if sys.stderr.isatty() else ""  # after the terminal's ^C
    click.echo(f"{begin}sharedcompute: {word}; the output is as it was{_kept(problem)}", err=True)
    return code


def _exit_code(problem: BaseException, debug: bool, words: list[str]) -> int:
    """Print what went wrong, and return the exit code for it."""
    if isinstance(problem, SystemExit):
        return int(problem.code or 0)
    if isinstance(problem, click.exceptions.Exit):
        return problem.exit_code
    if isinstance(problem, KeyboardInterrupt | click.Abort):
        if not isinstance(problem.__cause__, EOFError):
            return _interrupted(INTERRUPTED, problem)
        # click takes it for an answer that nobody gave.
        problem = problem.__cause__
    if isinstance(problem, click.ClickException):
        click.echo(f"sharedcompute: {problem.format_message()}", err=True)
        return problem.exit_code
    if isinstance(problem, BrokenPipeError):
        # Whoever read our results has gone; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if debug or not isinstance(problem, Exception):
        raise problem
    if _needs_a_home(problem, words) and _is_homeless():
        why = problem.text if isinstance(problem, Error) else str(problem)
        problem = InputError(
            "expected a working folder, it has been deleted; cd to one that exists, or give whole "
            f"paths ({type(problem).__name__}: {why})"
        )
    click.echo(f"sharedcompute: {_line(problem)}", err=True)
    return problem.exit_code if isinstance(problem, Error) else 1


def _needs_a_home(problem: Exception, words: list[str]) -> bool:
    """Return whether a problem may come of a relative path on the line."""
    if isinstance(problem, FileNotFoundError):
        # That the working folder is not there names no file.
        name: str | bytes | None = problem.filename
        return name is None or not Path(os.fsdecode(name)).is_absolute()
    files = [word.partition(":")[0] for word in words if not word.startswith("-")]
    relative = [file for file in files if Path(file).suffix and not Path(file).is_absolute()]
    return isinstance(problem, InputError) and any(file in problem.text for file in relative)


def _is_homeless() -> bool:
    """Return whether the working folder is gone, so that no relative path means anything."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _line(problem: Exception) -> str:
    """Render an error in one line: ours as they are, others with their type and notes."""
    if isinstance(problem, Error):
        return f"{on_command_line(problem.text)}{_kept(problem)}"
    notes = [note for note in _notes(problem) if not note.startswith(KEPT)]
    # The note begins with the worker and its rows, and ends with its traceback.
    where = notes[0].splitlines()[0].rstrip(":") if notes else "raised"
    trace = "".join([*traceback.format_tb(problem.__traceback__), *notes])
    places: list[tuple[str, str]] = re.findall(r'File "(.+?)", line (\d+)', trace)
    if places:
        where += f", at {Path(places[-1][0]).name}:{places[-1][1]}"
    text = " ".join(str(problem).split())
    return (
        f"{type(problem).__name__}: {text} ({where}){_kept(problem)}; --debug shows the traceback"
    )


def _kept(problem: BaseException) -> str:
    """Return the note on a stopped job, spelled for the command line."""
    here, elsewhere = on_command_line(GOES_ON), in_python(GOES_ON)
    kept = [note.replace(elsewhere, here) for note in _notes(problem) if note.startswith(KEPT)]
    return "".join(f"; {note}" for note in kept)


def _notes(problem: BaseException) -> list[str]:
    """Return the notes that were added to an exception."""
    notes: list[str] = getattr(problem, "__notes__", [])
    return notes
