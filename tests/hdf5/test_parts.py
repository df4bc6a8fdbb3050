"""Files joined along rows."""

from __future__ import annotations

import pickle
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sharedcompute as sc
from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import matching_files
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.inspection.listing import describe
from sharedcompute.report.arrays import place

LENGTHS = (7, 3, 12, 0, 5)
LAYOUTS = (
    {},
    {"chunks": (4, 9), "maxshape": (None, 9)},
    {"chunks": (5, 3), "compression": 4, "shuffle": True, "maxshape": (None, 9)},
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs(lengths=LENGTHS, dtype="f4", path="x", layouts=LAYOUTS):
    """Files run_1.h5, run_2.h5, ..., run_10.h5 and on; what NumPy makes of all of them."""
    data = np.random.default_rng(3).normal(size=(sum(lengths), 9)).astype(dtype)
    pieces = np.split(data, np.cumsum(lengths)[:-1])
    for number, rows in enumerate(pieces, start=1):
        how = layouts[number % len(layouts)]
        with h5py.File(f"run_{number}.h5", "w") as file:
            file.create_dataset(path, rows.shape, dtype, data=rows, **how)
    return data


def test_digits_in_names_count(folder):
    names = ["run_10.h5", "run_2.h5", "run_02.h5", "a9.h5", "run.h5", "run_2b.h5"]
    for name in names:
        (folder / name).touch()
    expected = ["a9.h5", "run.h5", "run_02.h5", "run_2.h5", "run_2b.h5", "run_10.h5"]
    assert matching_files("*.h5") == expected


def test_a_file_with_the_characters_of_a_glob_in_its_name_is_that_file(folder):
    for name, value in (("run_[1].h5", 1.0), ("run_1.h5", 2.0)):
        with h5py.File(name, "w") as file:
            file["x"] = np.full((3, 2), value)
    assert sc.open("run_[1].h5::x")[0, 0] == 1
    (folder / "run_[1].h5").unlink()
    source = open_source("run_[1].h5::x")
    assert (source.read_path, source.glob) == ("mmap", None)


@pytest.mark.parametrize("step", [1, 4, 11, 27])
@pytest.mark.parametrize("dtype", ["f4", ">f8", "u2"])
def test_rows_of_all_files_come_one_after_the_other(folder, step, dtype):
    data = runs(LENGTHS * 3, dtype)
    source = pickle.loads(pickle.dumps(open_source("run_*.h5::x")))
    assert source.shape == data.shape
    assert source.dtype == data.dtype.newbyteorder("=")
    assert source.read_path == "joined"
    assert source.reason.startswith("15 files: ")
    with source.open() as reader:
        for start in range(0, len(data), step):
            rows = reader.read(start, start + step)
            assert rows.flags.c_contiguous
            assert not rows.flags.writeable
            np.testing.assert_array_equal(rows, data[start : start + step])
        assert reader.read(4, 4).shape == (0, 9)
        # Backwards too: a schedule may claim blocks in any order.
        for start in reversed(range(0, len(data), step)):
            np.testing.assert_array_equal(reader.read(start, start + 2), data[start : start + 2])
    with pytest.raises(ValueError, match="closed"):
        reader.read(0, 1)


@pytest.mark.slow
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=2, max_size=6).filter(sum),
    corner=st.tuples(st.floats(0, 1), st.integers(0, 8)),
    sides=st.tuples(st.floats(0, 1), st.integers(1, 9)),
)
def test_any_box(folder, lengths, corner, sides):
    for file in folder.glob("run_*.h5"):
        file.unlink()
    data = runs(lengths)
    first = int(corner[0] * (len(data) - 1)), corner[1]
    count = max(1, round(sides[0] * (len(data) - first[0]))), min(sides[1], 9 - corner[1])
    out = np.full((count[0], 12), -1, "f4")[:, 1 : 1 + count[1]]
    with open_source("run_*.h5::x").open() as reader:
        reader.read_box(first, out)
    box = tuple(slice(at, at + side) for at, side in zip(first, count, strict=True))
    np.testing.assert_array_equal(out, data[box])


