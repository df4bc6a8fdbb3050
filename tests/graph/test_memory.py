"""``memory`` is kept by graphs: what all processes take together, measured while a job runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.process_memory import SHM, most_of

from . import taken
from .large import GRAPHS, HELD, write

ENGINES = [("serial", 1), ("local", 1), ("local", 3)]

pytestmark = pytest.mark.skipif(not SHM.is_dir(), reason="/proc and /dev/shm are needed")


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
    most = most_of(running)
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
    assert needed / 2.5 < most - HELD.get(name, 0) <= needed


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taken")
    taken.write(folder, 200_000_000, (300, 250))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "workers", "threads"), [("serial", 1, 2), ("local", 2, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_a_random_expression_takes_a_little_less_than_it_said(
    files: Path, seed: int, engine: str, workers: int, threads: int
) -> None:
    first, again = (
        taken.taken(files, seed, engine=engine, workers=workers, threads=threads) for _ in range(2)
    )
    assert first is not None
    assert again is not None
    # Some of what is to be compiled for the first time may have been compiled for another one.
    assert first.peak <= first.forecast
    assert again.compiling == 0
    assert again.forecast / 1.3 < again.peak <= again.forecast
