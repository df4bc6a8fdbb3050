"""What all tests share: teams, a clean cache for kernels, and the proof that nothing is left."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests import kernel_cache
from tests.smoke import mark_smoke_tests
from tests.sweeps import mark_slow_cases

# Before numba is imported anywhere: its default cache lies beside the kernels.
CACHE = kernel_cache.folder()
os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE))
# Progress and tables must not depend on the terminal that runs the tests.
os.environ.pop("FORCE_COLOR", None)

import psutil
import pytest

import sharedcompute as sc
from sharedcompute.shm import arrays


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what processes of tests find: signals, and kernels before there are several."""
    restore_signals()
    starts_others = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    runs_all = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if starts_others and runs_all and os.environ["NUMBA_CACHE_DIR"] == str(CACHE):
        kernel_cache.compile_once(CACHE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and what a quick run has, before ``-m`` chooses."""
    mark_slow_cases(items)
    mark_smoke_tests(items)


def pytest_collection_finish() -> None:
    """Leave what collection made to no later search for garbage.

    The tests and the modules that they import are millions of objects, which stay to the end: each
    full collection of a test, and each that Python starts, would look at all of them for a second.
    """
    gc.collect()
    gc.freeze()


def restore_signals() -> None:
    """Give what tests start the signals of a terminal.

    In the background, and after nohup, some are ignored, and so they are in all children: an
    interrupt that a test sends would mean nothing to them. A signal that is handled here is at its
    default in a program that is started; this process still survives the end of its terminal.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN or "PYTEST_XDIST_WORKER" in os.environ:
            signal.signal(number, lambda *_: None)


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
