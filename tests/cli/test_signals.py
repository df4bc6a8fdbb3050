"""Ctrl-C once and a hundred times, SIGTERM, SIGHUP: whatever the command is doing."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from sharedcompute.shm import arrays

from .processes import COMMAND, start

# A kernel that says that it runs.
OP = """
import time
import sharedcompute as sc

def slow(x, out):
    if len(x) > 1:
        open("running", "a").close()
        time.sleep(0.01)
    out[...] = x

op = sc.Map("slow", slow)
"""

# Where a signal finds the command: what comes there first says so, and waits.
CUSTOM = """
import sys
import time

def wait(*_args, **_more):
    open("running", "a").close()
    while True:
        time.sleep(0.01)

place = {place!r}

class Finder:
    def find_spec(self, name, path=None, target=None):
        if place == "imports" and name == "numba":
            wait()
        if place == "team" and name == "sharedcompute.team.supervisor":
            wait()
        if place == "commit" and name == "sharedcompute.engines.results":
            import os
            os.fsync = wait
        return None

sys.meta_path.insert(0, Finder())
from sharedcompute.__main__ import main
main()
"""

SIGNALS = {"INT": (signal.SIGINT, 130), "TERM": (signal.SIGTERM, 143), "HUP": (signal.SIGHUP, 129)}
ENGINES = {"serial": ["--engine", "serial"], "local": ["--engine", "local", "-j", "2"]}
JOB = ["map", "--op-from", "slow.py:op", "in.h5::/x", "out.h5", "--overwrite", "--block-rows", "10"]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = np.zeros((20_000, 10))
    (tmp_path / "slow.py").write_text(OP)
    (tmp_path / "out.h5").write_text("precious")
    return tmp_path


def handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def interrupt(
    folder: Path,
    words: list[str],
    number: int,
    times: int,
    seconds: float = -1,
    command: Sequence[str] = COMMAND,
) -> None:
    """Start, send signals when it says that it runs or after a time, and see what is left."""
    process = start(folder, *words, command=command)
    try:
        deadline = time.monotonic() + (seconds if seconds >= 0 else 60)
        while time.monotonic() < deadline and not (folder / "running").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        while not handles(process.pid, number):  # a busy machine starts Python slowly
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        for _ in range(times):
            os.killpg(process.pid, number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (128 + number, ""), err
    assert err.count("\n") <= 1, err
    assert (folder / "out.h5").read_text() == "precious"
    # What is left is what is said to be.
    assert (folder / "out.h5.resume").exists() == ("--resume goes on" in err)
    assert [b for b in arrays.list_blocks() if b.pid == process.pid] == []


@pytest.mark.parametrize("times", [1, 100])
@pytest.mark.parametrize("place", ["imports", "team", "commit"])
@pytest.mark.sample(1)
def test_a_signal_at_any_stage_ends_in_its_exit_code(job: Path, place: str, times: int) -> None:
    (job / "main.py").write_text(CUSTOM.format(place=place))
    command = [sys.executable, "main.py"]
    interrupt(job, [*JOB, *ENGINES["local"]], signal.SIGINT, times, command=command)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_a_hundred_signals_are_as_one(job: Path, engine: str, name: str) -> None:
    interrupt(job, [*JOB, *ENGINES[engine]], SIGNALS[name][0], 100)


def test_signals_before_anything_is_imported(job: Path) -> None:
    interrupt(job, [*JOB, *ENGINES["serial"]], signal.SIGTERM, 1, seconds=0.15)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_hundred_interrupts_at_a_random_moment(job: Path, engine: str, seed: int) -> None:
    (job / "slow.py").write_text(OP.replace('open("running", "a").close()', "pass"))
    seconds = random.Random(seed).uniform(0.15, 3)
    interrupt(job, [*JOB, *ENGINES[engine]], signal.SIGINT, 100, seconds)
