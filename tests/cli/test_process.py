"""The command as a process of its own: signals, pipes, and what importing costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.shm import arrays

from .processes import COMMAND, start, wait_until_running

# A kernel that says that it runs, and then runs for ever. The row on which kernels are compiled
# in the parent comes alone.
SLOW = """
import time
import sharedcompute as sc

def wait(x, out):
    if len(x) > 1:
        open("running", "a").close()
        while True:
            time.sleep(0.01)

op = sc.Map("wait", wait)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A folder with an input, an endless operation, and an output that must survive."""
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = np.zeros((100, 10))
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "out.h5").write_text("precious")
    return tmp_path


ENGINES = [["--engine", "serial"], ["--engine", "local", "-j", "2", "--block-rows", "10"]]


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize("engine", ENGINES, ids=["serial", "local"])
@pytest.mark.sample(1)
def test_a_signal_ends_a_job_and_leaves_nothing(
    slow: Path, engine: list[str], number: signal.Signals, code: int, word: str
) -> None:
    words = ["map", "--op-from", "slow.py:op", "in.h5::/x", "out.h5", "--overwrite", *engine]
    process = start(slow, *words)
    try:
        wait_until_running(slow, process)
        # Ctrl-C reaches the whole foreground group; a scheduler's SIGTERM the parent alone.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (code, "")
    assert word in err
    assert err.strip().count("\n") == 0
    assert (slow / "out.h5").read_text() == "precious"
    assert [p.name for p in slow.iterdir() if "resume" in p.name] == []
    assert [b for b in arrays.list_blocks() if b.pid == process.pid] == []


@pytest.mark.slow
def test_two_jobs_cannot_write_one_output(slow: Path) -> None:
    words = ["map", "--op-from", "slow.py:op", "in.h5::/x", "new.h5", "--engine", "serial"]
    first = start(slow, *words)
    try:
        wait_until_running(slow, first)
        second = start(slow, "map", "scale", "in.h5::/x", "new.h5")
        _, err = second.communicate(timeout=60)
        assert second.returncode == 3
        assert "being written by another job" in err
    finally:
        first.kill()
        first.communicate()
    # A job that was killed leaves a temporary file, and does not keep the next one from writing.
    third = start(slow, "map", "scale", "in.h5::/x", "new.h5")
    assert third.communicate(timeout=60) == ("", "")
    assert third.returncode == 0
    assert sorted(p.name for p in slow.iterdir() if "new.h5" in p.name) == ["new.h5"]


def test_the_version_comes_without_loading_the_machinery(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sharedcompute", "--version"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert sc.__version__ in said.stdout
    loaded = {line.rpartition("|")[2].strip() for line in said.stderr.splitlines()}
    assert loaded & {"numba", "h5py", "hdf5plugin"} == set()


def test_a_reader_that_goes_away_is_no_error_with_a_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        said = subprocess.run(
            [*COMMAND, "ops"], stdout=gone, stderr=subprocess.PIPE, text=True, check=False,
            cwd=tmp_path,
        )  # fmt: skip
    assert said.stderr == ""
    assert said.returncode == 1


@pytest.mark.parametrize("statement", ["import sharedcompute", "import sharedcompute as s; dir(s)"])
def test_importing_the_package_brings_nothing_that_is_slow(statement: str) -> None:
    shown = "import sys; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", f"{statement}; {shown}"], capture_output=True, text=True, check=True
    )
    slow = {"numpy", "numba", "h5py", "hdf5plugin", "psutil", "rich", "click"}
    assert slow & set(said.stdout.split()) == set()


def test_a_small_command_loads_nothing_that_only_fits_and_teams_need(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = np.ones((3, 2))
    words = ["reduce", "mean", "in.h5", "--axis", "all", "-q"]
    script = (
        "import sys; from sharedcompute.cli.main import invoke; "
        f"assert invoke({words}) == 0; print(*sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    slow = {"threadpoolctl", "sharedcompute.sync", "sharedcompute.team.supervisor", "sklearn"}
    assert slow & set(said.stdout.split()) == set()
