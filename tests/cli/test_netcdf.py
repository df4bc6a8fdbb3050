"""NetCDF files on the command line: what cannot be kept or meant alike is told in a line."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.readers import opened_by_all

from .conftest import Cli, read


@pytest.fixture
def years(folder: Path) -> Path:
    """Two files with a time along rows; the second has other offsets, and months."""
    for number, units in enumerate(("days since 2001-01-01", "months since 2001-01-01")):
        with h5py.File(f"year_{number}.nc", "w") as file:
            file["t"] = np.arange(6, dtype="i2").reshape(2, 3)
            file["t"].attrs["add_offset"] = 10.0 * number
            for axis, (name, length) in enumerate((("time", 2), ("x", 3))):
                file[name] = np.arange(float(length))
                file[name].make_scale(name)
                file["t"].dims[axis].attach_scale(file[name])
            file["time"].attrs["units"] = units
    return folder


def test_files_that_are_packed_in_other_ways_are_refused_with_the_option(
    cli: Cli, years: Path
) -> None:
    said = cli("reduce", "mean", "year_*.nc::/t", "out.nc")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "year_0.nc has add_offset 0.0 and " in said.err
    assert "year_1.nc has add_offset 10.0; give --decode-cf" in said.err
    assert not Path("out.nc").exists()
    assert cli("reduce", "mean", "year_*.nc::/t", "out.nc", "--decode-cf").code == 0
    np.testing.assert_array_equal(read("out.nc", "mean"), [6.5, 7.5, 8.5])


def test_a_note_says_which_dimension_has_no_variable(cli: Cli, years: Path) -> None:
    said = cli("map", "scale", "year_*.nc::/t", "out.nc", "-p", "factor=1", "--decode-cf")
    assert said.code == 0
    assert said.err.startswith("sharedcompute: note: /time of ")
    why = "months have no fixed length, or none that is known here"
    assert f"year_*.nc::/t is left out: {why} (year_1.nc)\n" in said.err
    assert opened_by_all("out.nc")["/t"] == ("time", "x")
    quiet = cli(
        "map", "scale", "year_*.nc::/t", "out.nc::/q", "-p", "factor=1", "--decode-cf", "-q"
    )
    assert (quiet.code, quiet.err) == (0, "")


def test_real_files_keep_their_dimensions(cli: Cli, climate: Path, folder: Path) -> None:
    samples = {
        "A1B_north_america.nc::/air_temperature": ("time", "latitude", "longitude"),
        "hybrid_height.nc::/air_potential_temperature": (
            "model_level_number",
            "grid_latitude",
            "grid_longitude",
        ),
        "toa_brightness_stereographic.nc::/data": ("y", "x"),
        "orca2_votemper.nc::/votemper": ("dim0", "dim1"),
    }
    for number, (address, dims) in enumerate(samples.items()):
        out = f"out_{number}.nc"
        told = cli("reduce", "max", climate.parent / address, out, "--engine", "serial", "-q")
        assert told.code == 0
        assert opened_by_all(out)["/max"] == dims[1:]
