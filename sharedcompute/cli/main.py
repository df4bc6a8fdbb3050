"""The entry point: every error becomes one line and an exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from sharedcompute import __version__
from sharedcompute.cli.jobs import map_, reduce, run, scan, stats
from sharedcompute.cli.look import info, ops, shm, verify
from sharedcompute.cli.repack import repack
from sharedcompute.cli.signals import Signals, Terminated
from sharedcompute.errors import Error
from sharedcompute.machine import check_process_limits
from sharedcompute.shortage import shortage_named

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Array jobs over HDF5 files with every core of the machine.

    An ADDRESS is FILE or FILE::PATH, as in run_7.h5::/entry/data.
    """
    del debug
    check_process_limits()


for command in (info, ops, map_, reduce, scan, stats, repack, run, verify, shm):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit."""
    signals = Signals()
    signals.install()
    sys.exit(invoke(sys.argv[1:], signals))


def invoke(arguments: list[str], signals: Signals | None = None) -> int:
    """Run one command line in this process and return its exit code."""
    # Everywhere on the line, as people add it at its end when something went wrong.
    debug = "--debug" in arguments
    try:
        words = [a for a in arguments if a != "--debug"]
        with shortage_named():
            cli.main(words, "sharedcompute", standalone_mode=False, obj=signals or Signals())
    except SystemExit as done:
        return int(done.code or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as problem:
        click.echo(problem.format_message(), err=True)
        return problem.exit_code
    except click.ClickException as problem:
        click.echo(f"sharedcompute: {problem.format_message()}", err=True)
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort) as problem:
        if isinstance(problem.__cause__, EOFError):
            # click takes it for an answer that nobody gave.
            click.echo(f"sharedcompute: {_line(problem.__cause__)}", err=True)
            return 1
        click.echo("sharedcompute: interrupted; the output is as it was", err=True)
        return INTERRUPTED
    except Terminated as signal:
        click.echo("sharedcompute: terminated; the output is as it was", err=True)
        return 128 + int(signal.args[0])
    except BrokenPipeError:
        # Whoever read our results has gone; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as problem:
        if debug:
            raise
        click.echo(f"sharedcompute: {_line(problem)}", err=True)
        return problem.exit_code if isinstance(problem, Error) else 1
    return 0


def _line(problem: Exception) -> str:
    """One line: our errors say all that is needed; others get their type, and their notes."""
    if isinstance(problem, Error):
        return str(problem)
    notes = getattr(problem, "__notes__", [])
    # The note begins with the worker and its rows, and ends with its traceback.
    where = notes[0].splitlines()[0].rstrip(":") if notes else "raised"
    told = "".join([*traceback.format_tb(problem.__traceback__), *notes])
    places = re.findall(r'File "(.+?)", line (\d+)', told)
    if places:
        where += f", at {Path(places[-1][0]).name}:{places[-1][1]}"
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text} ({where}); --debug shows the traceback"
