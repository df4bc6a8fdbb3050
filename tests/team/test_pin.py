"""Workers that are kept on cores of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.options.groups import RunOptions

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two cores",
)


def affinities(worker: sc.Worker) -> dict[str, set[int]]:
    """Of every thread of a worker."""
    threads = Path("/proc/self/task").iterdir()
    return {thread.name: os.sched_getaffinity(int(thread.name)) for thread in threads}


@pytest.mark.sample(1)
@pytest.mark.parametrize("start_method", ["forkserver", "spawn", "fork"])
def test_workers_have_cores_of_their_own_with_all_their_threads(start_method: str) -> None:
    before = os.sched_getaffinity(0)
    with sc.Team(2, start_method=start_method, pin=True) as team:
        first, second = team.run(affinities)
    for threads in (first, second):
        assert len({frozenset(cores) for cores in threads.values()}) == 1
    cores = [next(iter(threads.values())) for threads in (first, second)]
    assert [len(each) for each in cores] == [1, 1]
    assert not cores[0] & cores[1]
    assert cores[0] | cores[1] <= before
    assert os.sched_getaffinity(0) == before


def test_a_worker_has_a_core_for_each_thread() -> None:
    with sc.Team(1, threads=2, pin=True) as team:
        (threads,) = team.run(affinities)
    assert {len(cores) for cores in threads.values()} == {2}


def test_who_takes_a_dead_workers_place_takes_its_cores() -> None:
    def cores(worker: sc.Worker) -> list[int]:
        return sorted(os.sched_getaffinity(0))

    def die(worker: sc.Worker) -> None:
        if worker.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with sc.Team(2, pin=True) as team:
        want = team.run(cores)
        with pytest.raises(sc.WorkerDied):
            team.run(die)
        assert team.run(cores) == want


def test_pinned_workers_share_no_cores_by_default() -> None:
    with sc.Team(threads=2, pin=True) as team:
        assert team.size * 2 <= len(os.sched_getaffinity(0))
    assert RunOptions(threads=2, pin=True).team_size * 2 <= len(os.sched_getaffinity(0))


MANY = 1 + len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 99


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: sc.Team(MANY, pin=True),
        lambda: sc.Team(1, threads=MANY, pin=True),
        lambda: sc.map("scale", np.ones((4, 2)), factor=2.0, workers=MANY, pin=True),
    ],
)
def test_more_threads_than_cores_cannot_be_pinned(wrong: Callable[[], Any]) -> None:
    with pytest.raises(sc.InputError, match=f"at most {MANY - 1} cores to pin to"):
        wrong()


def test_a_system_that_pins_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(sc.InputError, match="expected Linux"):
        sc.Team(1, pin=True)


def test_a_job_may_be_pinned_and_gives_the_same() -> None:
    x = np.random.default_rng(0).normal(size=(200, 30))
    want = sc.reduce("std", x, engine="serial", block_rows=9)
    got = sc.reduce("std", x, engine="local", workers=2, pin=True, block_rows=9)
    assert got.tobytes() == want.tobytes()


def test_pin_is_true_or_false_and_a_teams_own(team: sc.Team) -> None:
    with pytest.raises(sc.InputError, match="pin: expected true or false"):
        sc.reduce("mean", np.ones((3, 2)), pin="no")
    with pytest.raises(sc.InputError, match="pin=True does not go with a team of pin=False"):
        sc.reduce("mean", np.ones((3, 2)), team=team, pin=True)
    with pytest.raises(sc.InputError, match="'pin' is an option of every job"):
        sc.Parameter("pin", int, "mine")


def test_the_plan_says_that_workers_are_pinned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = np.ones((20, 3))
    words = ["reduce", "mean", f"{tmp_path / 'in.h5'}", "--dry-run", "--engine", "local"]
    assert invoke([*words, "-j", "2", "--block-rows", "5", "--pin"]) == 0
    assert "2 workers x 1 thread(s), pinned" in capsys.readouterr().out
