"""Notes of one line on stderr: warnings, and what is no result."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from sharedcompute.errors import Worded
from sharedcompute.wording import on_command_line


def note(text: str) -> None:
    """Print a note."""
    click.echo(f"sharedcompute: note: {on_command_line(text)}", err=True)


@contextmanager
def as_notes(*, quiet: bool) -> Iterator[None]:
    """Print user warnings as notes meanwhile, each once; others as Python shows them."""
    shown: set[str] = set()
    with warnings.catch_warnings():
        plain = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            text = message.text if isinstance(message, Worded) else str(message)
            if not issubclass(category, UserWarning):
                plain(message, category, filename, lineno, file, line)
            elif not quiet and text not in shown:
                # Python forgets what it has shown wherever warnings are caught in between.
                shown.add(text)
                note(text)

        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
