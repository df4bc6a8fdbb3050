"""Windows of datasets, by index and by coordinate, compared with NumPy's and xarray's."""

from __future__ import annotations

import math
import pickle
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import sharedcompute as sc
from sharedcompute.errors import InputChanged, InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.format.fill_value import ZEROS
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.inspection.labels import selected
from sharedcompute.hdf5.reading.boxes import boxes_of
from sharedcompute.hdf5.reading.chunked import ChunkReader
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.windowed import windowed
from sharedcompute.hdf5.window import Window, WindowText
from sharedcompute.planning.in_memory import ArraySource, windowed_array

SHAPE = (30, 9, 8)
LAYOUTS = ("contiguous", "big-endian", "chunks", "gzip", "virtual", "joined", "compact")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """One array in each layout, by its address, and its values."""
    folder = tmp_path_factory.mktemp("windows")
    data = np.random.default_rng(0).integers(-99, 99, SHAPE).astype("f4")
    with h5py.File(folder / "in.h5", "w") as file:
        file["contiguous"] = data
        file["big-endian"] = data.astype(">f4")
        file.create_dataset("chunks", data=data, chunks=(7, 9, 8))
        file.create_dataset("gzip", data=data, chunks=(4, 5, 3), compression=1, shuffle=True)
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        file.create_dataset("compact", data=data, dcpl=compact)
        made = h5py.VirtualLayout(SHAPE, "f4")
        made[:13] = h5py.VirtualSource(file["gzip"])[:13]
        made[13:, :4] = h5py.VirtualSource(file["contiguous"])[13:, :4]
        made[13:, 4:] = h5py.VirtualSource(file["contiguous"])[13:, 4:]
        file.create_virtual_dataset("virtual", made)
    for number, (start, stop) in enumerate(((0, 11), (11, 12), (12, 30))):
        with h5py.File(folder / f"part_{number}.h5", "w") as file:
            rows = data[start:stop]
            limits = (None, 9, 8)
            file.create_dataset("x", data=rows, maxshape=limits, chunks=(3, 9, 8), compression=1)
    names = {name: f"{folder}/in.h5::/{name}" for name in LAYOUTS}
    return data, {**names, "joined": f"{folder}/part_*.h5::/x"}


def keys(n, steps=None):
    """Draw any key of basic indexing for an axis of length `n`, with all steps or with some."""
    ends = st.none() | st.integers(-n - 2, n + 2)
    if steps is None:
        steps = st.none() | st.integers(-n - 1, n + 1).filter(bool)
    ranges = st.builds(slice, ends, ends, steps)
    return ranges | st.integers(-n, n - 1) if n else ranges


def indices(shape, steps=None):
    """Draw an index of an array of `shape` that leaves an axis."""
    drawn = st.tuples(*(keys(n, steps) for n in shape))
    return drawn.filter(lambda index: any(isinstance(key, slice) for key in index))


