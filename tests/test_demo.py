"""The demo: data/demo.toml on the real file, checked against NumPy and SciPy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from sharedcompute.cli.main import invoke

xr = pytest.importorskip("xarray")

DATA = Path(__file__).parent.parent / "data"


def test_the_demo_is_right_and_xarray_opens_it(
    climate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(climate, tmp_path / "A1B_north_america.nc")
    shutil.copy(DATA / "demo.toml", tmp_path)
    assert invoke(["run", str(tmp_path / "demo.toml")]) == 0
    out, err = capsys.readouterr()
    with (
        xr.open_dataset(climate, engine="h5netcdf") as given,
        xr.open_dataset(tmp_path / "demo.h5", engine="h5netcdf") as made,
        xr.open_dataset(tmp_path / "demo.h5", engine="h5netcdf", group="statistics") as stats,
    ):
        air = given["air_temperature"].values.astype("f8")
        anomaly = air - air.mean(axis=0)
        smooth = ndimage.gaussian_filter(anomaly, 5, axes=(0,))
        np.testing.assert_allclose(made["anomaly"], anomaly, atol=1e-4)
        np.testing.assert_allclose(made["smoothed"], smooth, atol=1e-4)
        for name in ("mean", "std", "min", "max"):
            np.testing.assert_allclose(stats[name], getattr(smooth, name)(axis=0), atol=1e-4)
        for name in ("time", "latitude", "longitude"):
            assert made["smoothed"][name].equals(given["air_temperature"][name])
    title, header, row = out.splitlines()
    assert title == "after anomaly, gaussian:"
    found = dict(zip(header.split(), map(float, row.split()), strict=True))
    assert err == ""
    assert found["count"] == air.size
    np.testing.assert_allclose(
        [found["std"], found["max"]], [smooth.std(), smooth.max()], atol=1e-4
    )
