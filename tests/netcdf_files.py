"""NetCDF files as xarray, netCDF4 and models write them: the inputs of tests on what is kept."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import netCDF4

RNG = np.random.default_rng(11)


def year(number: int, days: int = 6, **encoding: Any) -> xr.Dataset:
    """One year of a field, with what xarray makes of it by itself."""
    time = pd.date_range(f"{number}-01-01", periods=days)
    field = RNG.normal(size=(days, 4, 5)).astype("f4")
    made = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), field, {"units": "K", "grid_mapping": "crs"})},
        coords={
            "time": time,
            "lat": ("lat", np.linspace(-30, 30, 4), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(0, 300, 5), {"units": "degrees_east"}),
            "height": ((), 2.0, {"units": "m"}),
            "season": ("time", ["DJF"] * days),
        },
        attrs={"Conventions": "CF-1.8"},
    )
    made["crs"] = ((), np.int32(0), {"grid_mapping_name": "latitude_longitude"})
    made["time_bnds"] = (("time", "nv"), np.stack([time, time + np.timedelta64(1, "D")], axis=1))
    made.time.attrs["bounds"] = "time_bnds"
    made.time.encoding.update(encoding)
    return made


def years(folder: Path) -> str:
    """Yearly files, each with ``days since`` its own first day."""
    for number in (2001, 2002, 2003):
        one = year(number, units=f"days since {number}-01-01")
        one.to_netcdf(folder / f"year_{number}.nc", engine="netcdf4")
    return f"{folder}/year_*.nc::/t2m"


def packed(folder: Path) -> str:
    """A packed field with an unlimited dimension and a scalar coordinate, as reanalyses have."""
    how = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32767}
    how |= {"zlib": True, "chunksizes": (2, 4, 5)}
    year(2001, units="hours since 1900-01-01", dtype="i4").to_netcdf(
        folder / "packed.nc", engine="netcdf4", encoding={"t2m": how}, unlimited_dims=["time"]
    )
    return f"{folder}/packed.nc::/t2m"


def ocean(folder: Path) -> str:
    """A curvilinear grid: latitudes and longitudes are arrays, and dimensions have no variables."""
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0))
    made = xr.Dataset(
        {"sst": (("time", "y", "x"), RNG.normal(size=(6, 4, 5)), {"units": "degC"})},
        coords={"nav_lat": (("y", "x"), y), "nav_lon": (("y", "x"), x), "time": np.arange(6.0)},
    )
    made.to_netcdf(folder / "ocean.nc", engine="h5netcdf")
    return f"{folder}/ocean.nc::/sst"


def stations(folder: Path) -> str:
    """Names of stations as arrays of characters and as strings, written by the netCDF library."""
    with netCDF4.Dataset(folder / "stations.nc", "w") as file:
        for name, length in (("time", None), ("station", 4), ("letters", 3)):
            file.createDimension(name, length)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "days since 2001-01-01", "noleap"
        time[:] = np.arange(6.0)
        # A coordinate of two dimensions: netCDF numbers the dimensions for it.
        file.createVariable("station", "S1", ("station", "letters"))[:] = np.array(
            [list("abc"), list("def"), list("ghi"), list("jkl")], "S1"
        )
        file.createVariable("label", str, ("station",))[:] = np.array(list("wxyz"), object)
        # Called like a dimension, and not its coordinate.
        file.createVariable("letters", "f4", ("station",))[:] = np.arange(4.0)
        rain = file.createVariable("rain", "f8", ("time", "station"), chunksizes=(3, 4))
        rain.coordinates, rain.units = "label letters", "mm"
        rain[:] = RNG.normal(size=(6, 4))
    return f"{folder}/stations.nc::/rain"


def grouped(folder: Path) -> str:
    """A field in a group, with one dimension there and two in the group above."""
    with netCDF4.Dataset(folder / "grouped.nc", "w") as file:
        file.createDimension("lat", 4)
        file.createDimension("lon", 5)
        file.createVariable("lat", "f4", ("lat",))[:] = np.arange(4.0)
        model = file.createGroup("model")
        model.createDimension("time", None)
        model.createVariable("time", "f8", ("time",))[:] = np.arange(6.0)
        model["time"].units = "days since 2001-01-01"
        field = model.createVariable("t", "f4", ("time", "lat", "lon"), fill_value=np.nan)
        field[:] = RNG.normal(size=(6, 4, 5))
    return f"{folder}/grouped.nc::/model/t"


SAMPLES = {
    "years": (years, ("time", "lat", "lon")),
    "packed": (packed, ("time", "lat", "lon")),
    "ocean": (ocean, ("time", "y", "x")),
    "stations": (stations, ("time", "station")),
    "grouped": (grouped, ("time", "lat", "lon")),
}
"""What makes an input, and the names of its dimensions."""