@settings(deadline=None)
@given(name=st.sampled_from(LAYOUTS), index=indices(SHAPE), ends=st.data())
def test_windows_of_every_layout_are_numpys(layouts, name, index, ends):
    data, names = layouts
    expected = data[index]
    source = windowed(open_source(names[name]), Window.of(index, SHAPE))
    assert (source.shape, source.dtype, source.ndim) == (expected.shape, data.dtype, expected.ndim)
    stop = ends.draw(st.integers(0, len(expected)))
    start = ends.draw(st.integers(0, stop))
    with source.open() as reader:
        for a, b in ((0, len(expected)), (start, stop), (stop, len(expected))):
            rows = reader.read(a, b)
            np.testing.assert_array_equal(rows, expected[a:b])
            assert rows.flags.c_contiguous
            assert not rows.flags.writeable or not rows.size
        box = tuple(slice(start if axis == 0 else n // 3, n) for axis, n in enumerate(source.shape))
        out = np.empty(expected[box].shape, "f4")
        reader.read_box(tuple(side.start for side in box), out)
        np.testing.assert_array_equal(out, expected[box])


@settings(deadline=None)
@given(first=indices((6, 5, 4)), second=st.data())
def test_a_window_of_a_window_is_one_of_the_dataset(layouts, first, second):
    data, names = layouts
    data = data[:6, :5, :4]
    source = open_source(names["gzip"] + "[:6, :5, :4]")
    outer = windowed(source, Window.of(first, data.shape))
    index = second.draw(indices(outer.shape))
    both = windowed(outer, Window.of(index, outer.shape))
    with both.open() as reader:
        np.testing.assert_array_equal(reader.read(0, both.shape[0]), data[first][index])
    assert both.whole.window is None


def test_a_window_of_files_that_are_packed_in_different_ways(tmp_path):
    stored = np.arange(240, dtype="i2").reshape(2, 10, 12)
    for number, scale in enumerate((0.5, 2.0)):
        with h5py.File(tmp_path / f"part_{number}.h5", "w") as file:
            file.create_dataset("x", data=stored[number], chunks=(3, 12), compression=1)
            file["x"].attrs.update(scale_factor=scale, _FillValue=np.int16(17))
    meant = np.where(stored == 17, np.nan, stored * [[[0.5]], [[2.0]]]).reshape(20, 12)
    address = f"{tmp_path}/part_*.h5::/x[4:18:3, ::-2]"
    with pytest.raises(InputError, match="decode_cf"):
        sc.map("scale", address, factor=2.0)
    for engine in ("serial", "local"):
        made = sc.map("scale", address, factor=2.0, decode_cf=True, engine=engine, workers=2)
        np.testing.assert_array_equal(made, 2 * meant[4:18:3, ::-2])
    np.testing.assert_array_equal(sc.open(address, decode_cf=True), meant[4:18:3, ::-2])


@given(index=indices((5, 4, 3)))
def test_a_window_is_read_as_it_is_written(index):
    window = Window.of(index, (5, 4, 3))
    assert Window.of(WindowText(str(window)).keys, (5, 4, 3)) == window


def test_only_chunks_that_are_touched_are_decoded(layouts, monkeypatch):
    _, names = layouts
    decoded = []
    decode = ChunkReader._decode
    monkeypatch.setattr(
        ChunkReader, "_decode", lambda self, n, *a: (decoded.append(n), decode(self, n, *a))
    )
    # Chunks of (4, 5, 3) in (30, 9, 8): 8 x 2 x 3 of them.
    for window, chunks in (("5:7, 6:, :3", 1), ("::8, 0, 0", 4), ("2:30:9, :, :", 4 * 6)):
        source = open_source(f"{names['gzip']}[{window}]")
        with source.open() as reader:
            reader.read(0, source.shape[0])
        assert len(decoded) == chunks
        decoded.clear()


def test_each_chunk_is_decoded_once_while_reads_go_forward(layouts, monkeypatch):
    _, names = layouts
    decoded = []
    decode = ChunkReader._decode
    monkeypatch.setattr(
        ChunkReader, "_decode", lambda self, n, *a: (decoded.append(n), decode(self, n, *a))
    )
    for window in ("3:29, 1:, 2:", "29:1:-2, :, 1", "3, :, 1:"):
        source = open_source(f"{names['gzip']}[{window}]")
        with source.open() as reader:
            for row in range(source.shape[0]):
                reader.read(row, row + 1)
        assert len(decoded) == len(set(decoded))
        decoded.clear()


def test_whole_rows_of_a_contiguous_dataset_are_not_copied(layouts):
    _, names = layouts
    for window in ("[3:20]", "[5, 2:]"):
        source = open_source(names["contiguous"] + window)
        with source.open() as reader:
            assert reader.read(0, 4).base is not None
            assert np.shares_memory(reader.read(0, 4), reader.read(2, 6))
        assert source.scratch_nbytes(100) == 0


def test_blocks_follow_the_chunks_that_a_window_begins_with(layouts):
    _, names = layouts
    aligned, inside = (open_source(names["gzip"] + w) for w in ("[8:, :, 1]", "[9:, :, 1]"))
    assert (aligned.row_alignment, aligned.begins_inside) == (4, False)
    assert (inside.row_alignment, inside.begins_inside) == (4, True)
    assert open_source(names["gzip"] + "[::2]").row_alignment == 2
    assert open_source(names["gzip"] + "[3]").row_alignment == 5


@given(index=indices((30, 40, 50), st.sampled_from([None, 1, 2, -1, -2])))
def test_what_is_decoded_at_a_time_follows_the_chunks_of_a_window(index):
    shape, chunks = (30, 40, 50), (8, 6, 4)
    window = Window.of(index, shape)
    assume(window.size)
    source = windowed(made_up(shape, chunks), window)
    grid = ChunkGrid(shape, chunks)

    def touched(corner, shape):
        cuts = window.part(corner, shape, (1,) * len(shape))
        low, steps = (tuple(getattr(c, n) for c in cuts) for n in ("low", "step"))
        sides = tuple(cut.count for cut in cuts)
        return [piece.number for piece in grid.pieces(low, sides, tuple(map(abs, steps)))]

    boxes = boxes_of(source, source.shape)
    found, elements = [], 0
    for number in range(len(boxes)):
        box = boxes.box(number)
        sides = tuple(side.stop - side.start for side in box)
        found += touched(tuple(side.start for side in box), sides)
        elements += math.prod(sides)
    assert elements == window.size
    assert sorted(found) == sorted(touched((0,) * source.ndim, source.shape))


def made_up(shape, chunks):
    """A source that is in no file."""
    dtype = np.dtype("f8")
    return DatasetSource(
        file="in.h5",
        path="/x",
        shape=shape,
        dtype=dtype,
        stored_dtype=dtype,
        chunks=chunks,
        maxshape=shape,
        filters=(),
        fill=ZEROS,
        read_path="chunks",
        reason="",
        offset=None,
    )


@pytest.mark.parametrize(
    ("text", "path", "window"),
    [
        ("in.h5::/t2m[31:59, :, ::2]", "/t2m", "[31:59, :, ::2]"),
        ("in.nc::t2m[time=2001-03, lat=30:60]", "/t2m", "[time=2001-03, lat=30:60]"),
        ("in.h5::[5:]", None, "[5:]"),
        ("in.h5::/x[...]", "/x", "[...]"),
        ("in.h5::/x[a]", "/x[a]", None),
        ("in.h5::/x[1]y", "/x[1]y", None),
        ("run_[1-3].h5::/x", "/x", None),
        ("run_[1-3].h5", None, None),
    ],
)
def test_addresses_with_windows(text, path, window):
    address = Address.parse(text)
    assert (address.path, address.window and str(address.window)) == (path, window)
    assert Address.parse(str(address)) == address
    assert str(address).replace("::/", "::") == text.replace("::/", "::")


def test_brackets_of_files_are_globs(layouts):
    data, names = layouts
    source = open_source(names["joined"].replace("*", "[0-1]") + "[2:5]")
    assert (source.shape, source.whole.shape) == ((3, 9, 8), (12, 9, 8))
    with source.open() as reader:
        np.testing.assert_array_equal(reader.read(0, 3), data[2:5])


def test_a_dataset_whose_name_ends_in_brackets_is_that_one(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"], file["x[0:2]"], file["y"] = np.arange(9.0), np.arange(4.0), np.ones(3)
    where = f"{tmp_path}/in.h5::/x"
    assert open_source(f"{where}[0:2]").shape == (4,)
    assert open_source(f"{where}[0:3]").shape == (3,)
    assert open_source(f"{where}[0:2][1:]").shape == (3,)
    assert sc.open(f"{where}[0:2]").shape == (4,)
    sc.map("scale", f"{where}[1:4]", f"{tmp_path}/out.h5::/y[5]", factor=2.0, engine="serial")
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["y[5]"], [2.0, 4.0, 6.0])


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("[30]", "out of bounds"),
        ("[1, 2, 3, 4]", "at most 3"),
        ("[1:2:0]", "1:2:0"),
        ("[1, 2, 3]", "at least one axis"),
        ("[,]", "slices"),
        ("[lat=3]", "no names"),
        ("[lat=3, 5]", "NAME=VALUE"),
    ],
)
def test_windows_that_are_none(layouts, window, words):
    _, names = layouts
    with pytest.raises(InputError, match=words) as caught:
        open_source(names["gzip"] + window)
    assert "\n" not in str(caught.value)


