"""Reductions along any axes of files: as NumPy and xarray, with the labels that stay."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from tests.cli.conftest import Cli

X = np.random.default_rng(0).normal(size=(40, 4, 6)).astype("f4")


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    monkeypatch.chdir(tmp_path)
    coordinates = {"time": np.arange(40.0), "lat": np.linspace(-60, 60, 4), "lon": np.arange(6.0)}
    made = xr.DataArray(X, coordinates, ("time", "lat", "lon"), attrs={"units": "K"})
    dataset = xr.Dataset({"t": made})
    dataset.to_netcdf("in.nc", engine="h5netcdf")
    return dataset


@pytest.mark.parametrize("text", ["-1", "1", "0,2", "1,2", "rows"])
def test_axes_that_stay_keep_their_labels_in_files(text: str, field: xr.Dataset, cli: Cli) -> None:
    said = cli("reduce", "mean", "in.nc::/t", "out.nc", "--axis", text)
    assert said.code == 0, said.err
    axes = [0] if text == "rows" else [int(axis) for axis in text.split(",")]
    want = field["t"].mean([field["t"].dims[axis] for axis in axes])
    with xr.open_dataset("out.nc", engine="h5netcdf") as made:
        xr.testing.assert_allclose(made["mean"], want, 1e-5, 1e-6)
        assert made["mean"].dims == want.dims
        assert made["mean"].attrs["units"] == "K"


def test_axes_that_are_kept_with_length_one(field: xr.Dataset, cli: Cli) -> None:
    said = cli("reduce", "mean,std", "in.nc::/t", "out.nc::/r", "--axis", "-1", "--keepdims")
    assert said.code == 0, said.err
    with h5py.File("out.nc") as made:
        assert made["r/mean"].shape == made["r/std"].shape == (40, 4, 1)
        np.testing.assert_allclose(made["r/std"], X.std(axis=-1, keepdims=True), 1e-5)


def test_rows_that_stay_are_stored_in_chunks(field: xr.Dataset, cli: Cli) -> None:
    words = ["--filter", "gzip:1", "--chunks", "7,4", "--axis", "-1", "--block-rows", "7"]
    said = cli("reduce", "max", "in.nc::/t", "out.h5", *words, "-j", "2")
    assert said.code == 0, said.err
    with h5py.File("out.h5") as made:
        assert made["max"].chunks == (7, 4)
        assert made["max"].compression == "gzip"
        np.testing.assert_array_equal(made["max"], X.max(axis=-1))
    assert cli("verify", "out.h5").code == 0


def test_axes_in_a_job_file(field: xr.Dataset, cli: Cli) -> None:
    lines = [
        'input = "in.nc::/t"',
        'output = "out.h5"',
        "[[steps]]",
        'op = ["mean", "max"]',
        "axis = [0, 2]",
        "keepdims = true",
        'save = "/zonal"',
        "[[steps]]",
        'op = "min"',
        'axis = "-1"',
        'save = "/rows"',
    ]
    Path("job.toml").write_text("\n".join(lines))
    said = cli("run", "job.toml")
    assert said.code == 0, said.err
    with h5py.File("out.h5") as made:
        np.testing.assert_array_equal(made["zonal/max"], X.max(axis=(0, 2), keepdims=True))
        np.testing.assert_array_equal(made["rows/min"], X.min(axis=-1))