def test_rows_of_one_file_are_its_pages(folder):
    data = runs((6, 6), layouts=({},))
    with open_source("run_*.h5::x").open() as reader:
        kept = reader.read(7, 11)
        assert not kept.flags.owndata
        reader.read(0, 12)
        np.testing.assert_array_equal(kept, data[7:11])


@pytest.mark.slow
def test_few_files_are_open_at_a_time(folder):
    lengths = (2,) * 150
    data = runs(lengths, layouts=({"chunks": (1, 9), "compression": 1},))
    used = len(list(Path("/proc/self/fd").iterdir()))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 30, limits[1]))
    try:
        x = sc.open("run_*.h5::x")
        np.testing.assert_array_equal(x[:], data)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_one_file_that_matches_is_just_that_file(folder):
    runs((4,))
    source = open_source("run_*.h5::x")
    assert source == open_source("run_1.h5::x")


def test_the_first_file_tells_how_a_result_is_stored(folder):
    runs((7, 5), layouts=(LAYOUTS[1], LAYOUTS[2]))
    source = open_source("run_*.h5::x")
    assert source.chunks == (5, 3)
    assert source.filter_names == ("shuffle", "gzip:4")
    assert source.maxshape == (None, 9)
    assert source.row_alignment == 5
    runs((7, 5), layouts=({},))
    assert open_source("run_*.h5::x").maxshape == (12, 9)


def test_memory_is_that_of_two_files_and_not_of_all(folder):
    runs((4,) * 40, layouts=({"chunks": (2, 9), "compression": 1},))
    few, many = open_source("run_[12].h5::x"), open_source("run_*.h5::x")
    assert few.scratch_nbytes(4) == many.scratch_nbytes(4) > 4 * 36


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["serial", "local"])
def test_results_are_those_of_the_rows_in_one_file(folder, team, engine):
    data = runs(tuple(range(1, 60)), "f8")
    with h5py.File("whole.h5", "w") as file:
        file["x"] = data
    how = {"team": team} if engine == "local" else {"engine": "serial"}
    made = sc.reduce(["mean", "std", "max"], "run_*.h5::x", block_rows=64, **how)
    whole = sc.reduce(["mean", "std", "max"], "whole.h5::x", block_rows=64, engine="serial")
    for name, values in whole.items():
        np.testing.assert_allclose(made[name], values, rtol=1e-13)
    for op in ("gaussian", "cumsum"):
        run = sc.scan if op == "cumsum" else sc.map
        params = {"sigma": 2.0} if op == "gaussian" else {}
        run(op, "run_*.h5::x", f"{op}.h5::x", **params, **how)
        np.testing.assert_allclose(
            sc.open(f"{op}.h5::x")[:], run(op, data, **params), rtol=1e-12, atol=1e-12
        )


def test_both_engines_give_the_same_bits(folder, teams):
    runs(tuple(range(1, 60)))
    bits = {
        sc.reduce("std", "run_*.h5::x", **how).tobytes()
        for how in ({"engine": "serial"}, *({"team": team} for team in teams.values()))
    }
    assert len(bits) == 1


def test_names_of_the_source(folder):
    runs()
    source = open_source("run_*.h5")
    assert str(source) == "run_*.h5::/x"
    assert place(source) == "run_*.h5::/x (5 files)"
    assert source.reads.names == tuple(str(folder / f"run_{n}.h5") for n in range(1, 6))


def test_what_info_says(folder):
    data = runs((8, 8), layouts=(LAYOUTS[2],))
    (one,) = describe("run_*.h5::x")
    assert (one.path, one.shape, one.dtype, one.read_path) == ("/x", (16, 9), "float32", "joined")
    assert one.reason.startswith("2 files: ")
    assert one.nbytes == data.nbytes
    assert one.stored_nbytes == sum(describe(f"run_{n}.h5")[0].stored_nbytes for n in (1, 2))


