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
from sharedcompute.planning.job import ExpressionStep, FitStep, Job, MapStep, ReduceStep
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
    """Print a table of each step's reductions, and of expressions, where results are few."""
    results = list(_by_step(job, outcome))
    for number, found in results:
        if found is None:
            continue
        if isinstance(job.steps[number], FitStep):
            _print_fit(found, few)
            continue
        if next(iter(found.values())).size > few:
            continue
        if len(results) > 1 and isinstance(job.steps[number], ReduceStep):
            print(_heading(job, number))
        _print_values(found)


def _print_values(found: Mapping[str, Array]) -> None:
    """Print results that have as many numbers each, a column for each of them."""
    values = {name: np.atleast_1d(v).reshape(-1) for name, v in found.items()}
    length = len(next(iter(values.values())))
    made = table(*(["column"] if length > 1 else []), *values, right=("column", *values))
    for i in range(length):
        cells = [_number(v[i]) for v in values.values()]
        made.add_row(*([str(i)] if length > 1 else []), *cells)
    show(made)


def _by_step(job: Job, outcome: Outcome) -> Iterator[tuple[int, Mapping[str, Array] | None]]:
    """Yield results by name, and their step: expressions one after the other are together.

    Steps without a result have None, but for expressions that only later steps want.
    """
    together: dict[str, Array] = {}
    for number, found in enumerate(outcome.results):
        step = job.steps[number]
        if not isinstance(step, ExpressionStep):
            yield number, found if isinstance(found, dict) else None
        elif step.wanted and found is None:
            yield number, None
        elif step.wanted:
            together[step.called] = found
            following = [*job.steps, None][number + 1]
            after = [*outcome.results, None][number + 1]
            alike = isinstance(following, ExpressionStep) and isinstance(after, np.ndarray)
            if not alike or after.shape != found.shape:
                yield number, together
                together = {}


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
    steps = [s for s in job.steps[:number] if isinstance(s, MapStep | ExpressionStep)]
    last = max((n for n, s in enumerate(steps) if isinstance(s, ExpressionStep)), default=None)
    start = steps[last] if last is not None else None
    chain = [s.operation.name for s in steps[(last or 0) :] if isinstance(s, MapStep)]
    after = f"after {', '.join(chain)}" if chain else ""
    if isinstance(start, ExpressionStep):
        return f"{f'{after} ' if after else ''}of {start.called}:"
    return f"{after or 'of the input'}:"


def _number(value: object) -> str:
    if isinstance(value, np.floating):
        return f"{value:.7g}" if value.itemsize <= 4 else f"{value:.10g}"
    return str(value)


def as_json(job: Job, outcome: Outcome, few: int) -> list[object]:
    """Return each step's reductions by name; None where they are many, or are rows in a file."""
    return [
        None
        if found is None
        else {name: _plain(v.tolist()) if v.size <= few else None for name, v in found.items()}
        for _, found in _by_step(job, outcome)
    ]


def _plain(value: object) -> object:
    """Return a value that JSON knows: NaN, infinity and complex numbers become text."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value
