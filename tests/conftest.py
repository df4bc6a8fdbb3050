"""What all tests share: teams, a clean cache for kernels, and the proof that nothing is left."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

# Before numba is imported anywhere: its default cache lies beside the kernels, and a cached
# function does not notice that another file which it calls has changed.
CACHE = Path(__file__).parent.parent / ".cache" / "numba"
os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE))
# Progress and tables must not depend on the terminal that runs the tests.
os.environ.pop("FORCE_COLOR", None)

import psutil
import pytest

import sharedcompute as sc
from sharedcompute.shm import arrays


@pytest.fixture(scope="session")
def teams() -> Iterator[dict[int, sc.Team]]:
    """Warm teams by their size: one worker, two, and more than this machine has cores."""
    made = {size: sc.Team(size) for size in (1, 2, 5)}
    yield made
    for team in made.values():
        team.close()


@pytest.fixture(scope="session")
def team(teams: dict[int, sc.Team]) -> sc.Team:
    """A warm team of two."""
    return teams[2]


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After all tests no worker of ours runs and no shared block of ours exists."""
    yield
    gc.collect()  # tracebacks of tests hold arrays
    mine = [b for b in arrays.list_blocks() if b.pid == os.getpid()]
    assert mine == []
    # The fork server stays until this process ends; its children are workers.
    workers = [w for server in psutil.Process().children() for w in server.children()]
    assert workers == []


@pytest.fixture(scope="session")
def climate() -> Path:
    """The real file of the demo."""
    package = pytest.importorskip("iris_sample_data")
    return Path(package.__path__[0]) / "sample_data" / "A1B_north_america.nc"