def refused(address, *words):
    with pytest.raises(InputError) as caught:
        open_source(address)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_what_cannot_be_joined_is_named(folder):
    runs((3, 3))
    refused("walk_*.h5::x", "match walk_*.h5", "found none")
    refused("run_*.h5::y", "run_1.h5::/y", "found nothing")
    for shape, dtype, word in (
        ((3, 8), "f4", "(8,)"),
        ((3, 9), "f8", "float64"),
        ((3,), "f4", "()"),
    ):
        with h5py.File("run_3.h5", "w") as file:
            file.create_dataset("x", shape, dtype)
        refused("run_*.h5::x", "run_3.h5::/x", word, "run_1.h5")
    with h5py.File("run_3.h5", "w") as file:
        file.create_dataset("other", (3, 9), "f4")
    refused("run_*.h5", "run_3.h5 has /other", "run_1.h5 has /x", "::PATH")
    refused("run_*.h5::x", "run_3.h5::/x", "found nothing")
    (folder / "run_4.h5").write_text("no HDF5")
    (folder / "run_3.h5").unlink()
    refused("run_*.h5::x", "run_4.h5 is not HDF5")


def scales(number, start, rows, *, units="days since 2000-01-01", edges=True):
    """A file as netCDF writes it: time along rows with its cells' edges, and a fixed latitude."""
    with h5py.File(f"run_{number}.h5", "w") as file:
        x = file.create_dataset("x", data=np.full((rows, 4), number, "f4"))
        time = file.create_dataset(
            "time", data=np.arange(start, start + rows, dtype="f8"), maxshape=(None,), chunks=(4,)
        )
        time.attrs["units"] = units
        file["lat"] = np.linspace(0, 3, 4)
        file["nv"] = np.zeros(2)
        for name in ("time", "lat", "nv"):
            file[name].make_scale(name)
        if edges:
            file["edges"] = np.stack([time[:], time[:] + 1], axis=1)
            file["edges"].dims[0].attach_scale(time)
            file["edges"].dims[1].attach_scale(file["nv"])
            time.attrs["bounds"] = "edges"
        file["station"] = np.arange(4.0)
        file["quality"] = np.arange(start, start + rows, dtype="i4")
        x.attrs["coordinates"] = "station quality"
        x.dims[0].attach_scale(time)
        x.dims[1].attach_scale(file["lat"])


def test_scales_of_rows_are_joined(folder):
    for number, start, rows in ((1, 0, 3), (2, 3, 5), (10, 8, 2)):
        scales(number, start, rows)
    sc.map("scale", "run_*.h5::x", "out.h5::x", factor=2.0, engine="serial")
    with h5py.File("out.h5") as file:
        x = file["x"]
        assert x.dims[0][0].name == "/time"
        assert x.dims[1][0].name == "/lat"
        np.testing.assert_array_equal(file["time"], np.arange(10.0))
        assert file["time"].maxshape == (None,)
        assert file["time"].attrs["units"] == "days since 2000-01-01"
        assert file["time"].attrs["bounds"] == "edges"
        np.testing.assert_array_equal(file["edges"][:, 1], np.arange(1.0, 11.0))
        assert file["edges"].dims[0][0] == file["time"]
        np.testing.assert_array_equal(file["station"], np.arange(4.0))
        np.testing.assert_array_equal(file["quality"], np.arange(10))
        assert x.attrs["coordinates"] == "station quality"


@pytest.mark.sample(2)
@pytest.mark.parametrize("lengths", [(0, 3, 2), (2, 0, 3), (0, 0, 3), (3, 2, 0), (0, 0, 0)])
def test_scales_of_files_without_rows_are_joined(folder, lengths):
    for number, rows in enumerate(lengths):
        scales(number, sum(lengths[:number]), rows)
    sc.map("scale", "run_*.h5::x", "out.h5::x", factor=2.0, engine="serial")
    count = float(sum(lengths))
    with h5py.File("out.h5") as file:
        np.testing.assert_array_equal(file["time"], np.arange(count))
        np.testing.assert_array_equal(file["edges"][:, 1], np.arange(1.0, count + 1))
        np.testing.assert_array_equal(file["quality"], np.arange(count))


