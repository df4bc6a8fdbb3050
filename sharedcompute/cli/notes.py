"""Warnings of the Python interface, as the command line says them: a line each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sharedcompute.errors import Worded
from sharedcompute.wording import on_command_line


@contextmanager
def said(quiet: bool) -> Iterator[None]:
    """Say at the end what was warned of meanwhile, once each, unless `quiet`."""
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always", UserWarning)
        yield
    for text in dict.fromkeys(_text_of(warning.message) for warning in noticed):
        if not quiet:
            click.echo(f"sharedcompute: note: {on_command_line(text)}", err=True)


def _text_of(message: Warning | str) -> str:
    return message.text if isinstance(message, Worded) else str(message)
