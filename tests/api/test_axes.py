"""Reductions along any axes, as users call them: as NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sharedcompute as sc

X = np.random.default_rng(0).normal(size=(40, 4, 6)).astype("f4")
AXES = [0, 1, -1, (0, 2), (1, 2), (-1, 0), (0, 1, 2), None]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_axes_are_numpys(axis: Any, keepdims: bool) -> None:
    got = sc.reduce(["mean", "max"], X, axis=axis, keepdims=keepdims, engine="serial")
    want = X.mean(axis=axis, keepdims=keepdims, dtype="f8")
    assert got["mean"].shape == want.shape
    np.testing.assert_allclose(got["mean"], want, 1e-5, 1e-6)
    np.testing.assert_array_equal(got["max"], X.max(axis=axis, keepdims=keepdims))


def test_axes_have_words_and_text() -> None:
    for axis, same in (("rows", 0), ("all", None), ("-1", -1), ("0,2", (0, 2)), ([1, 2], (1, 2))):
        got = sc.reduce("min", X, axis=axis, engine="serial")
        np.testing.assert_array_equal(got, X.min(axis=same))


@pytest.mark.parametrize("block_rows", [1, 2, 3, 7])
def test_rows_that_stay_have_the_same_bits_on_every_team(block_rows: int) -> None:
    want = sc.reduce("std", X, axis=(1, 2), engine="serial")
    for workers in (1, 2):
        got = sc.reduce("std", X, axis=(1, 2), workers=workers, block_rows=block_rows)
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("axis", [(0, 2), (0, 1), (1, 2), -1], ids=str)
def test_what_rows_are_reduced_with_has_the_same_bits_on_every_team(axis: Any) -> None:
    want = sc.reduce(["mean", "std"], X, axis=axis, engine="serial", block_rows=3)
    with sc.Team(2) as team:
        for schedule in ("static", "dynamic"):
            got = sc.reduce(
                ["mean", "std"], X, axis=axis, team=team, schedule=schedule, block_rows=3
            )
            assert all(got[name].tobytes() == want[name].tobytes() for name in want)
        np.testing.assert_array_equal(sc.reduce("max", X, axis=axis, team=team), X.max(axis=axis))


def test_an_index_along_any_axis() -> None:
    for axis in (0, 1, 2, None):
        np.testing.assert_array_equal(sc.reduce("argmax", X, axis=axis), X.argmax(axis=axis))


@pytest.mark.parametrize("axis", ["columns", 1.5, True, "0,x", (0, "rows")], ids=str)
def test_what_is_no_axis_is_refused(axis: Any) -> None:
    with pytest.raises(sc.InputError, match="expected 'rows'"):
        sc.reduce("mean", X, axis=axis)


def test_an_axis_that_the_data_have_not_is_refused() -> None:
    with pytest.raises(sc.InputError, match="from -3 to 2"):
        sc.reduce("mean", X, axis=3)


@pytest.mark.parametrize("axis", [0, -1, (0, 2), None], ids=str)
@pytest.mark.parametrize(
    ("data", "asked"),
    [("f4", "f8"), ("f8", "f4"), ("i8", "f8"), ("i4", "i2"), ("u1", "i8"), ("?", "f4")],
)
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "std"])
def test_a_dtype_is_asked_for_as_in_numpy(name: str, data: str, asked: str, axis: Any) -> None:
    if name in ("mean", "std") and asked[0] == "i":
        asked = "f4"
    x = np.random.default_rng(1).integers(0, 2 if data == "?" else 3, (4, 3, 5)).astype(data)
    want = getattr(np, name)(x, axis=axis, dtype=asked)
    got = sc.reduce(name, x, axis=axis, dtype=asked, engine="serial")
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, 1e-5)


def test_a_sum_in_floats_of_whole_numbers_does_not_wrap() -> None:
    x = np.full(4, np.iinfo("i8").max)
    assert sc.reduce("sum", x, dtype="f8") == x.sum(dtype="f8") > 0
    assert sc.reduce("prod", x[:2], dtype="f8") > 8e37


def test_a_dtype_that_loses_the_kind_is_refused() -> None:
    for name, x in (("sum", X), ("mean", np.arange(3))):
        with pytest.raises(sc.InputError, match="cast the data first"):
            sc.reduce(name, x, dtype="i4")
