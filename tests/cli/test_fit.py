"""`sharedcompute fit`: stopped with the best so far, dropped, killed, resumed; wrong use."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sharedcompute.cli.main import invoke
from sharedcompute.shm import arrays

from .processes import start

ENDLESS = ["-p", "tol=0", "-p", "max_iter=2000000000"]
ENGINES = {"serial": ["--engine", "serial"], "local": ["--engine", "local", "-j", "2"]}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(200, 300))
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = x
        file["y"] = x[:, 0]
        file["same"] = np.ones((50, 3))
    return tmp_path


def begun(folder: Path, engine: str) -> subprocess.Popen[str]:
    """A fit without an end, some rounds of which are saved."""
    process = start(folder, "solve", "jacobi", "in.h5::/x", "out.h5", *ENDLESS, *ENGINES[engine])
    deadline = time.monotonic() + 60
    while not (folder / "out.h5.resume/states-1-0").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def saved(folder: Path) -> set[tuple[str, int]]:
    """The rounds that are saved: their files, and when they were written."""
    found = set()
    for file in (folder / "out.h5.resume").glob("states-*"):
        with suppress(FileNotFoundError):  # replaced meanwhile
            found.add((file.name, file.stat().st_mtime_ns))
    return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_a_signal_stops_a_fit_with_the_best_so_far(
    grid: Path, engine: str, number: int, code: int
) -> None:
    process = begun(grid, engine)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert err.endswith("sharedcompute: stopped; the output has the best so far\n")
    with h5py.File(grid / "out.h5") as file:
        assert file["history"].attrs["stopped"] == 1
        assert file["n_iter"][()] == file["history/sweeps"][-1] > 0
        assert np.isfinite(file["grid"]).all()
    assert not (grid / "out.h5.resume").exists()
    assert [b for b in arrays.list_blocks() if b.pid == process.pid] == []


@pytest.mark.slow
def test_a_second_signal_drops_it(grid: Path) -> None:
    (grid / "out.h5").write_text("precious")
    process = start(
        grid, "solve", "jacobi", "in.h5::/x", "out.h5", *ENDLESS, *ENGINES["serial"], "--overwrite"
    )
    while not (grid / "out.h5.resume/states-1-0").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)
    # Both are there before it looks at the first.
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, 143)
    assert "the output is as it was" in err
    assert (grid / "out.h5").read_text() == "precious"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_a_killed_fit_goes_on_where_it_was(grid: Path, engine: str) -> None:
    process = begun(grid, engine)
    process.kill()
    process.communicate()
    before = saved(grid)
    again = start(
        grid, "solve", "jacobi", "in.h5::/x", "out.h5", *ENDLESS, "--resume", *ENGINES[engine]
    )
    until = time.monotonic() + 60
    while saved(grid) == before and time.monotonic() < until:
        assert again.poll() is None, again.communicate()
        time.sleep(0.01)
    os.killpg(again.pid, signal.SIGINT)
    _, err = again.communicate(timeout=60)
    assert again.returncode == 130, err
    with h5py.File(grid / "out.h5") as file:
        sweeps = file["history/sweeps"][()]
        assert (np.diff(sweeps) == sweeps[0]).all()  # none is missing, none is there twice


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kmeans", "::/x", "-p", "n_clusters=201"], "got n_samples=200 and n_clusters=201"),
        (["kmeans", "::/x", "-p", "n_cluster=2"], "did you mean 'n_clusters'?"),
        (["lstsq", "::/x", "-p", "y={}::/y"], "lstsq"),  # 200 rows, 300 columns
        (["lstsq", "::/same", "-p", "y={}::/x"], "lstsq"),  # other rows
        (["pca", "::/x", "-p", "n_components=999"], "n_components"),
        (["heat", "::/x", "-p", "sweeps=3"], "heat is a solver, expected a fit: use `solve`"),
        (["mean", "::/x"], "mean is a reduce"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(
    grid: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    refused("fit", grid, capsys, words, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["heat", "::/x", "-p", "sweeps=3", "-p", "alpha=0.9"], "stable up to alpha=0.25"),
        (["power", "::/x"], "square"),
        (["heet", "::/x"], "unknown solver 'heet': did you mean 'heat'?"),
        (["pca", "::/x"], "pca is a fit, expected a solver: use `fit` for it"),
    ],
)
def test_what_cannot_be_solved_is_one_line(
    grid: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    refused("solve", grid, capsys, words, said)


def refused(
    command: str, grid: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    file = grid / "in.h5"
    op, path, *params = words
    given = [word.format(file) for word in params]
    code = invoke([command, op, f"{file}{path}", f"{grid}/out.h5", *given])
    told: Any = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert told.err.count("\n") == 1
    assert said in told.err
    assert sorted(p.name for p in grid.iterdir()) == ["in.h5"]
