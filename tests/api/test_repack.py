"""`repack` keeps every number and everything beside the numbers, whatever is asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sharedcompute as sc
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.reading import boxes
from sharedcompute.planning import recode
from sharedcompute.planning import repack as planning
from tests.api.rich import CUBE, write_rich
from tests.hdf5.copying import differences, same, tool
from tests.hdf5.datasets import FILTERS, Case, cases, flip

FILTER_NAMES = (
    "none", "gzip:4", "gzip:0", "isal:1", "isal:0", "isal:3", "zstd:3", "lz4", "lzf",
    "bitshuffle-lz4", "bitshuffle-zstd:3", "blosc2-zstd:5",
)  # fmt: skip


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "in.h5", tmp_path / "out.h5"


@pytest.fixture(scope="module")
def rich_file(tmp_path_factory):
    """One for all tests: each of its datasets is rehearsed once then, and not for every test."""
    path = tmp_path_factory.mktemp("rich") / "in.h5"
    write_rich(path)
    return path


@pytest.fixture
def rich(rich_file, tmp_path):
    return rich_file, tmp_path / "out.h5"


def numbers_of(path):
    """All arrays of numbers of a file."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.shape and item.dtype.kind in "biufc":
            found[name] = item[...]

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def filters_of(path, name):
    """The names of a dataset's filters."""
    return [step.name for step in open_source(f"{path}::{name}").filters]


def assert_same_numbers(got, want):
    assert got.keys() == want.keys()
    for name, values in want.items():
        assert got[name].dtype == values.dtype, name
        assert got[name].shape == values.shape, name
        assert got[name].tobytes() == values.tobytes(), name


@pytest.mark.sample(3)
@pytest.mark.parametrize("filter", FILTER_NAMES)
@pytest.mark.parametrize("chunks", [None, "auto", "4,5,6"])
def test_a_rich_file_keeps_everything_with_every_filter(rich, filter, chunks):
    sc.repack(*rich, filter=filter, chunks=chunks, engine="serial")
    assert_same_numbers(numbers_of(rich[1]), numbers_of(rich[0]))
    assert differences(*rich) == ""


def test_the_structure_is_the_same_to_h5py(rich):
    sc.repack(*rich, filter="gzip:4", chunks="auto", engine="serial")
    same(*rich)


@pytest.mark.slow
@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("block", [0, 1024])
def test_files_of_all_versions_and_with_user_blocks(paths, libver, block):
    write_rich(paths[0], libver=(libver, "latest"), userblock_size=block)
    if block:
        with paths[0].open("r+b") as file:
            file.write(b"#!/bin/sh\n")
    for chunks in ("4,5,6", "contiguous"):
        sc.repack(*paths, chunks=chunks, overwrite=True, engine="serial")
        assert_same_numbers(numbers_of(paths[1]), numbers_of(paths[0]))
        assert differences(*paths) == ""
    assert paths[1].read_bytes()[:block] == paths[0].read_bytes()[:block]


def test_h5dump_reads_every_number(rich):
    sc.repack(*rich, filter="gzip:4", chunks="4,5,6", engine="serial")
    options = ("-d", "/stored/in_part", "-y", "-w", "0")
    before, after = (tool("h5dump", *options, path) for path in rich)
    # The first line names the file.
    assert before.splitlines()[1:] == after.splitlines()[1:]
    assert "error" not in tool("h5dump", "-p", rich[1]).lower()


def test_xarray_reads_it_as_before(tmp_path):
    old, new = tmp_path / "in.nc", tmp_path / "out.nc"
    field = xarray.DataArray(
        CUBE.astype("f4"),
        dims=("time", "y", "x"),
        coords={"time": np.arange(21.0), "y": np.arange(18)},
        attrs={"units": "K"},
        name="air",
    )
    field.to_netcdf(old, engine="h5netcdf", unlimited_dims=["time"])
    sc.repack(old, new, filter="gzip:4", chunks="auto", engine="serial")
    with xarray.open_dataset(new, engine="h5netcdf") as got:
        xarray.testing.assert_identical(got.load()["air"], field)
        assert got.encoding["unlimited_dims"] == {"time"}
        assert got["air"].encoding["zlib"]


