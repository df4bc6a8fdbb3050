"""Every fit of the catalogue: the same bits from any engine, team, schedule and thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.operations.catalogue import ITERATIVE

# Centres far away leave clusters empty.
pytestmark = pytest.mark.filterwarnings("ignore:kmeans found")

RNG = np.random.default_rng(5)
CLOUD = RNG.normal(size=(6, 5)).repeat(500, axis=0) * 4 + RNG.normal(size=(3000, 5))
GRID = RNG.normal(size=(60, 40))
SQUARE = CLOUD[:150] @ CLOUD[:150].T

Case = tuple[str, np.ndarray[Any, Any], dict[str, Any]]
CASES: dict[str, Case] = {
    "kmeans": ("kmeans", CLOUD, {"n_clusters": 7, "random_state": 3}),
    "kmeans with empty clusters": ("kmeans", CLOUD, {"init": np.full((4, 5), 1e3), "max_iter": 6}),
    "kmeans from random rows": ("kmeans", CLOUD, {"n_clusters": 40, "init": "random"}),
    "kmeans of integers": ("kmeans", (CLOUD * 9).astype("i2"), {"n_clusters": 5}),
    "pca": ("pca", CLOUD, {"n_components": 3}),
    "pca of singles": ("pca", CLOUD.astype("f4"), {}),
    "pca, randomized": ("pca", CLOUD, {"n_components": 2, "solver": "randomized"}),
    "lstsq": ("lstsq", CLOUD, {"y": CLOUD @ np.arange(5.0) + RNG.normal(size=3000)}),
    "lstsq of several targets": ("lstsq", CLOUD, {"y": CLOUD[:, ::-1][:, :2].copy()}),
    "ridge": ("ridge", CLOUD, {"y": CLOUD[:, 0] ** 2, "alpha": 2.0}),
    "power": ("power", SQUARE, {}),
    "heat": ("heat", GRID, {"sweeps": 130, "alpha": 0.2}),
    "heat, insulated": ("heat", GRID.astype("f4"), {"sweeps": 60, "boundary": "insulated"}),
    "jacobi": ("jacobi", GRID, {"max_iter": 400, "tol": 1e-9}),
    "jacobi with a source": ("jacobi", GRID, {"max_iter": 200, "source": 0.5}),
}
FIRST = {op: name for name, (op, *_) in reversed(CASES.items())}.values()
NAMES = [n if n in FIRST else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
"""One case of each fit for every run."""


def fitted(name: str, x: Any = None, **how: Any) -> sc.Fitted:
    op, data, params = CASES[name]
    # Rows of a block are data, like those of a file: workers and threads are not.
    run = sc.fit if ITERATIVE[op].kind == "fit" else sc.solve
    return run(op, data if x is None else x, block_rows=97, **params, **how)


def same(a: sc.Fitted, b: sc.Fitted) -> bool:
    return list(a) == list(b) and all(
        np.array_equal(a[n], b[n], equal_nan=np.asarray(a[n]).dtype.kind == "f") for n in a
    )


def test_every_fit_has_a_case() -> None:
    assert {op for op, _, _ in CASES.values()} == set(ITERATIVE)


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_fit_is_the_same_bits_for_any_engine_team_and_schedule(
    teams: dict[int, sc.Team], name: str
) -> None:
    alone = fitted(name, engine="serial")
    for team, schedule in zip(
        (teams[1], teams[2], teams[5], teams[2]),
        ("dynamic", "static", "guided", "stealing"),
        strict=True,
    ):
        assert same(fitted(name, team=team, schedule=schedule), alone), (team.size, schedule)


@pytest.fixture(scope="module")
def threaded() -> Any:
    with sc.Team(2, threads=3) as team:
        yield team


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_fit_is_the_same_bits_for_any_number_of_threads(threaded: sc.Team, name: str) -> None:
    alone = fitted(name, engine="serial")
    assert same(fitted(name, engine="serial", threads=3), alone)
    assert same(fitted(name, team=threaded), alone)


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_fit_of_a_compressed_file_is_the_same_bits_and_is_written(
    tmp_path: Path, team: sc.Team, name: str
) -> None:
    op, data, _ = CASES[name]
    file, out = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(file, "w") as made:
        made.create_dataset(
            "x", data=data, chunks=(min(97, len(data)), data.shape[1]), compression=1
        )
    alone = fitted(name, engine="serial")
    found = fitted(name, f"{file}::/x", output=f"{out}::/run", team=team)
    with h5py.File(out) as made:
        for path in ITERATIVE[op].saved:
            stored = made[f"run/{path}"][()]
            assert np.array_equal(stored, found[path], equal_nan=stored.dtype.kind == "f"), path
            assert np.array_equal(stored, alone[path], equal_nan=stored.dtype.kind == "f"), path


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["kmeans", "pca", "lstsq", "jacobi"])
def test_a_fit_of_the_command_line_is_that_of_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    from sharedcompute.cli.main import invoke

    op, data, params = CASES[name]
    file = tmp_path / "in.h5"
    with h5py.File(file, "w") as made:
        made["x"] = data
        given = []
        for key, value in params.items():
            is_array = isinstance(value, np.ndarray)
            if is_array:
                made[key] = value
            given += ["-p", f"{key}={f'{file}::/{key}' if is_array else value}"]
    words = [
        ITERATIVE[op].kind,
        op,
        f"{file}::/x",
        f"{tmp_path}/out.h5",
        "--block-rows",
        "97",
        *given,
    ]
    assert invoke(words) == 0
    assert ITERATIVE[op].gives[0] in capsys.readouterr().out
    alone = fitted(name, engine="serial")
    with h5py.File(tmp_path / "out.h5") as made:
        for path in ITERATIVE[op].saved:
            stored = made[path][()]
            assert np.array_equal(stored, alone[path], equal_nan=stored.dtype.kind == "f"), path
