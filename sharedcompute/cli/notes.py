"""What is told beside results, and warnings: notes of one line on stderr."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from sharedcompute.errors import Worded
from sharedcompute.wording import on_command_line


def note(text: str) -> None:
    """Tell what is no result."""
    click.echo(f"sharedcompute: note: {on_command_line(text)}", err=True)


@contextmanager
def as_notes(*, quiet: bool) -> Iterator[None]:
    """Tell user warnings as notes meanwhile, each once; others as Python tells them."""
    told: set[str] = set()
    with warnings.catch_warnings():
        plain = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **how: Any) -> None:
            text = message.text if isinstance(message, Worded) else str(message)
            if not issubclass(category, UserWarning):
                plain(message, category, *where, **how)
            elif not quiet and text not in told:
                # Python forgets what it has told wherever warnings are caught in between.
                told.add(text)
                note(text)

        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
