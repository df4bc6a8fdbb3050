"""Warnings as notes of one line."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import click


@contextlib.contextmanager
def as_notes(*, quiet: bool) -> Iterator[None]:
    """Tell warnings of ours as notes meanwhile, each once; others as Python tells them."""
    told: set[str] = set()
    with warnings.catch_warnings():
        plain = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **how: Any) -> None:
            if not category.__module__.startswith("sharedcompute."):
                plain(message, category, *where, **how)
            elif not quiet and str(message) not in told:
                # Python forgets what it has told wherever warnings are caught in between.
                told.add(str(message))
                click.echo(f"sharedcompute: note: {message}", err=True)

        warnings.showwarning = show
        yield
