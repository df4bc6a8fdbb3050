"""Fits at the edges: of rows that stages give, killed after their last round, stopped in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.engines.fits import rounds
from sharedcompute.engines.local import Local
from sharedcompute.operations.fits.linear import LSTSQ
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.planning.fit import FitPart
from sharedcompute.shm import arrays

from .own_fit import HALVES
from .test_fits import Rounds, data, fit_of, place
from .test_kill_anywhere import run

__all__ = ["data", "place"]


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_a_fit_that_gives_nothing_for_each_row_sees_rows_of_half_precision(engine: str) -> None:
    half = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float16)
    found = sc.fit("pca", half, engine=engine, workers=2 if engine == "local" else None)
    assert np.array_equal(found["mean"], sc.fit("pca", half.astype(np.float32))["mean"])


@pytest.mark.slow
def test_a_fit_that_is_killed_after_its_last_round_does_no_other(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "SAVE_SHARE", 0)
    job = fit_of("plain", block_rows=500)
    job(place / "in.h5", place / "whole.h5", engine="serial")
    assert run(place, job, "output.rename:1:kill", engine="serial") != 0
    job(place / "in.h5", place / "out.h5", engine="serial", resume=True)
    assert (place / "out.h5").read_bytes() == (place / "whole.h5").read_bytes()


def test_a_fit_that_is_told_to_stop_in_its_last_round_is_whole(place: Path) -> None:
    out = place / "out.h5"
    watch = Rounds(after=9)
    sc.fit(HALVES, f"{place}/in.h5::/plain", f"{out}::/a", rounds=9, engine="serial", listen=watch)
    with h5py.File(out) as file:
        history = file["a/history"]
        assert history["shift"].shape == (9,)
        assert not history.attrs["stopped"]


@pytest.mark.parametrize(("dtype", "size"), [("f4", 1e20), ("f8", 1e160)])
@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_rows_too_large_to_be_told_apart_are_refused(dtype: str, size: float, init: str) -> None:
    x = (np.random.default_rng(0).normal(size=(60, 2)) * size).astype(dtype)
    with pytest.raises(sc.InputError, match="expected numbers whose squares are finite"):
        sc.fit("kmeans", x, n_clusters=3, init=init, engine="serial")


@pytest.mark.parametrize("op", ["pca", "lstsq", "ridge"])
def test_squares_beyond_floating_point_are_one_error(op: str) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    given = {} if op == "pca" else {"y": x[:, 0] * 1e200}
    with pytest.raises(sc.InputError, match=f"{op} expected numbers whose squares are finite"):
        sc.fit(op, x * 1e200 if op == "pca" else x, engine="serial", **given)


@pytest.mark.parametrize("op", ["lstsq", "ridge"])
def test_a_target_counts_in_the_memory_that_a_fit_takes(op: str) -> None:
    x, y = np.zeros((300_000, 1)), np.zeros((300_000, 100))
    with pytest.raises(sc.MemoryBudgetError, match="the job needs"):
        sc.fit(op, x, y=y, engine="serial", memory="300 MB")


def test_workers_find_the_target_in_shared_memory(team: sc.Team) -> None:
    x = np.random.default_rng(0).normal(size=(20_000, 2))
    part = FitPart(
        LSTSQ,
        LSTSQ.algorithm({"y": x[:, 0], "fit_intercept": True}, ArraySpec(x.shape, x.dtype)),
        0,
    )
    algorithm: Any = part.reached(Local(team, "static").share).algorithm
    assert arrays.handle(algorithm.y) is not None
    assert np.array_equal(algorithm.y, x[:, 0])