TARGETS = st.tuples(
    st.sampled_from([None, *FILTER_NAMES]),
    st.sampled_from([None, "auto", "contiguous", "sides"]),
    st.sampled_from([None, None, True, False]),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(case=cases(), target=TARGETS, data=st.data())
def test_any_dataset_goes_into_any_chunks_and_filters(tmp_path_factory, case, target, data):
    folder = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    want = case.write(folder / "in.h5")
    filter, chunks, shuffle = target
    if chunks == "sides":
        sides = [data.draw(st.integers(1, n + 3)) for n in case.shape]
        chunks = ",".join(map(str, sides))
    try:
        sc.repack(
            folder / "in.h5", folder / "out.h5", filter=filter, chunks=chunks, shuffle=shuffle,
            engine="serial",
        )  # fmt: skip
    except sc.InputError as problem:
        # What excludes each other, and that alone.
        text = str(problem)
        assert "drop one" in text or "shuffle=" in text, text
        assert not (folder / "out.h5").exists()
        return
    with h5py.File(folder / "in.h5") as before, h5py.File(folder / "out.h5") as after:
        old, new = before["x"], after["x"]
        assert new.dtype == old.dtype
        assert new[...].tobytes() == want.tobytes()
        assert (new.shape, new.maxshape) == (old.shape, old.maxshape)
        assert np.array_equal(new.fillvalue, old.fillvalue)
        if new.size and case.dtype != "enum" and filter and filter != "none":
            assert new.chunks
            names = filters_of(folder / "out.h5", "x")
            assert names[-1].partition(":")[0] == filter.partition(":")[0].replace("isal", "gzip")


LAYOUTS = {
    "from rows": Case((40, 30), (7, 30), "f4", "all"),
    "from all rows": Case((181, 40), (181, 9), "f8", "shuffle gzip"),
    "from contiguous": Case((40, 30), None, ">i4"),
    "from hdf5 alone": Case((40, 30), (9, 8), "i4", "lzf"),
    "from many": Case((400, 6), (1, 6), "u2", "gzip"),
}


@pytest.fixture
def small_boxes(monkeypatch):
    """Data of a few kB are cut into many boxes, as large ones are."""
    monkeypatch.setattr(boxes, "UNIT_NBYTES", 2000)


@pytest.mark.sample(1)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "target", [("gzip:4", "8,5"), ("none", "8,5"), ("lz4", "11,30"), (None, "contiguous")]
)
def test_the_bytes_are_the_same_for_any_workers_schedule_and_engine(
    paths, teams, small_boxes, layout, target
):
    LAYOUTS[layout].write(paths[0])
    filter, chunks = target
    made = set()
    runs = [{"engine": "serial"}, {"engine": "local", "workers": 2, "schedule": "static"}][:1]
    runs += [
        {"team": teams[size], "schedule": how}
        for size in (1, 2, 5)
        for how in ("static", "dynamic")
    ]
    for run in runs:
        sc.repack(*paths, filter=filter, chunks=chunks, overwrite=True, **run)
        made.add(paths[1].read_bytes())
    assert len(made) == 1
    with h5py.File(paths[0]) as before, h5py.File(paths[1]) as after:
        assert after["x"][...].tobytes() == before["x"][...].tobytes()