def test_the_files_of_a_window_are_those_of_its_dataset(tmp_path):
    file = tmp_path / "in.h5"
    with h5py.File(file, "w") as made:
        made["x"] = np.arange(20.0)
    source = pickle.loads(pickle.dumps(open_source(f"{file}::/x[3:9]")))
    assert source.reads.names == (str(file),)
    with h5py.File(file, "a") as made:
        made["other"] = np.arange(3)
    with pytest.raises(InputChanged):
        source.open()


@settings(deadline=None)
@given(index=indices((5, 4, 3)))
def test_windows_of_arrays_in_memory(index):
    for data in (np.arange(60.0).reshape(5, 4, 3), sc.asarray(np.arange(60.0).reshape(5, 4, 3))):
        source = windowed_array(ArraySource(data), Window.of(index, data.shape))
        rows = source.open().read(0, source.shape[0])
        np.testing.assert_array_equal(rows, np.asarray(data)[index])
        assert rows.flags.c_contiguous
        assert np.shares_memory(source.array, data) or not rows.size


def test_windows_of_arrays_on_workers(teams):
    data = np.random.default_rng(1).normal(size=(50, 6, 4))
    window = Window.of((slice(40, 2, -3), 2, slice(None, None, 2)), data.shape)
    for array in (data, sc.asarray(data)):
        source = windowed_array(ArraySource(array), window)
        for team in teams.values():
            made = sc.map("scale", source, factor=2.0, team=team)
            np.testing.assert_array_equal(made, data[window.index] * 2)


