"""Reductions of chosen elements and with weights give what NumPy and xarray give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import sharedcompute as sc

X = np.random.default_rng(0).normal(size=(40, 9, 5))
LATITUDE = np.cos(np.linspace(-1, 1, 9))
POSITIVE = X > 0


@pytest.mark.parametrize("name", ["mean", "std", "sum", "var"])
@pytest.mark.parametrize("axis", [1, (0, 1), None], ids=str)
def test_weights_of_a_latitude_are_those_of_xarray(name: str, axis: Any) -> None:
    field = xr.DataArray(X, dims=["time", "lat", "lon"])
    weights = xr.DataArray(LATITUDE, dims=["lat"])
    dims = None if axis is None else [field.dims[a] for a in np.atleast_1d(axis)]
    want = getattr(field.weighted(weights), name)(dims)
    got = sc.reduce(name, X, axis=axis, weights=LATITUDE[:, None])
    np.testing.assert_allclose(got, want, 1e-12)


def test_one_weight_for_each_place_along_the_axis() -> None:
    want = np.average(X, axis=1, weights=LATITUDE)
    np.testing.assert_allclose(sc.reduce("mean", X, axis=1, weights=LATITUDE), want, 1e-12)
    kept = sc.reduce("mean", X, axis=1, weights=LATITUDE, keepdims=True)
    np.testing.assert_allclose(kept, want[:, None], 1e-12)


def test_missing_numbers_are_left_out_with_their_weights() -> None:
    x = np.where(X > 1, np.nan, X)
    field = xr.DataArray(x, dims=["time", "lat", "lon"])
    want = field.weighted(xr.DataArray(LATITUDE, dims=["lat"])).mean("lat")
    got = sc.reduce("mean", x, axis=1, weights=LATITUDE, skipna=True)
    np.testing.assert_allclose(got, want, 1e-12)


@pytest.mark.parametrize("name", ["mean", "std", "sum", "var", "prod"])
@pytest.mark.parametrize("axis", [0, 1, None], ids=str)
def test_only_chosen_elements_take_part(name: str, axis: Any) -> None:
    want = getattr(X, name)(axis=axis, where=POSITIVE)
    np.testing.assert_allclose(sc.reduce(name, X, axis=axis, where=POSITIVE), want, 1e-12)


def test_files_and_teams_take_both(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"], file["m"], file["w"] = X, POSITIVE, LATITUDE
    named = f"{tmp_path}/in.h5::"
    out = f"{tmp_path}/out.h5"
    sc.reduce(["mean", "std"], f"{named}/x", out, axis=1, weights=f"{named}/w")
    with h5py.File(out) as file:
        want = np.average(X, axis=1, weights=LATITUDE)
        np.testing.assert_allclose(file["mean"], want, 1e-12)
        assert file["std"].shape == (40, 5)
    with sc.Team(2) as team:
        got = team.reduce("mean", f"{named}/x", axis=0, where=f"{named}/m")
    np.testing.assert_allclose(got, X.mean(axis=0, where=POSITIVE), 1e-12)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"weights": LATITUDE}, "broadcasts to"),
        ({"weights": LATITUDE, "where": POSITIVE}, "where or weights, got both"),
        ({"where": X}, "array of bool"),
    ],
)
def test_what_does_not_suit_the_data_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(sc.InputError, match=words):
        sc.reduce("mean", X, axis=0, **given)


def test_a_maximum_has_no_weights() -> None:
    with pytest.raises(sc.InputError, match="one of mean, std, sum, var"):
        sc.reduce("max", X, weights=LATITUDE[:, None])


def test_joined_files_that_are_packed_in_other_ways_are_refused_here_too(tmp_path: Path) -> None:
    for number, scale in enumerate((1.0, 2.0)):
        with h5py.File(tmp_path / f"run_{number}.h5", "w") as file:
            file["x"] = np.ones((4, 3), np.int16)
            file["x"].attrs["scale_factor"] = scale
    joined, mask = f"{tmp_path}/run_*.h5::/x", np.ones(3, bool)
    with pytest.raises(sc.InputError, match="scale_factor"):
        sc.reduce("mean", joined, where=mask)
    got = sc.reduce("mean", joined, where=mask, decode_cf=True)
    np.testing.assert_array_equal(got, [1.5, 1.5, 1.5])


@pytest.mark.parametrize("name", ["mean", "std", "sum", "var"])
@pytest.mark.parametrize("axis", [1, (0, 1), None], ids=str)
def test_methods_have_weights_as_those_of_xarray(name: str, axis: Any) -> None:
    field = xr.DataArray(X, dims=["time", "lat", "lon"])
    dims = None if axis is None else [field.dims[a] for a in np.atleast_1d(axis)]
    want = getattr(field.weighted(xr.DataArray(LATITUDE, dims=["lat"])), name)(dims)
    x, weights = sc.lazy(X), sc.lazy(LATITUDE)[:, None]
    for got in (
        getattr(x, name)(axis=axis, weights=weights),
        getattr(sc.ops, name)(x, axis=axis, weights=weights),
        sc.expr(f"x.{name}(axis={axis}, weights=w)", x=x, w=weights),
    ):
        np.testing.assert_allclose(got.compute(), want, 1e-12)


def test_weights_of_methods_go_with_other_arguments() -> None:
    x = sc.lazy(np.where(X > 1, np.nan, X))
    kept = np.ma.average(np.ma.masked_greater(X, 1), axis=1, weights=LATITUDE)
    got = x.mean(axis=1, weights=LATITUDE, keepdims=True, skipna=True)
    np.testing.assert_allclose(got.compute(), kept[:, None], 1e-12)
    narrow = sc.lazy(X).mean(axis=1, weights=LATITUDE, dtype="f4")
    assert narrow.dtype == "f4"
    want = np.average(X, axis=1, weights=LATITUDE)
    np.testing.assert_allclose(narrow.compute(), want, 1e-5, 1e-6)


@pytest.mark.parametrize("axis", [0, (0, -1), None], ids=str)
def test_operations_of_lazy_arrays_are_of_chosen_elements(axis: Any) -> None:
    got = sc.ops.mean(sc.lazy(X), axis=axis, where=sc.lazy(X) > 0)
    np.testing.assert_allclose(np.asarray(got), X.mean(axis=axis, where=POSITIVE), 1e-12)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"where": POSITIVE}, "where or weights, got both"),
        ({"ddof": 1}, "expected ddof=0 with weights, got 1"),
    ],
)
def test_methods_refuse_what_has_no_meaning_with_weights(given: Any, words: str) -> None:
    with pytest.raises(sc.InputError, match=words):
        sc.lazy(X).std(axis=1, weights=LATITUDE, **given)
    with pytest.raises(sc.InputError, match=words):
        sc.reduce("std", X, axis=1, weights=LATITUDE, **given)


def test_weights_may_have_another_dtype_asked_for() -> None:
    got = sc.reduce("sum", X, axis=1, weights=LATITUDE, dtype="f4")
    assert got.dtype == "f4"
    np.testing.assert_allclose(got, (X * LATITUDE[:, None]).sum(axis=1), 1e-4, 1e-5)


def test_an_operation_of_the_users_own_has_neither() -> None:
    def add(x: np.ndarray, skipna: bool, total: np.ndarray) -> None:
        total += np.abs(x).sum(axis=0)

    def combine(a: Any, b: Any, skipna: bool) -> None:
        a["total"] += b["total"]

    partial = sc.Partial(add, (sc.Field("total", lambda _: np.dtype("f8")),), combine)
    own = sc.Reduce("sum", partial, lambda state, _: state["total"])
    with pytest.raises(sc.InputError, match="sum: expected a reduction of NumPy"):
        sc.reduce(own, X, where=POSITIVE)