@pytest.mark.parametrize("unwritten", [0, 1])
def test_scales_that_were_never_written_in_one_file_are_joined(folder, unwritten):
    for number in range(2):
        scales(number, 3 * number, 3)
    with h5py.File(f"run_{unwritten}.h5", "a") as file:
        del file["quality"]
        file.create_dataset("quality", (3,), "i4", fillvalue=-9)
        file["time"].resize(0, 0)
        file["time"].resize(3, 0)
    sc.map("scale", "run_*.h5::x", "out.h5::x", factor=2.0, engine="serial")
    with h5py.File("out.h5") as file:
        for name, fill in (("time", 0), ("quality", -9)):
            rows = [np.arange(0, 3), np.arange(3, 6)]
            rows[unwritten] = np.full(3, fill)
            np.testing.assert_array_equal(file[name], np.concatenate(rows), err_msg=name)


def test_scales_that_lie_in_the_object_header_of_the_first_file_are_joined(folder):
    for number, rows in enumerate((3, 20_000)):
        scales(number, 3 * number, rows)
    with h5py.File("run_0.h5", "a") as file:
        del file["quality"]
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        file.create_dataset("quality", data=np.arange(3, dtype="i4"), dcpl=compact)
    sc.map("scale", "run_*.h5::x", "out.h5::x", factor=2.0, engine="serial")
    with h5py.File("out.h5") as file:
        np.testing.assert_array_equal(file["quality"], np.arange(20_003))


@pytest.mark.sample(1)
@pytest.mark.filterwarnings("ignore:/quality of")
@pytest.mark.parametrize("why", ["units", "edges", "missing"])
def test_scales_that_cannot_be_joined_are_left_out(folder, why):
    scales(1, 0, 3)
    other = {"units": "months since 2000-01-01"} if why == "units" else {}
    scales(2, 0, 4, **other, edges=why != "edges")
    if why == "missing":
        with h5py.File("run_2.h5", "a") as file:
            del file["time"], file["quality"]
    with pytest.warns(UserWarning, match=r"/(time|edges) of .*run_\*.h5::/x is left out: .*run_2"):
        sc.map("scale", "run_*.h5::x", "out.h5::x", factor=2.0, engine="serial")
    with h5py.File("out.h5") as file:
        x = file["x"]
        assert x.dims[1][0].name == "/lat"
        assert "edges" not in file
        if why == "edges":
            assert "bounds" not in file["time"].attrs
            assert file["time"].shape == (7,)
        else:
            assert x.dims[0][0] == file["time"]
            assert file["time"].attrs["NAME"].startswith(b"This is a netCDF dimension")
            assert file["time"].shape == (7,)
        kept = "station" if why == "missing" else "station quality"
        assert x.attrs["coordinates"] == kept


def test_a_reduction_leaves_out_what_belongs_to_rows(folder):
    for number, start, rows in ((1, 0, 3), (2, 3, 5)):
        scales(number, start, rows)
    sc.reduce("mean", "run_*.h5::x", "out.h5", engine="serial")
    with h5py.File("out.h5") as file:
        assert set(file) == {"mean", "lat", "station"}


def test_xarray_reads_what_was_joined(folder):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    for number, start, rows in ((1, 0, 3), (2, 3, 5)):
        scales(number, start, rows)
    sc.map("scale", "run_*.h5::x", "out.h5::x", factor=2.0, engine="serial")
    with xarray.open_dataset("out.h5", engine="h5netcdf", phony_dims="sort") as made:
        assert made.x.dims == ("time", "lat")
        assert str(made.time.values[-1])[:10] == "2000-01-08"
