"""Graphs whose results go to files: stopped and gone on with, and what is refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.events import BlockDone, Event
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.planning.in_memory import ArraySource
from tests.engines import stopping

from .random_graphs import graph, same_bits
from .running import run
from .test_corners import call, of, reduced

ROWS = 120


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(7)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["u"] = rng.normal(size=(ROWS, 6)).astype("f4")
    with h5py.File(tmp_path / "in2.h5", "w") as file:
        packed = {"chunks": (7, 6), "compression": 1}
        file.create_dataset("v", data=rng.integers(0, 99, (ROWS, 6), "i2"), **packed)
    return tmp_path


def results_of(kind: str, place: Path) -> list[Node]:
    """Two datasets and a reduction; of the second kind a row is kept for a later pass."""
    u = build.read(open_source(f"{place}/in.h5::/u"))
    v = build.read(open_source(f"{place}/in2.h5::/v"))
    smooth = of("gaussian", call("multiply", u, v), sigma=1.0)
    around = call("subtract", smooth, reduced("mean", smooth, 0))
    if kind == "kept":
        row = build.select(smooth, (slice(50, 51, 1), slice(0, 6, 1)))
        return [call("subtract", smooth, row), smooth, build.select(around, (3, slice(0, 6, 1)))]
    return [around, call("sqrt", call("absolute", v)), reduced("std", around, 0, 1)]


def job_of(kind: str) -> Any:
    def job(source: Path, out: Path, **how: Any) -> None:
        run(results_of(kind, source.parent), out, block_rows=10, **how)

    return job


def stored(path: Path) -> list[Any]:
    with h5py.File(path) as file:
        return [file[f"r{number}"][()] for number in range(3)]


KINDS = ["two passes", "kept"]
POINTS = ["unit:4", "unit:17", "journal.append:9", "rows.write:3", "output.fsync:1"]


@pytest.mark.parametrize("kind", KINDS)
def test_datasets_are_what_a_job_in_memory_gives(place: Path, team: sc.Team, kind: str) -> None:
    job_of(kind)(place / "in.h5", place / "out.h5", team=team)
    want = run(results_of(kind, place), engine="serial", block_rows=10)
    assert all(map(same_bits, stored(place / "out.h5"), want))
    if kind == "two passes":
        return
    smooth = want[1]
    assert same_bits(want[0], smooth - smooth[50:51])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("storage", [{}, {"filter": "gzip:1", "chunks": "10,6"}])
@pytest.mark.sample(4)
def test_a_graph_that_is_killed_goes_on_to_the_same_bytes(
    place: Path, kind: str, point: str, storage: dict[str, str]
) -> None:
    job = job_of(kind)
    how = {"engine": "serial", **storage}
    job(place / "in.h5", place / "whole.h5", **how)
    code = stopping.run(place, job, f"{point}:kill", **how)
    assert code in (0, -signal.SIGKILL)
    if code:
        assert stopping.run(place, job, "", resume=True, **how) == 0
    assert (place / "out.h5").read_bytes() == (place / "whole.h5").read_bytes()
    assert not (place / "out.h5.resume").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_is_killed_changes_no_byte(place: Path, kind: str) -> None:
    job_of(kind)(place / "in.h5", place / "whole.h5", engine="serial")
    killed: list[int] = []
    with sc.Team(2) as team:

        def kill(event: Event) -> None:
            if isinstance(event, BlockDone) and not killed:
                killed.append(team.pids[event.rank])
                os.kill(killed[0], signal.SIGKILL)

        job_of(kind)(place / "in.h5", place / "out.h5", team=team, retries=2, listen=kill)
    assert killed
    assert (place / "out.h5").read_bytes() == (place / "whole.h5").read_bytes()


def test_rows_of_different_numbers_are_results_in_memory(team: sc.Team) -> None:
    x = np.arange(60.0).reshape(20, 3)
    y = np.arange(36.0).reshape(12, 3)
    nodes = [call("add", build.read(ArraySource(a)), 1) for a in (x, y)]
    nodes.append(call("subtract", nodes[0], reduced("mean", nodes[1], 0)))
    for how in ({"engine": "serial"}, {"team": team}):
        found = run(nodes, block_rows=7, **how)
        assert same_bits(found[0], x + 1)
        assert same_bits(found[1], y + 1)
        assert np.allclose(found[2], x - y.mean(0))


def test_datasets_of_different_numbers_of_rows_are_refused(tmp_path: Path) -> None:
    nodes = [call("add", build.read(ArraySource(np.ones((n, 2)))), 1) for n in (5, 4)]
    with pytest.raises(sc.InputError, match="got 5 in /r0 and 4 in /r1: store them one after"):
        run(nodes, tmp_path / "out.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_that_is_read_is_not_written(place: Path) -> None:
    with h5py.File(place / "in.h5", "a") as file:
        file["r0"] = file["u"][...]
    node = call("add", build.read(open_source(f"{place}/in.h5::/r0")), 1)
    before = (place / "in.h5").read_bytes()
    with pytest.raises(sc.Error) as refused:
        run([node], place / "in.h5", overwrite=True)
    assert "\n" not in str(refused.value)
    assert (place / "in.h5").read_bytes() == before


@pytest.mark.parametrize("name", ["in.h5", "in2.h5"])
def test_an_input_that_changes_while_it_is_read_stops_the_job(place: Path, name: str) -> None:
    def change(event: Event) -> None:
        if isinstance(event, BlockDone) and event.block == 3:
            with (place / name).open("ab") as file:
                file.write(b"more")

    with pytest.raises(sc.InputChanged):
        run(
            results_of("two passes", place), place / "out.h5", engine="serial",
            block_rows=10, listen=change,
        )  # fmt: skip
    assert not (place / "out.h5").exists()


@pytest.mark.parametrize("seed", range(2000, 2040))
@pytest.mark.sample(2)
def test_a_random_graph_that_is_killed_goes_on_to_the_same_bytes(place: Path, seed: int) -> None:
    made = graph(seed, place)

    def job(_: Path, out: Path, **how: Any) -> None:
        run(made.nodes, out, engine="serial", block_rows=3, **how)

    with np.errstate(all="ignore"):
        job(place, place / "whole.h5")
        for point in ("unit:3", "unit:20", "journal.append:12"):
            if stopping.run(place, job, f"{point}:kill"):
                assert stopping.run(place, job, "", resume=True) == 0
            assert (place / "out.h5").read_bytes() == (place / "whole.h5").read_bytes()
            (place / "out.h5").unlink()
        want = run(made.nodes, engine="serial", block_rows=3)
    with h5py.File(place / "whole.h5") as file:
        for number, values in enumerate(want):
            have = file[f"r{number}"][()]
            assert same_bits(have, np.asarray(values)) or values.dtype == bool
