"""Results as tables for people, and as JSON for programs."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sharedcompute.engines.base import Outcome
from sharedcompute.plan.job import Fitting, Job, Transform
from sharedcompute.report import shape


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A plain table, as it looks well in a terminal and in a log."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def show(made: Table) -> None:
    """Print a table to stdout; where that is no terminal, each row on one line."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 400, highlight=False, markup=False, emoji=False)
    console.print(made)


def print_results(job: Job, outcome: Outcome, few: int) -> None:
    """A table of each step's reductions, where their results are few."""
    for number, found in enumerate(outcome.results):
        if not isinstance(found, dict):
            continue
        if isinstance(job.steps[number], Fitting):
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


def _print_fit(found: dict[str, np.ndarray[Any, Any]], few: int) -> None:
    """Each result of a fit: itself, or its shape where it is large."""
    made = table("result", "value")
    for name, values in found.items():
        if values.size > min(few, 8) or "/" in name:
            last = f", at last {_number(values[-1])}" if "/" in name and len(values) else ""
            made.add_row(name, f"{values.dtype} {shape(values.shape)}{last}")
        else:
            made.add_row(name, " ".join(_number(v) for v in values.reshape(-1)))
    show(made)


def _heading(job: Job, number: int) -> str:
    """Of what a pipeline's table is: ``after anomaly, gaussian``."""
    chain = [s.operation.name for s in job.steps[:number] if isinstance(s, Transform)]
    return f"after {', '.join(chain)}:" if chain else "of the input:"


def _number(value: Any) -> str:
    if isinstance(value, np.floating):
        return f"{value:.7g}" if value.itemsize <= 4 else f"{value:.10g}"
    return str(value)


def as_json(outcome: Outcome, few: int) -> list[Any]:
    """Each step's reductions by name; null where results are many, or are rows in a file."""
    return [
        {name: _plain(v.tolist()) if v.size <= few else None for name, v in found.items()}
        if isinstance(found, dict)
        else None
        for found in outcome.results
    ]


def _plain(value: Any) -> Any:
    """JSON has no NaN, no infinity and no complex numbers: they are given as text."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value
