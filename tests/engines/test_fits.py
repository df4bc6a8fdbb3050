"""Fits: the same bits from every engine, and never a hang or a lie, whatever stops them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute import events
from sharedcompute.engines.durability.stopped import stopped
from sharedcompute.engines.fits import rounds
from sharedcompute.planning.budget import staging

from .own_fit import HALVES
from .test_kill_anywhere import run
from .test_resume import Job

ROWS, COLUMNS = 3000, 7


@pytest.fixture(scope="module")
def data() -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).normal(5.0, 2.0, (ROWS, COLUMNS))


@pytest.fixture
def place(tmp_path: Path, data: np.ndarray[Any, Any]) -> Path:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("plain", data=data)
        file.create_dataset("gzip", data=data, chunks=(100, COLUMNS), compression=1)
    return tmp_path


class Rounds:
    """A listener that keeps the rounds that it hears of, and stops the fit after some."""

    def __init__(self, after: float = np.inf) -> None:
        self.after = after
        self.heard: list[events.RoundDone] = []

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.RoundDone):
            self.heard.append(event)
            if event.number >= self.after:
                raise StopIteration


def same(a: sc.Fitted, b: sc.Fitted) -> bool:
    return list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_a_fit_comes_to_the_same_bits_on_every_engine(
    teams: dict[int, sc.Team], data: np.ndarray[Any, Any]
) -> None:
    how = {"block_rows": 100, "rounds": 12}
    alone = sc.fit(HALVES, data, engine="serial", **how)
    assert np.allclose(alone.mean_, data.mean(axis=0), rtol=0, atol=1e-2)
    assert np.array_equal(alone["centred"], (data - alone["mean"]).sum(axis=1))
    assert alone.history["shift"].shape == (12,)
    for team in teams.values():
        for schedule in ("static", "dynamic", "guided"):
            assert same(sc.fit(HALVES, data, team=team, schedule=schedule, **how), alone)


@pytest.mark.parametrize("path", ["plain", "gzip"])
def test_a_fit_of_a_file_is_written_with_its_history(place: Path, team: sc.Team, path: str) -> None:
    out = place / "out.h5"
    found = sc.fit(HALVES, f"{place}/in.h5::/{path}", f"{out}::/a/b", team=team)
    assert found.converged
    with h5py.File(out) as file:
        group = file["a/b"]
        assert set(group) == {"mean", "rest", "centred", "history"}
        assert np.array_equal(group["mean"], found["mean"])
        assert np.array_equal(group["centred"], found["centred"][:])
        assert np.array_equal(group["history/shift"], found.history["shift"])
        assert group["history"].attrs["converged"] == 1


def test_a_file_that_does_not_fit_is_decoded_in_each_round(
    place: Path, team: sc.Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{place}/in.h5::/gzip"
    held = sc.fit(HALVES, address, team=team)
    monkeypatch.setattr(staging, "choose_loads", lambda *_: ())
    assert same(sc.fit(HALVES, address, team=team), held)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("engine", ["serial", "local"])
def test_rows_that_are_not_finite_are_named(
    team: sc.Team, data: np.ndarray[Any, Any], engine: str, wrong: float
) -> None:
    x = data.copy()
    x[1234, 2] = wrong
    how: dict[str, Any] = {"team": team} if engine == "local" else {"engine": engine}
    with pytest.raises(sc.InputError, match=f"finite numbers, got {wrong} in row 1234"):
        sc.fit(HALVES, x, **how)
    assert sc.fit(HALVES, data, **how).converged


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_an_algorithm_that_raises_is_heard(
    team: sc.Team, data: np.ndarray[Any, Any], engine: str
) -> None:
    how: dict[str, Any] = {"team": team} if engine == "local" else {"engine": engine}
    with pytest.raises(ArithmeticError, match="does not come out"):
        sc.fit(HALVES, data, fails_in=4, **how)
    assert sc.fit(HALVES, data, **how).converged


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_a_fit_that_is_told_to_stop_gives_the_best_so_far(
    team: sc.Team, place: Path, engine: str
) -> None:
    how: dict[str, Any] = {"team": team} if engine == "local" else {"engine": engine}
    watch = Rounds(after=5)
    out = place / "out.h5"
    found = sc.fit(HALVES, f"{place}/in.h5::/plain", out, listen=watch, rounds=10_000, **how)
    done = len(found.history["shift"])
    assert 5 <= done < 30
    assert not found.converged
    exactly = sc.fit(HALVES, f"{place}/in.h5::/plain", rounds=done, engine="serial")
    assert np.array_equal(found["mean"], exactly["mean"])
    assert np.array_equal(found["rest"], exactly["rest"])
    with h5py.File(out) as file:
        assert file["history"].attrs["stopped"] == 1
    # It is not what the job would have come to, so there is nothing to resume.
    with pytest.raises(sc.OutputExists):
        sc.fit(HALVES, f"{place}/in.h5::/plain", out, rounds=10_000, resume=True, **how)


def test_a_round_whose_worker_died_is_done_again(
    team: sc.Team, data: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    whole = sc.fit(HALVES, data, block_rows=100, engine="serial")
    watch = Rounds()
    dies = str(tmp_path / "died")
    found = sc.fit(HALVES, data, block_rows=100, dies=dies, team=team, retries=1, listen=watch)
    assert same(found, whole)
    numbers = [event.number for event in watch.heard]
    assert numbers == list(range(1, len(numbers) + 1))


def test_without_retries_a_death_ends_the_fit_and_says_where(
    team: sc.Team, data: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    with pytest.raises(sc.WorkerDied, match="200:300") as death:
        sc.fit(HALVES, data, block_rows=100, dies=str(tmp_path / "died"), team=team)
    assert death.value.rows == (200, 300)
    assert sc.fit(HALVES, data, team=team).converged


def fit_of(path: str, **how: Any) -> Job:
    return lambda f, out, **more: sc.fit(HALVES, f"{f}::/{path}", out, rounds=9, **how, **more)


@pytest.mark.parametrize("point", ["round", "checkpoint.write", "journal.append", "output.rename"])
@pytest.mark.parametrize("filter", [None, "gzip:1"])
@pytest.mark.sample(1)
def test_a_fit_that_is_killed_goes_on_to_the_same_bytes(
    place: Path, monkeypatch: pytest.MonkeyPatch, point: str, filter: str | None
) -> None:
    monkeypatch.setattr(rounds, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "SAVE_SHARE", 0)
    job = fit_of("plain", filter=filter, block_rows=500)
    job(place / "in.h5", place / "whole.h5", engine="serial")
    whole = (place / "whole.h5").read_bytes()
    for number in (2, 5, 11):
        if run(place, job, f"{point}:{number}:kill", engine="serial") == 0:
            break
        kept = stopped(place / "out.h5")
        assert kept is not None
        watch = Rounds()
        job(place / "in.h5", place / "out.h5", engine="serial", resume=True, listen=watch)
        # Rounds that were saved are not done again.
        assert len(watch.heard) <= 9 - kept.rounds
        assert (place / "out.h5").read_bytes() == whole
        (place / "out.h5").unlink()
    assert number > 2 or point == "output.rename"


def test_a_fit_that_is_finished_is_not_done_again(place: Path) -> None:
    job = fit_of("plain")
    first = job(place / "in.h5", place / "out.h5", engine="serial")
    watch = Rounds()
    again = job(place / "in.h5", place / "out.h5", engine="serial", resume=True, listen=watch)
    assert watch.heard == []
    assert set(again) == set(first)
    assert np.array_equal(again["mean"], first["mean"])


def test_a_fit_of_nothing_is_refused() -> None:
    with pytest.raises(sc.InputError, match="halves of no elements is not defined"):
        sc.fit(HALVES, np.empty((0, 4)))


def test_a_fit_is_the_last_step_and_has_its_own_command() -> None:
    x = np.ones((4, 2))
    with pytest.raises(sc.InputError, match="unknown fit 'halvs'"):
        sc.fit("halvs", x)
    with pytest.raises(sc.InputError, match="mean is a reduce"):
        sc.fit("mean", x)


def test_every_block_of_every_round_is_told(team: sc.Team, data: np.ndarray[Any, Any]) -> None:
    done: list[int] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.BlockDone):
            done.append(event.block)

    sc.fit(HALVES, data, block_rows=100, rounds=4, team=team, listen=listen)
    # Four rounds, one more for the results, and the pass over the rows behind it.
    assert sorted(done) == sorted(6 * list(range(30)))
