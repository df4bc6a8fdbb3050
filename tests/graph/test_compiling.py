"""A plan counts what compiling takes, until the same code was compiled once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.kernels import known
from sharedcompute.planning.in_memory import ArraySource

from .running import plan_of, run
from .test_corners import call, reduced

ROWS = 40


@pytest.fixture(autouse=True)
def nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_folder", lambda: tmp_path)


def nodes(rows: int = ROWS, dtype: str = "f4", name: str = "mean") -> list[Node]:
    x = build.read(ArraySource(np.ones((rows, 6, 5), dtype)))
    return [reduced(name, call("sqrt", call("add", x, 1)), 0)]


def compiling(wanted: list[Node], engine: str = "serial") -> int:
    return plan_of(wanted, engine=engine, workers=1).projection.compiling


def test_what_ran_once_is_not_compiled_again() -> None:
    before = compiling(nodes())
    run(nodes(), engine="serial")
    assert before > 0
    assert compiling(nodes()) == 0


def test_the_number_of_rows_does_not_matter() -> None:
    run(nodes(), engine="serial")
    assert compiling(nodes(rows=2 * ROWS)) == 0


@pytest.mark.parametrize("other", [{"dtype": "f8"}, {"name": "std"}])
def test_other_numbers_and_other_operations_are_compiled(other: dict[str, str]) -> None:
    run(nodes(), engine="serial")
    assert compiling(nodes(**other)) > 0  # type: ignore[arg-type]


def test_of_an_expression_that_shares_kernels_only_the_rest_is_compiled() -> None:
    run(nodes(), engine="serial")
    assert 0 < compiling([*nodes(), *nodes(name="max")]) < compiling(nodes(name="std"))


def test_the_first_team_compiles_what_workers_synchronise_with() -> None:
    run(nodes(), engine="serial")
    before = compiling(nodes(), "local")
    run(nodes(), engine="local", workers=1)
    assert before > 0
    assert compiling(nodes(), "local") == 0


def test_a_job_that_fails_has_not_compiled_all() -> None:
    def stop(event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(nodes(), engine="serial", listen=stop)
    assert compiling(nodes()) > 0


def test_without_a_folder_for_kernels_every_job_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_folder", lambda: None)
    run(nodes(), engine="serial")
    assert compiling(nodes()) > 0
