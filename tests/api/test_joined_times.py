"""Times of joined files are those that xarray reads from the files, in the first file's units."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import sharedcompute as sc
from tests.readers import opened_by_all

DAYS = 4


def write(folder: Path, files: list[dict[str, Any]], calendar: str = "standard") -> str:
    """One file for each year, with `units`, `dtype` and attributes of its times as told."""
    for number, told in enumerate(files):
        encoding = {"calendar": calendar, "dtype": "f8", **told}
        attributes = encoding.pop("attributes", {})
        time = xr.date_range(
            f"{2000 + number}-02-27", periods=DAYS, calendar=calendar, use_cftime=True
        )
        ends = xr.date_range(
            f"{2000 + number}-02-28", periods=DAYS, calendar=calendar, use_cftime=True
        )
        x = np.full((DAYS, DAYS), float(number))
        made = xr.Dataset(
            {
                "x": (("time", "lat"), x),
                "time_bnds": (("time", "nv"), np.stack([time, ends], axis=1)),
            },
            coords={"time": time, "lat": np.arange(float(DAYS)), "seen": ("time", time)},
        )
        made.time.attrs["bounds"] = "time_bnds"
        made.time.encoding.update(encoding)
        made.seen.encoding.update(encoding)
        file = folder / f"year_{number}.nc"
        made.to_netcdf(file, engine="h5netcdf", unlimited_dims=["time"])
        with h5py.File(file, "r+") as opened:
            opened["time"].attrs.update(attributes)
    return f"{folder}/year_*.nc::/x"


def by_xarray(address: str) -> xr.Dataset:
    folder = Path(address.partition("::")[0]).parent
    files = [xr.load_dataset(f, engine="h5netcdf") for f in sorted(folder.glob("year_*.nc"))]
    return xr.concat(files, "time", data_vars="minimal", coords="minimal", compat="override")


def joined(address: str, folder: Path) -> xr.Dataset:
    sc.map("scale", address, folder / "out.nc", factor=1.0, engine="serial")
    dims = opened_by_all(folder / "out.nc")
    assert dims["/x"] == ("time", "lat")
    return xr.load_dataset(folder / "out.nc", engine="h5netcdf")


def since(year: int, **more: Any) -> dict[str, Any]:
    return {"units": f"days since {year}-01-01", **more}


HOURS = {"units": "hours since 1900-01-01 06:00:00"}
REBASED: dict[str, list[dict[str, Any]]] = {
    "whole days of each year": [since(2000, dtype="i8"), since(2001, dtype="i8")],
    "real days of each year": [since(2000), since(2001), since(2002)],
    "short whole numbers": [since(1850, dtype="i4"), since(2001, dtype="i2")],
    "single precision": [since(2000, dtype="f4"), since(2001, dtype="f4")],
    "whole and real numbers": [since(2000, dtype="i4"), since(2001, dtype="f8")],
    "hours, then days": [HOURS, since(2001)],
    "whole days, then hours of mornings": [since(2000, dtype="i4"), {**HOURS, "dtype": "i4"}],
    "the same units": [HOURS, HOURS],
    "the same date in other words": [since(2000), {"units": "days since 2000-1-1 00:00:00"}],
    "other time zones": [{"units": "hours since 2000-01-01 00:00:00 +02:00"}, HOURS],
    "fill values": [since(2000, _FillValue=-9.0), since(2001, _FillValue=-9.0)],
    "a fill value NaN in one": [since(2000, _FillValue=np.nan), since(2001, _FillValue=None)],
    "seconds": [{"units": "seconds since 1970-01-01"}, {"units": "minutes since 1970-01-01"}],
}


OFTEN = ("whole days of each year", "whole days, then hours of mornings", "other time zones")


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "case", [c if c in OFTEN else pytest.param(c, marks=pytest.mark.faults) for c in REBASED]
)
def test_times_are_brought_to_the_units_of_the_first_file(case: str, tmp_path: Path) -> None:
    address = write(tmp_path, REBASED[case])
    expected, got = by_xarray(address), joined(address, tmp_path)
    for name in ("time", "time_bnds", "seen"):
        np.testing.assert_array_equal(got[name].values, expected[name].values, err_msg=name)
    with h5py.File(tmp_path / "out.nc") as file, h5py.File(tmp_path / "year_0.nc") as first:
        assert file["time"].attrs["units"] == first["time"].attrs["units"]
        assert file["time"].maxshape == (None,)
        assert file["time"].attrs["bounds"] == "time_bnds"


@pytest.mark.slow
@pytest.mark.parametrize(
    "calendar",
    [
        "360_day",
        *(
            pytest.param(name, marks=pytest.mark.faults)
            for name in ("noleap", "all_leap", "julian", "proleptic_gregorian")
        ),
    ],
)
def test_every_calendar_has_its_own_days(calendar: str, tmp_path: Path) -> None:
    address = write(tmp_path, [since(2000), since(2001), HOURS], calendar)
    expected, got = by_xarray(address), joined(address, tmp_path)
    for name in ("time", "time_bnds"):
        np.testing.assert_array_equal(got[name].values, expected[name].values)
    assert got.time.encoding["calendar"] == calendar


@pytest.mark.slow
def test_missing_times_stay_missing(tmp_path: Path) -> None:
    for dtype, fill in (("f8", -9.0), ("i4", -9), ("f8", np.nan)):
        address = write(tmp_path, [since(2000, dtype=dtype), since(2001, dtype=dtype)])
        for number in range(2):
            with h5py.File(tmp_path / f"year_{number}.nc", "r+") as file:
                time = file["time"]
                time.attrs["_FillValue"] = np.array(fill, dtype)
                time[1] = fill
        sc.map("scale", address, tmp_path / "out.nc", factor=1.0, overwrite=True, engine="serial")
        with h5py.File(tmp_path / "out.nc") as file:
            expected = [57, fill, 59, 60, 423, fill, 425, 426]
            np.testing.assert_array_equal(file["time"], expected)


def change(file: Path, name: str, **attributes: Any) -> None:
    with h5py.File(file, "r+") as opened:
        opened[name].attrs.update(attributes)


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"units": "months since 2001-01-01"}, "months have no fixed length"),
        ({"calendar": "noleap"}, "the calendars noleap and standard differ"),
        ({"units": "degrees"}, "the units 'days since 2000-01-01.*' and 'degrees' differ"),
        ({"scale_factor": 2.0}, "scale_factor differs"),
        ({"_FillValue": 58.0}, "_FillValue differs"),
    ],
)
@pytest.mark.filterwarnings("ignore:/(time_bnds|seen) of")
def test_times_that_mean_something_else_are_left_out_with_a_warning(
    attributes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    address = write(tmp_path, [since(2000), since(2001)])
    change(tmp_path / "year_1.nc", "time", **attributes)
    with pytest.warns(UserWarning, match=f"/time of .* is left out: {why}.*year_1.nc"):
        sc.map("scale", address, tmp_path / "out.nc", factor=1.0, engine="serial")
    assert opened_by_all(tmp_path / "out.nc")["/x"] == ("time", "lat")
    with h5py.File(tmp_path / "out.nc") as file:
        assert file["time"].shape == (2 * DAYS,)
        assert file["time"].attrs["NAME"].startswith(b"This is a netCDF dimension but not")


def test_packed_times_in_other_units_are_left_out(tmp_path: Path) -> None:
    address = write(tmp_path, [since(2000), since(2001)])
    for number in range(2):
        change(tmp_path / f"year_{number}.nc", "time", scale_factor=0.5)
    with pytest.warns(UserWarning, match="/time of .*: packed times are in other units"):
        sc.map("scale", address, tmp_path / "out.nc", factor=1.0, engine="serial")


def test_what_is_not_of_rows_and_differs_is_left_out_with_a_warning(tmp_path: Path) -> None:
    address = write(tmp_path, [since(2000), since(2000)])
    with h5py.File(tmp_path / "year_1.nc", "r+") as file:
        file["lat"][0] = -1
    with pytest.warns(
        UserWarning, match=r"/lat of .* left out: not all files have the same \(year_1"
    ):
        sc.reduce("mean", address, tmp_path / "out.nc", engine="serial")
    assert opened_by_all(tmp_path / "out.nc")["/mean"] == ("lat",)
    with h5py.File(tmp_path / "out.nc") as file:
        assert file["lat"].attrs["NAME"].startswith(b"This is a netCDF dimension but not")


def test_text_of_another_storage_is_the_same_text(tmp_path: Path) -> None:
    address = write(tmp_path, [since(2000), since(2000)])
    with h5py.File(tmp_path / "year_1.nc", "r+") as file:
        units = file["time"].attrs["units"]
        file["time"].attrs["units"] = np.bytes_(units.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert joined(address, tmp_path).sizes["time"] == 2 * DAYS
