"""Reductions over rows so wide that their states are shared, tiled and combined by all workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Reduce
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.reductions.tally import CACHED, Tally, tally
from sharedcompute.operations.specs import ArraySpec
from tests.operations import reference

NAMES = ("mean", "std", "sum", "var", "min", "max", "argmin", "argmax", "any", "all", "count")
WIDTH = 2 * CACHED + 700


@pytest.fixture(scope="module")
def teams() -> Iterator[dict[int, sc.Team]]:
    made = {size: sc.Team(size) for size in (1, 3)}
    yield made
    for team in made.values():
        team.close()


def frames(dtype: str, rows: int = 13, nans: bool = False) -> Any:
    rng = np.random.default_rng(0)
    if dtype == "?":
        return rng.random((rows, WIDTH)) < 0.5
    if dtype[0] in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, (rows, WIDTH), dtype, endpoint=True)
    x = rng.normal(size=(rows, WIDTH)).round(1).astype(dtype)  # with ties, and with -0.0
    if nans:
        x[rng.random(x.shape) < 0.3] = np.nan
    return x


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("dtype", "nans"),
    [("u2", False), ("i4", False), ("?", False), ("f4", False), ("f4", True)],
)
def test_they_agree_with_numpy_and_have_the_same_bits_on_every_team(
    dtype: str, nans: bool, teams: dict[int, sc.Team]
) -> None:
    x = sc.asarray(frames(dtype, nans=nans))
    plain = np.asarray(x)
    how: dict[str, Any] = {"block_rows": 2}
    groups = [("count",), tuple(n for n in NAMES if n != "count")]
    want: dict[str, Any] = {}
    for names in groups:
        params = {"skipna": nans} if names != ("count",) else {}
        want |= sc.reduce(names, x, engine="serial", **how, **params)
        for size, schedule in ((1, "static"), (3, "static"), (3, "dynamic"), (3, "guided")):
            got = sc.reduce(names, x, team=teams[size], schedule=schedule, **how, **params)
            for name in names:
                assert got[name].tobytes() == want[name].tobytes(), name
    for name in NAMES:
        known = {} if name == "count" else {"skipna": nans}
        expected = reference.REDUCTIONS[name](plain, 0, **known)
        tolerance = 1e-6 if dtype == "f4" else 1e-12
        np.testing.assert_allclose(want[name], expected, rtol=tolerance, atol=tolerance)


def test_moments_of_small_integers_do_not_depend_on_the_blocks() -> None:
    x = frames("u2")
    whole = sc.reduce(["mean", "std"], x, engine="serial", block_rows=13)
    cut = sc.reduce(["mean", "std"], x, engine="serial", block_rows=1)
    for name, values in whole.items():
        assert values.tobytes() == cut[name].tobytes()


def test_the_variance_of_frames_with_a_pedestal_is_exact() -> None:
    x = np.full((4, WIDTH), 65000, np.uint16)
    x[::2] += 1
    assert np.unique(sc.reduce("var", x)).tolist() == [0.25]


def test_constant_frames_have_no_deviation() -> None:
    x = np.full((7, WIDTH), 0.1, np.float32)
    assert np.unique(sc.reduce("std", x, engine="serial", block_rows=2)).tolist() == [0]


def tallied(name: str, dtype: str, rows: int, columns: int, over_all: bool = False) -> Tally:
    operation = find(name, "reduce")
    assert isinstance(operation, Reduce)
    axes = (0, 1) if over_all else (0,)
    return tally(Reduction(operation, {}, ArraySpec((rows, columns), np.dtype(dtype)), axes))


def test_sums_of_integers_that_might_overflow_are_floats() -> None:
    assert tallied("mean", "u4", 2**32, 10).exact
    assert not tallied("mean", "u4", 2**32 + 1, 10).exact
    assert not tallied("mean", "u4", 2**32, 10, over_all=True).exact
    assert tallied("std", "u2", 2**34, 10).exact
    assert not tallied("std", "u2", 2**34, 2, over_all=True).exact
    assert not tallied("mean", "i8", 10, 10).exact


def test_what_is_exact_keeps_one_state_for_each_worker() -> None:
    assert tallied("std", "u2", 100, WIDTH).slots(50, 3) == 3 + 2
    assert tallied("std", "f4", 100, WIDTH).slots(50, 3) == 50 + 1
    assert tallied("argmax", "f4", 100, WIDTH).slots(50, 3) == 3 + 2


def test_scans_of_integers_keep_what_is_before_each_block(teams: dict[int, sc.Team]) -> None:
    x = sc.asarray(frames("u2"))
    want = np.cumsum(np.asarray(x), axis=0, dtype=np.uint64)
    for team in teams.values():
        np.testing.assert_array_equal(sc.scan("cumsum", x, team=team, block_rows=2), want)
