"""Random graphs give NumPy's results, however they are cut and whoever computes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sharedcompute as sc

from .random_graphs import check, graph, same_bits
from .running import run

SEEDS = range(60)
FEW = 4
"""Graphs that every run has."""

pytestmark = pytest.mark.filterwarnings("ignore")


def few(seeds: range, count: int = FEW) -> list[Any]:
    """Return seeds, all but a few of them for slow runs."""
    return [
        pytest.param(s, marks=() if n < count else pytest.mark.slow) for n, s in enumerate(seeds)
    ]


@pytest.fixture(scope="module")
def threaded() -> Iterator[sc.Team]:
    """Two workers of two threads."""
    with sc.Team(2, threads=2) as team:
        yield team  # type: ignore[misc]


@pytest.mark.parametrize("seed", few(SEEDS))
def test_a_graph_is_what_numpy_computes_on_whole_arrays(tmp_path: Path, seed: int) -> None:
    made = graph(seed, tmp_path)
    check(made, run(made.nodes, engine="serial"))


@pytest.mark.parametrize("seed", few(SEEDS, 2))
def test_blocks_of_any_length_give_numpys_results(tmp_path: Path, seed: int) -> None:
    made = graph(seed, tmp_path)
    for block_rows in (1, 2, 3, 7):
        check(made, run(made.nodes, engine="serial", block_rows=block_rows))


@pytest.mark.parametrize("seed", few(SEEDS, 2))
def test_workers_threads_and_schedules_change_no_bit(
    tmp_path: Path, teams: dict[int, sc.Team], threaded: sc.Team, seed: int
) -> None:
    made = graph(seed, tmp_path)
    for block_rows in (3, None):
        want = run(made.nodes, engine="serial", block_rows=block_rows)
        check(made, want)
        for schedule in ("static", "dynamic", "guided"):
            for team in (*teams.values(), threaded):
                how = {"schedule": schedule, "block_rows": block_rows}
                found = run(made.nodes, team=team, **how)
                pairs = zip(made.results, found, want, strict=True)
                wrong = [value.node for value, x, y in pairs if not same_bits(x, y)]
                assert not wrong, (how, team.size)


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("seed", few(range(1000, 1012), 2))
def test_a_graph_of_hardly_any_rows_is_what_numpy_computes(
    tmp_path: Path, seed: int, rows: int
) -> None:
    made = graph(seed, tmp_path, rows=rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(made, run(made.nodes, engine="serial"))
