"""Lazy arrays keep the names of dimensions, and pick by coordinates as xarray does."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import sharedcompute as sc


@pytest.fixture(scope="module")
def array() -> xr.DataArray:
    times = np.arange("2001-01-01", "2001-05-01", dtype="datetime64[D]").astype("M8[ns]")
    rng = np.random.default_rng(0)
    return xr.DataArray(
        rng.normal(size=(len(times), 7, 5)),
        {"time": times, "lat": np.linspace(60, -60, 7), "lon": np.arange(5) * 10.0},
        ("time", "lat", "lon"),
        name="t2m",
        attrs={"units": "K", "long_name": "temperature"},
    )


@pytest.fixture(scope="module", params=["in a file", "in memory"])
def lazy(
    request: pytest.FixtureRequest, array: xr.DataArray, tmp_path_factory: pytest.TempPathFactory
) -> sc.LazyArray:
    if request.param == "in memory":
        return sc.lazy(array)  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("labels") / "in.nc"
    array.to_netcdf(path, engine="h5netcdf")
    return sc.open(f"{path}::/t2m")


def test_names_and_attributes_are_those_of_what_is_read(lazy: sc.LazyArray) -> None:
    assert lazy.dims == ("time", "lat", "lon")
    assert lazy.attrs["units"] == "K"
    assert lazy[3:5, 0].dims == ("time", "lon")


def test_an_expression_keeps_names_and_no_attributes(lazy: sc.LazyArray) -> None:
    anomaly = lazy - lazy.mean(axis=0)
    assert anomaly.dims == ("time", "lat", "lon")
    assert dict(anomaly.attrs) == {}
    assert anomaly.std(axis=(0, 2)).dims == ("lat",)
    assert anomaly.transpose(0, 2, 1).dims == ("time", "lon", "lat")
    assert lazy.mean(axis=0, keepdims=True).dims == ("time", "lat", "lon")
    assert (lazy.mean(axis=(1, 2)) * np.ones((4, 1))).dims == (None, "time")
    assert lazy.reshape(-1, 35).dims == (None, None)


@pytest.mark.parametrize(
    "labels",
    [
        {"time": "2001-03"},
        {"lat": slice(40, -20)},
        {"time": slice("2001-01-15", "2001-02"), "lon": 20.0},
        {"lat": 20, "lon": slice(10, None)},
    ],
    ids=str,
)
def test_labels_pick_what_xarray_picks(
    lazy: sc.LazyArray, array: xr.DataArray, labels: dict[str, object]
) -> None:
    np.testing.assert_array_equal(lazy.sel(**labels).compute(), array.sel(labels))  # type: ignore[arg-type]
    twice = (lazy * 2).sel(**labels)
    np.testing.assert_array_equal(twice.compute(), (array * 2).sel(labels))  # type: ignore[arg-type]


def test_indices_pick_by_name(lazy: sc.LazyArray, array: xr.DataArray) -> None:
    found = lazy.isel(lon=slice(1, 4), time=-1).compute()
    np.testing.assert_array_equal(found, array.isel(lon=slice(1, 4), time=-1))


def test_wrong_labels_are_errors(lazy: sc.LazyArray) -> None:
    with pytest.raises(sc.InputError, match="'lat'"):
        lazy.sel(latt=3)
    with pytest.raises(sc.InputError, match="lat"):
        lazy.sel(lat=3.5)
    with pytest.raises(sc.InputError, match="no names"):
        sc.lazy(np.ones(3)).isel(x=0)