def climate(path, start, count, *, lat=None, calendar="standard", units="hours since 2001-01-01"):
    """A file as netCDF writes it."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    lat = np.linspace(60, -50, 12).astype("f4") if lat is None else lat
    steps = np.arange(start, start + count)
    times = steps * 6.0 if units.startswith("hours") else steps / 4
    edges = np.stack([times, times + 6], 1)
    rng = np.random.default_rng(start)
    xarray.Dataset(
        {
            "t2m": (("time", "lat", "lon"), rng.normal(size=(count, 12, 8)).astype("f4")),
            "time_bnds": (("time", "nv"), edges),
            "area": (("lat", "lon"), np.arange(96.0).reshape(12, 8)),
        },
        {
            "time": (
                "time",
                times,
                {"units": units, "calendar": calendar, "bounds": "time_bnds"},
            ),
            "lat": lat,
            "lon": np.arange(8, dtype="i4") * 10,
            "name": ("lat", np.array([f"zone {n}" for n in range(12)], object)),
        },
    ).to_netcdf(
        path,
        engine="h5netcdf",
        unlimited_dims=["time"],
        encoding={
            "t2m": {"chunksizes": (50, 6, 8), "zlib": True},
            "area": {"chunksizes": (12, 8), "zlib": True},
        },
    )


@pytest.fixture(scope="module")
def nc(tmp_path_factory):
    """Files with coordinates, and what xarray makes of them."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    folder = tmp_path_factory.mktemp("labels")
    climate(folder / "in.nc", 0, 600)
    climate(
        folder / "days.nc",
        0,
        500,
        lat=np.linspace(-50, 60, 12),
        calendar="360_day",
        units="days since 2001-01-01",
    )
    for number in range(3):
        climate(folder / f"part_{number}.nc", 100 * number, 100)
    opened = [
        xarray.open_dataset(folder / name, engine="h5netcdf")
        for name in ("in.nc", "days.nc", *(f"part_{number}.nc" for number in range(3)))
    ]
    arrays = [made.t2m for made in opened]
    yield SimpleNamespace(
        folder=folder,
        single=(f"{folder}/in.nc::/t2m", arrays[0]),
        days=(f"{folder}/days.nc::/t2m", arrays[1]),
        joined=(f"{folder}/part_*.nc::/t2m", xarray.concat(arrays[2:], "time")),
    )
    for made in opened:
        made.close()


