"""The main job on the real file: what a scientist does first, and what must hold of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from tests.cli.conftest import Cli, read

xr = pytest.importorskip("xarray")

AIR = "air_temperature"
HOW = {
    "as it comes": [],
    "serial": ["--engine", "serial"],
    "one worker": ["-j", "1", "--engine", "local"],
    "two workers": ["-j", "2", "--engine", "local"],
    "five workers": ["-j", "5", "--engine", "local", "--schedule", "static"],
    "asked for five": ["-j", "5"],
}


@pytest.fixture
def air(climate: Path, folder: Path) -> str:
    """The address of the field, from a folder where outputs may go."""
    Path("A1B_north_america.nc").symlink_to(climate)
    return f"A1B_north_america.nc::/{AIR}"


@pytest.fixture
def field(climate: Path) -> np.ndarray:
    """The whole field as h5py reads it."""
    return read(climate, AIR)


def run_all_ways(cli: Cli, *words: str) -> list[bytes]:
    """The bytes of the output for every way to run."""
    outputs = []
    for number, how in enumerate(HOW.values()):
        name = f"out{number}.h5"
        said = cli(*[word.replace("OUT", name) for word in words], *how)
        assert said == (0, "", "")
        outputs.append(Path(name).read_bytes())
    return outputs


@pytest.mark.slow
def test_mean_and_std_agree_with_numpy_and_are_the_same_bytes_however_they_ran(
    cli: Cli, air: str, field: np.ndarray
) -> None:
    outputs = run_all_ways(cli, "reduce", "mean,std", air, "OUT")
    wide = field.astype(np.float64)
    for name, want in (("mean", wide.mean(axis=0)), ("std", wide.std(axis=0))):
        got = read("out0.h5", name)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=1e-6)
    assert all(output == outputs[0] for output in outputs)


@pytest.mark.slow
def test_a_gaussian_agrees_with_scipy_on_the_whole_array_however_it_ran(
    cli: Cli, air: str, field: np.ndarray
) -> None:
    outputs = run_all_ways(cli, "map", "gaussian", air, "OUT", "-p", "sigma=2")
    want = ndimage.gaussian_filter(field, 2)
    np.testing.assert_allclose(read("out0.h5", AIR), want, rtol=1e-6)
    assert all(output == outputs[0] for output in outputs)


def test_xarray_opens_both_results_with_their_coordinates(
    cli: Cli, air: str, climate: Path
) -> None:
    cli("map", "gaussian", air, "smooth.h5", "-p", "sigma=2")
    cli("reduce", "mean,std", air, "stats.h5")
    with (
        xr.open_dataset("smooth.h5", engine="h5netcdf") as smooth,
        xr.open_dataset("stats.h5", engine="h5netcdf") as stats,
        xr.open_dataset(climate, engine="h5netcdf") as given,
    ):
        assert smooth[AIR].dims == given[AIR].dims == ("time", "latitude", "longitude")
        assert smooth[AIR].attrs["units"] == given[AIR].attrs["units"] == "K"
        for name in ("time", "latitude", "longitude"):
            assert smooth[AIR][name].equals(given[AIR][name])
        assert stats["mean"].dims == ("latitude", "longitude")
        for name in ("latitude", "longitude"):
            assert stats["std"][name].equals(given[AIR][name])
        assert smooth.attrs["Conventions"] == given.attrs["Conventions"]


def test_the_outputs_can_be_verified(cli: Cli, air: str) -> None:
    cli("map", "anomaly", air, "out.h5", "--filter", "gzip:1", "--chunks", "24,37,49")
    said = cli("verify", "out.h5")
    assert said.code == 0
    assert f"/{AIR}: intact" in said.out


def test_the_result_of_one_job_is_the_input_of_the_next(
    cli: Cli, air: str, field: np.ndarray
) -> None:
    cli("map", "anomaly", air, "anomaly.h5")
    cli("scan", "cumsum", f"anomaly.h5::/{AIR}", "sums.h5")
    anomaly = field - field.mean(axis=0, dtype=np.float64)
    want = anomaly.cumsum(axis=0, dtype=np.float64)
    np.testing.assert_allclose(read("sums.h5", AIR), want, rtol=1e-4, atol=1e-3)


def test_the_file_alone_names_its_one_field(cli: Cli, air: str, field: np.ndarray) -> None:
    said = cli("stats", air.partition("::")[0])
    header, row = said.out.splitlines()
    found = dict(zip(header.split(), row.split(), strict=True))
    assert int(found["count"]) == field.size
    np.testing.assert_allclose(float(found["mean"]), field.mean(dtype=np.float64), rtol=1e-6)
