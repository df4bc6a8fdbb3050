"""Files with results are plain HDF5: h5py, h5dump, h5diff and xarray read the same numbers."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray

import sharedcompute as sc
from tests.hdf5.copying import tool
from tests.hdf5.datasets import FILTERS, Case

X = np.round(np.random.default_rng(0).normal(size=(60, 18, 11)) * 40).astype("f4")

STORED = [
    ("gzip:4", "7,5,6"),
    ("gzip:0", "60,18,11"),
    ("isal:1", "1,18,11"),
    ("zstd:3", "7,5,6"),
    ("lz4", "11,18,4"),
    ("lzf", "8,8,8"),
    ("bitshuffle-lz4", "16,18,11"),
    ("bitshuffle-zstd:3", "5,18,11"),
    ("blosc2-zstd:5", "9,9,9"),
    ("none", "4,18,11"),
]
BLOCKS = "sharedcompute_block_rows"
"""Blocks follow the chunks that are written."""

OPERATIONS = {
    "gaussian": lambda x, out, **run: sc.map("gaussian", x, out, sigma=1.0, **run),
    "cumsum": lambda x, out, **run: sc.scan("cumsum", x, out, **run),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """in.h5, and what the operations give of it without any filter."""
    made = tmp_path_factory.mktemp("results")
    with h5py.File(made / "in.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(7, 18, 5), shuffle=True, compression=4)
    for name, run in OPERATIONS.items():
        run(made / "in.h5", made / f"{name}.h5", chunks="contiguous", engine="serial")
    return made


def numbers(file):
    """The result of a file."""
    with h5py.File(file) as opened:
        return opened["x"][...]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("filter", "chunks"), STORED)
@pytest.mark.sample(2)
def test_results_are_the_same_however_they_are_stored(folder, teams, name, filter, chunks):
    out, plain = folder / "out.h5", folder / f"{name}.h5"
    made = set()
    for run in ({"engine": "serial"}, {"team": teams[2]}, {"team": teams[5], "schedule": "static"}):
        OPERATIONS[name](
            folder / "in.h5", out, filter=filter, chunks=chunks, overwrite=True, **run
        )  # fmt: skip
        made.add(out.read_bytes())
    assert len(made) == 1
    assert numbers(out).tobytes() == numbers(plain).tobytes()
    with h5py.File(out) as file:
        assert file["x"].chunks == tuple(map(int, chunks.split(",")))
    # Only what HDF5's own tools have filters for.
    if filter.partition(":")[0] in ("gzip", "isal", "none"):
        said = tool("h5diff", "-c", plain, out, "/x", "/x").splitlines()
        assert [line for line in said if BLOCKS not in line and "differences" not in line] == []
        rows = ("-d", "/x", "-s", "12,3,2", "-c", "3,4,5", "-y", "-w", "0")
        here, there = (tool("h5dump", *rows, file).partition("DATA {") for file in (out, plain))
        assert here[2].partition("}")[0] == there[2].partition("}")[0] != ""


@pytest.mark.sample(1)
@pytest.mark.parametrize("filter", ["gzip:4", "isal:1", "zstd:3"])
def test_xarray_reads_results(folder, tmp_path, filter):
    field = xarray.DataArray(
        X, dims=("time", "y", "x"), coords={"time": np.arange(60.0)}, name="air"
    )
    field.encoding["_FillValue"] = field["time"].encoding["_FillValue"] = None
    field.to_netcdf(tmp_path / "in.nc", engine="h5netcdf", unlimited_dims=["time"])
    sc.map(
        "gaussian", tmp_path / "in.nc", tmp_path / "out.nc", sigma=1.0, filter=filter,
        chunks="7,5,6", engine="serial",
    )  # fmt: skip
    with xarray.open_dataset(tmp_path / "out.nc", engine="h5netcdf") as got:
        assert got["air"].dims == ("time", "y", "x")
        np.testing.assert_array_equal(got["air"], numbers(folder / "gaussian.h5"))


@pytest.mark.parametrize("name", [n for n in FILTERS if n != "szip"])
@pytest.mark.sample(2)
def test_a_result_is_stored_as_its_input_was(tmp_path, name):
    case = Case((40, 16), (9, 8), "i4", name)
    want = case.write(tmp_path / "in.h5")
    sc.map("scale", tmp_path / "in.h5", tmp_path / "out.h5", factor=2.0, engine="serial")
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["x"][...], 2 * want)
        assert file["x"].chunks == (9, 8)