def agree(of, labels, expected):
    """Compare what labels pick with xarray's."""
    source = open_source(of[0])
    window = selected(source, labels)
    assert window.shape == expected.shape
    if window.size:
        with windowed(source, window).open() as reader:
            np.testing.assert_array_equal(reader.read(0, window.shape[0]), expected.values)


SELECTIONS = [
    {"time": "2001-03"},
    {"time": "2001-03-05"},
    {"time": slice("2001-02", "2001-03-05"), "lon": 10},
    {"time": slice("2001-03-06T06:00", "2001-03-07", 3)},
    {"time": slice(np.datetime64("2001-01-05T17"), np.datetime64("2001-01-08"))},
    {"time": np.datetime64("2001-01-05T18")},
    {"time": slice(None, "2001-01-20"), "lat": slice(35, -7)},
    {"lat": slice(12.3, None)},
    {"lat": slice(None, 12.3)},
    {"lat": 20, "lon": slice(10, 45)},
    {"lat": slice(900, 800)},
    {"lon": slice(30, 10)},
]


@pytest.mark.parametrize("which", ["single", "joined"])
@pytest.mark.parametrize("labels", SELECTIONS)
def test_labels_pick_what_xarray_picks(nc, which, labels):
    of = getattr(nc, which)
    if which == "joined" and labels.get("time") == slice("2001-03-06T06:00", "2001-03-07", 3):
        labels = {"time": slice("2001-01-06T06:00", "2001-02-07", 3)}
    agree(of, labels, of[1].sel(labels))


@pytest.mark.parametrize("time", ["2001", "2001-02", "2001-02-30", slice("2001-02-29", "2001-03")])
def test_dates_of_other_calendars(nc, time):
    pytest.importorskip("cftime")
    agree(
        nc.days,
        {"time": time, "lat": slice(-10.5, 20)},
        nc.days[1].sel(time=time, lat=slice(-10.5, 20)),
    )


def test_a_range_of_a_descending_coordinate_in_either_direction(nc):
    expected = nc.single[1].sel(lat=slice(45, -10))
    agree(nc.single, {"lat": slice(45, -10)}, expected)
    agree(nc.single, {"lat": slice(-10, 45)}, expected)


def test_labels_of_a_window(nc):
    source = open_source(nc.single[0] + "[time=2001-03, lon=20]")
    window = selected(source, {"time": "2001-03-05", "lat": slice(0, 30)})
    expected = nc.single[1].sel(time="2001-03-05", lat=slice(30, 0), lon=20)
    with windowed(source, window).open() as reader:
        np.testing.assert_array_equal(reader.read(0, window.shape[0]), expected.values)


def test_labels_in_an_address(nc):
    address, array = nc.single
    for window, expected in (
        ("[time=2001-03, lat=30:60]", array.sel(time="2001-03", lat=slice(60, 30))),
        (
            "[time=2001-03-05T12:00:2001-03-06T00, lon=30]",
            array.sel(time=slice("2001-03-05T12:00", "2001-03-06T00"), lon=30),
        ),
        ("[lat=:20]", array.sel(lat=slice(None, 20))),
    ):
        np.testing.assert_array_equal(np.asarray(sc.open(address + window)), expected.values)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"tima": "2001"}, "did you mean 'time'"),
        ({"time": "2001-13"}, "no day"),
        ({"time": "2009"}, "the nearest is 2001-05-30T18:00"),
        ({"time": np.datetime64("2001-03-05T18:30")}, "the nearest is 2001-03-05T18:00"),
        ({"time": 2001}, "give a date"),
        ({"lat": 12.5}, "the nearest is 10.0"),
        ({"lat": "north"}, "lat: expected a value"),
        ({"lon": [1, 2]}, "numbers"),
        ({"lon": float("nan")}, "NaN"),
    ],
)
def test_labels_that_are_not_there(nc, labels, words):
    with pytest.raises(InputError, match=words) as caught:
        selected(open_source(nc.single[0]), labels)
    assert "\n" not in str(caught.value)


