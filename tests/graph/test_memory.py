"""``memory`` is kept by graphs: what all processes take together, measured while a job runs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.engines.test_memory_kept import private, shared

from .large import GRAPHS, write

ENGINES = [("serial", 1), ("local", 1), ("local", 3)]

pytestmark = pytest.mark.skipif("not SHM.is_dir()", reason="/proc and /dev/shm are needed")

SHM = Path("/dev/shm")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write(folder, 1)
    return folder


def started(words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.graph.large", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def planned(words: list[str]) -> int:
    """What a job says that it takes."""
    out, err = started([*words, "0"]).communicate()
    assert out, err
    return int(out)


def peak(words: list[str]) -> int:
    """The most that the processes of a job had together."""
    running = started(words)
    most, watched = 0, psutil.Process(running.pid)
    while running.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            pids = [running.pid, *(child.pid for child in watched.children(recursive=True))]
            most = max(most, sum(map(private, pids)) + shared(running.pid))
    _, err = running.communicate()
    assert running.returncode == 0, err
    return most


@pytest.mark.parametrize(("engine", "workers"), ENGINES)
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.sample(1)
def test_a_graph_takes_no_more_memory_than_it_said(
    inputs: Path, name: str, engine: str, workers: int
) -> None:
    words = [name, str(inputs), engine, str(workers)]
    needed = planned(words)
    most = peak([*words, str(needed)])
    assert needed / 2.5 < most <= needed