@pytest.mark.sample(1)
@pytest.mark.parametrize("into", ["memory", "file"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_decoded_first_gives_the_same_bytes(
    paths, teams, small_boxes, monkeypatch, into, layout
):
    LAYOUTS[layout].write(paths[0])
    sc.repack(*paths, filter="gzip:4", chunks="8,5", engine="serial")
    want = paths[1].read_bytes()
    monkeypatch.setattr(recode, "BOX_NBYTES", 0)
    if into == "file":
        honest = recode.plan_recoding
        monkeypatch.setattr(planning, "plan_recoding", lambda s, t, *_: honest(s, t, 1, 0, 0))
    for run in ({"engine": "serial"}, {"team": teams[2]}):
        plan = []
        sc.repack(*paths, filter="gzip:4", chunks="8,5", overwrite=True, listen=plan.append, **run)
        assert paths[1].read_bytes() == want
    assert sorted(item.name for item in paths[0].parent.iterdir()) == ["in.h5", "out.h5"]


def test_each_chunk_is_decoded_once_and_encoded_once(paths, small_boxes, monkeypatch):
    from sharedcompute.hdf5.filters.decode import Decoder
    from sharedcompute.hdf5.filters.encode import OwnEncoder

    Case((181, 40), (20, 9), "f4", "shuffle gzip").write(paths[0])
    count = {"decoded": 0, "encoded": 0}
    decode, encode = Decoder.decode, OwnEncoder._encode

    def counted_decode(self, *args):
        count["decoded"] += 1
        return decode(self, *args)

    def counted_encode(self, *args):
        count["encoded"] += 1
        return encode(self, *args)

    monkeypatch.setattr(Decoder, "decode", counted_decode)
    monkeypatch.setattr(OwnEncoder, "_encode", counted_encode)
    sc.repack(*paths, filter="gzip:1", chunks="7,5", engine="serial")
    assert count == {"decoded": 10 * 5, "encoded": 26 * 8}


@pytest.mark.sample(2)
@pytest.mark.parametrize("filter", ["isal:0", "isal:1", "isal:2", "isal:3", "gzip:9"])
def test_gzip_of_other_makers_is_read_by_every_reader(paths, filter):
    values = np.random.default_rng(0).integers(0, 255, (50, 40)).astype("u1")
    with h5py.File(paths[0], "w") as file:
        file["noise"] = values
        file["zeros"] = np.zeros((50, 40))
    sc.repack(*paths, filter=filter, chunks="8,7", engine="serial")
    with h5py.File(paths[1]) as file:
        assert file["noise"].compression == "gzip"
        np.testing.assert_array_equal(file["noise"][...], values)
        assert not file["zeros"][...].any()
    assert differences(*paths) == ""


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("source", "target", "path"),
    [
        ("", "", "/stored/all_rows"),
        ("", "::/new/place", "/new/place"),
    ],
)
def test_one_dataset_alone(rich, source, target, path):
    sc.repack(f"{rich[0]}::/stored/all_rows", f"{rich[1]}{target}", filter="lz4", engine="serial")
    with h5py.File(rich[1]) as file:
        np.testing.assert_array_equal(file[path][...], CUBE)
        assert file[path].chunks == (21, 3, 2)
    assert filters_of(rich[1], path) == ["shuffle", "lz4"]


def test_one_dataset_brings_its_attributes_and_scales_along(rich):
    # Its other axes have no scales.
    with pytest.warns(UserWarning, match="has no coordinates"):
        sc.repack(f"{rich[0]}::/stored/plain_chunks", rich[1], filter="gzip:1", engine="serial")
    with h5py.File(rich[1]) as file:
        made = file["stored/plain_chunks"]
        assert made.attrs["long name"] == "a cube"
        assert made.dims[0][0].attrs["units"] == "days"
        np.testing.assert_array_equal(made.dims[0][0][...], np.arange(21))


def test_one_dataset_into_a_file_that_exists_keeps_the_rest(rich):
    with h5py.File(rich[1], "w") as file:
        file["other"] = [1, 2]
    sc.repack(f"{rich[0]}::/stored/checked", f"{rich[1]}::/y", chunks="contiguous", engine="serial")
    with h5py.File(rich[1]) as file:
        assert file["other"][...].tolist() == [1, 2]
        assert file["y"].chunks is None
        np.testing.assert_array_equal(file["y"][...], CUBE)
    with pytest.raises(sc.OutputExists, match="/y exists"):
        sc.repack(f"{rich[0]}::/stored/checked", f"{rich[1]}::/y", engine="serial")


def test_what_can_grow_stays_chunked_and_can_still_grow(rich):
    sc.repack(*rich, chunks="contiguous", engine="serial")
    with h5py.File(rich[1], "r+") as file:
        assert file["stored/all_rows"].chunks is None
        assert file["stored/limited"].chunks == (4, 3)
        file["stored/limited"].resize((20, 30))
        assert file["stored/limited"][19, 29] == 0
        assert file["stored/in_part"].fillvalue == -1.5


@pytest.mark.parametrize("filters", ["all", "lzf"])
@pytest.mark.parametrize("load", [False, True])
def test_a_damaged_chunk_leaves_no_output_and_is_named(paths, team, monkeypatch, filters, load):
    Case((40, 30), (8, 10), "f4", filters).write(paths[0])
    with h5py.File(paths[0]) as file:
        found = file["x"].id.get_chunk_info(7)
    # In the header of the stream, where lzf finds it as well.
    flip(paths[0], found.byte_offset + (found.size // 2 if filters == "all" else 0))
    paths[1].write_text("precious")
    if load:
        monkeypatch.setattr(recode, "BOX_NBYTES", 0)
    for run in ({"engine": "serial"}, {"team": team}):
        with pytest.raises(sc.InputError) as caught:
            sc.repack(*paths, filter="zstd:3", chunks="7,7", overwrite=True, **run)
        assert str(found.chunk_offset) in str(caught.value)
        assert f"{paths[0]}::/x" in str(caught.value)
    assert paths[1].read_text() == "precious"
    assert sorted(item.name for item in paths[0].parent.iterdir()) == ["in.h5", "out.h5"]


def test_what_is_stored_so_already_is_copied_and_not_coded_again(paths, monkeypatch):
    Case((40, 30), (8, 10), "f4", "shuffle gzip").write(paths[0])
    monkeypatch.setattr("sharedcompute.hdf5.filters.decode.Decoder.decode", None)
    sc.repack(*paths, engine="serial")
    sc.repack(*paths, filter="gzip:1", chunks="8,10", overwrite=True, engine="serial")
    assert differences(*paths) == ""


def test_every_filter_that_h5py_reads_can_be_the_source(paths):
    with h5py.File(paths[0], "w") as file:
        for name in FILTERS:
            sides = (10, 8)
            file.create_dataset(name, data=np.arange(200, dtype="i4").reshape(20, 10),
                                chunks=sides, **FILTERS[name])  # fmt: skip
    sc.repack(*paths, filter="gzip:4", chunks="6,5", engine="serial")
    assert_same_numbers(numbers_of(paths[1]), numbers_of(paths[0]))
    with h5py.File(paths[1]) as file:
        assert {item.compression for item in file.values()} == {"gzip"}


def test_names_that_are_no_utf8_are_kept_with_what_they_name(paths):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("x", data=np.arange(9.0), chunks=(3,))
        file["g/y"] = file["x"]
        file.create_dataset("z", data=np.arange(9.0), chunks=(3,))
        file.id.links.move(b"x", file.id, b"caf\xe9")
        file.id.links.move(b"g", file.id, b"\xff")
        file.id.links.move(b"z", file.id, b"caf\xe9 2")
    sc.repack(*paths, filter="gzip:1", engine="serial")
    with h5py.File(paths[1]) as file:
        for name in (b"caf\xe9", b"\xff/y", b"caf\xe9 2"):
            np.testing.assert_array_equal(file[name][...], np.arange(9))
    with h5py.File(paths[0]) as file:
        assert sc.reduce("mean", file[b"caf\xe9"]) == 4


def test_rows_that_are_never_filled_are_not_made_up_from_others(paths):
    extra = {"fill_time": "never"}
    for name in ("gzip", "lzf", "none"):
        case = Case((90, 4), (5, 4), "i4", name, fill=7, holes=True, extra=extra)
        want = case.write(paths[0])
        sc.repack(*paths, filter="zstd:3", chunks="7,3", overwrite=True, engine="serial")
        with h5py.File(paths[1]) as file:
            np.testing.assert_array_equal(file["x"][...], want)


def test_what_was_never_written_takes_no_place(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        x = file.create_dataset("x", (4000, 500), "f4", chunks=(10, 500), fillvalue=7)
        x[100:110] = 1
    sc.repack(tmp_path / "in.h5", tmp_path / "out.h5", filter="gzip:4", chunks=(500, 500))
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["x"].id.get_num_chunks() == 1
        assert np.unique(file["x"][:]).tolist() == [1, 7]
        assert (file["x"][100:110] == 1).all()
