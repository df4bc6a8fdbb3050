"""Results as tables for people, and as JSON for programs."""

from __future__ import annotations

import itertools
import math
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping

import click
import numpy as np

from sharedcompute.engines.execute import Outcome
from sharedcompute.operations.specs import Array
from sharedcompute.planning.job import FitStep, Job, MapStep
from sharedcompute.report.arrays import shape

GAP = "  "
"""Between columns."""

NARROWEST = 8
"""Characters of a column that is folded, at the least."""


class Table:
    """A plain table, as it looks well in a terminal and in a log.

    Rich's takes 1.5 ms for each row: 5 s for the datasets of a large file.
    """

    def __init__(self, columns: tuple[str, ...], right: tuple[str, ...]) -> None:
        self._right = [name in right for name in columns]
        self._rows = [columns]

    def add_row(self, *cells: str) -> None:
        """Add a row, a cell for each column."""
        self._rows.append(cells)

    def lines(self, width: int | None) -> Iterator[str]:
        """Yield the lines, the first ones being the header's.

        Parameters
        ----------
        width : int or None
            Columns that are too wide for it together are folded. None: a line for each row.
        """
        wide = [max(map(cell_width, column)) for column in zip(*self._rows, strict=True)]
        room = sum(wide) if width is None else width - len(GAP) * (len(wide) - 1)
        while sum(wide) > room and max(wide) > NARROWEST:
            wide[wide.index(max(wide))] -= 1
        for row in self._rows:
            folded = [_folded(cell, side) for cell, side in zip(row, wide, strict=True)]
            for parts in itertools.zip_longest(*folded, fillvalue=""):
                cells = zip(parts, wide, self._right, strict=True)
                yield GAP.join(_padded(*cell) for cell in cells).rstrip()


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    shown = [c for c in text if not unicodedata.combining(c)]
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in shown)


def _folded(text: str, width: int) -> list[str]:
    if cell_width(text) <= width:
        return [text]
    parts = [""]
    for character in text:
        if cell_width(parts[-1] + character) > width:
            parts.append("")
        parts[-1] += character
    return parts


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_width(text))
    return space + text if right else text + space


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table; the numbers of `right` columns are aligned at their right."""
    return Table(columns, right)


def show(made: Table) -> None:
    """Print a table to stdout; where that is no terminal, each row on one line."""
    terminal = sys.stdout.isatty()
    header, *rows = made.lines(shutil.get_terminal_size().columns if terminal else None)
    click.echo("\n".join([click.style(header, bold=True), *rows]))


def print_results(job: Job, outcome: Outcome, few: int) -> None:
    """Print a table of each step's reductions, where their results are few."""
    for number, found in enumerate(outcome.results):
        if not isinstance(found, dict):
            continue
        if isinstance(job.steps[number], FitStep):
            _print_fit(found, few)
            continue
        if next(iter(found.values())).size > few:
            continue
        if len(job.steps) > 1:
            print(_heading(job, number))
        values = {name: np.atleast_1d(v).reshape(-1) for name, v in found.items()}
        length = len(next(iter(values.values())))
        made = table(*(["column"] if length > 1 else []), *values, right=("column", *values))
        for i in range(length):
            cells = [_number(v[i]) for v in values.values()]
            made.add_row(*([str(i)] if length > 1 else []), *cells)
        show(made)


def _print_fit(found: Mapping[str, Array], few: int) -> None:
    """Print each result of a fit: itself, or its shape where it is large."""
    made = table("result", "value")
    for name, values in found.items():
        if values.size > min(few, 8) or "/" in name:
            last = f", at last {_number(values[-1])}" if "/" in name and len(values) else ""
            made.add_row(name, f"{values.dtype} {shape(values.shape)}{last}")
        else:
            made.add_row(name, " ".join(_number(v) for v in values.reshape(-1)))
    show(made)


def _heading(job: Job, number: int) -> str:
    """Return the heading of a pipeline's table: ``after anomaly, gaussian``."""
    chain = [s.operation.name for s in job.steps[:number] if isinstance(s, MapStep)]
    return f"after {', '.join(chain)}:" if chain else "of the input:"


def _number(value: object) -> str:
    if isinstance(value, np.floating):
        return f"{value:.7g}" if value.itemsize <= 4 else f"{value:.10g}"
    return str(value)


def as_json(outcome: Outcome, few: int) -> list[object]:
    """Return each step's reductions by name; None where they are many, or are rows in a file."""
    return [
        {name: _plain(v.tolist()) if v.size <= few else None for name, v in found.items()}
        if isinstance(found, dict)
        else None
        for found in outcome.results
    ]


def _plain(value: object) -> object:
    """Return a value that JSON knows: NaN, infinity and complex numbers become text."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value