def test_labels_between_which_nothing_lies_are_refused_in_an_address(nc):
    with pytest.raises(InputError, match="found none"):
        open_source(nc.single[0] + "[lat=80:90]")


def test_values_that_are_not_in_order_have_no_ranges(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        x = file.create_dataset("x", data=np.arange(8.0).reshape(4, 2))
        file["lon"] = [3.0, 1.0, 2.0, 1.0]
        file["lon"].make_scale("lon")
        x.dims[0].attach_scale(file["lon"])
        file["bare"] = np.zeros(2)
        file["bare"].make_scale("This is a netCDF dimension but not a netCDF variable.         2")
        x.dims[1].attach_scale(file["bare"])
    source = open_source(f"{tmp_path}/in.h5::/x")
    assert selected(source, {"lon": 2}).index == (2, slice(0, 2, 1))
    for labels, words in (
        ({"lon": slice(1, 2)}, "in order"),
        ({"lon": 1}, "found 2"),
        ({"bare": 0}, "use an index"),
    ):
        with pytest.raises(InputError, match=words):
            selected(source, labels)


@pytest.mark.parametrize(
    ("which", "window", "index"),
    [
        (
            "single",
            "[3:30, ::2, 5:1:-1]",
            {"time": slice(3, 30), "lat": slice(None, None, 2), "lon": slice(5, 1, -1)},
        ),
        ("single", "[3:30, 4]", {"time": slice(3, 30), "lat": 4}),
        ("single", "[5]", {"time": 5}),
        (
            "joined",
            "[3:250:2, 4:, :3]",
            {"time": slice(3, 250, 2), "lat": slice(4, None), "lon": slice(3)},
        ),
        ("joined", "[:, 4:, :3]", {"lat": slice(4, None), "lon": slice(3)}),
    ],
)
def test_results_keep_the_coordinates_of_their_window(nc, tmp_path, which, window, index):
    xarray = pytest.importorskip("xarray")
    address, array = getattr(nc, which)
    expected = array.isel(index)
    sc.map("scale", address + window, tmp_path / "out.nc", factor=1.0, engine="serial")
    with xarray.open_dataset(tmp_path / "out.nc", engine="h5netcdf") as made:
        assert made.t2m.dims == expected.dims
        np.testing.assert_array_equal(made.t2m, expected)
        for name in ("time", "lat", "lon", "name"):
            stays = set(array[name].dims) <= set(expected.dims)
            assert (name in made.variables) == stays
            if stays:
                np.testing.assert_array_equal(made[name], expected[name])
        if "time" in made:
            np.testing.assert_array_equal(made.time_bnds[:, 0], made.time)
        assert made.sizes == {**dict(expected.sizes), **({"nv": 2} if "time" in made else {})}
    with h5py.File(tmp_path / "out.nc") as file:
        unlimited = "time" in index and not isinstance(index["time"], slice)
        assert unlimited or file["t2m"].maxshape[0] is None


def test_a_reduction_of_a_window_keeps_its_coordinates(nc, tmp_path):
    xarray = pytest.importorskip("xarray")
    address, array = nc.single
    sc.reduce("max", address + "[time=2001-02, lat=0:30]", tmp_path / "out.nc")
    with xarray.open_dataset(tmp_path / "out.nc", engine="h5netcdf") as made:
        expected = array.sel(time="2001-02", lat=slice(30, 0)).max("time")
        np.testing.assert_array_equal(made["max"], expected)
        np.testing.assert_array_equal(made.lat, expected.lat)
        assert "time" not in made.variables
