"""Virtual datasets, each compared with what HDF5 itself reads of it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sharedcompute.errors import InputError
from sharedcompute.hdf5.inspection.inspector import open_source

ROWS = np.arange(60, dtype="f4").reshape(6, 10)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store(file, data, path="x", **how):
    with h5py.File(file, "a") as opened:
        opened.create_dataset(path, data=data, **how)
    return data


def virtual(layout, file="v.h5", path="x", fillvalue=None):
    with h5py.File(file, "a") as opened:
        opened.create_virtual_dataset(path, layout, fillvalue=fillvalue)


def compare(file="v.h5", path="x", step=None):
    """The source, after its rows have been found to be what HDF5 reads."""
    source = pickle.loads(pickle.dumps(open_source(f"{file}::{path}")))
    with h5py.File(file) as opened:
        expected = opened[path][()]
    step = step or max(1, len(expected))
    with source.open() as reader:
        for start in range(0, len(expected), step):
            rows = reader.read(start, start + step)
            assert rows.flags.c_contiguous
            assert not rows.flags.writeable
            assert rows.dtype == source.dtype
            np.testing.assert_array_equal(rows, expected[start : start + step])
    return source


def concatenation():
    """Three files one after the other, as most detectors' master files have it."""
    layout = h5py.VirtualLayout((18, 10), "f4")
    for number, how in enumerate(({}, {"chunks": (2, 10), "compression": 1}, {"chunks": (4, 7)})):
        store(f"s{number}.h5", ROWS + 100 * number, **how)
        layout[6 * number : 6 * number + 6] = h5py.VirtualSource(f"s{number}.h5", "x", (6, 10))
    virtual(layout)


@pytest.mark.parametrize("step", [1, 4, 6, 18])
def test_files_one_after_the_other_are_read_by_their_own_paths(folder, step):
    concatenation()
    source = compare(step=step)
    assert source.read_path == "virtual"
    assert source.reason.startswith("3 sources: mmap, ")
    assert set(source.reads.names) == {
        str(folder / name) for name in ("v.h5", "s0.h5", "s1.h5", "s2.h5")
    }


def test_rows_of_one_contiguous_source_are_the_pages_of_its_file(folder):
    concatenation()
    with open_source("v.h5::x").open() as reader:
        first, again = reader.read(1, 5), reader.read(1, 5)
        assert np.shares_memory(first, again)
        assert not first.flags.owndata
        # A buffer would be used again; a page of the file stays what it is.
        reader.read(6, 12)
        np.testing.assert_array_equal(first, ROWS[1:5])


@pytest.mark.parametrize("chunks", [None, (2, 5), (6, 10)])
def test_frames_are_stacked(folder, chunks):
    layout = h5py.VirtualLayout((5, 6, 10), "f4")
    for number in range(5):
        store(f"s{number}.h5", ROWS * number, chunks=chunks)
        layout[number] = h5py.VirtualSource(f"s{number}.h5", "x", (6, 10))
    virtual(layout)
    for step in (1, 2, 5):
        source = compare(step=step)
    assert source.read_path == "virtual"
    assert source.row_alignment == 1


def test_frames_of_one_array_are_that_array_again(folder):
    data = store("s.h5", np.arange(5 * 6 * 20).reshape(5, 6, 20))
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    source = h5py.VirtualSource("s.h5", "x", data.shape)
    for number in range(5):
        for left in (0, 10):
            columns = np.s_[left : left + 10]
            layout[number, :, columns] = source[number, :, columns]
    virtual(layout)
    assert len(compare(step=2).parts) == 2


def test_a_module_with_an_axis_of_one_is_stacked(folder):
    """As the European XFEL's detectors store them: trains x 1 x rows x columns in each module."""
    layout = h5py.VirtualLayout((3, 6, 4, 5), "u2")
    for number in range(3):
        data = np.arange(120, dtype="u2").reshape(6, 1, 4, 5) + 1000 * number
        store(f"m{number}.h5", data, chunks=(2, 1, 4, 5))
        layout[number] = h5py.VirtualSource(f"m{number}.h5", "x", (6, 1, 4, 5))[:, 0]
    virtual(layout)
    assert compare(step=2).read_path == "virtual"


def test_modules_side_by_side(folder):
    layout = h5py.VirtualLayout((6, 2, 20), "f4")
    for y in range(2):
        for x in range(2):
            store(f"m{y}{x}.h5", ROWS + 100 * y + 1000 * x, chunks=(3, 10), shuffle=True)
            layout[:, y, 10 * x : 10 * x + 10] = h5py.VirtualSource(f"m{y}{x}.h5", "x", (6, 10))
    virtual(layout)
    source = compare(step=4)
    assert source.read_path == "virtual"
    assert source.row_alignment == 3


def test_sources_of_the_same_file_and_of_another_byte_order(folder):
    store("v.h5", ROWS.astype(">f4"), "big")
    store("v.h5", ROWS + 1, "little")
    layout = h5py.VirtualLayout((12, 10), "f4")
    layout[:6] = h5py.VirtualSource(".", "big", (6, 10))
    layout[6:] = h5py.VirtualSource(".", "little", (6, 10))
    virtual(layout)
    assert compare(step=5).reason == "2 sources: mmap-copy, mmap"


def test_what_no_source_covers_is_the_fill_value(folder):
    store("s.h5", ROWS)
    layout = h5py.VirtualLayout((9, 12), "f4")
    layout[1:7, 2:] = h5py.VirtualSource("s.h5", "x", (6, 10))
    virtual(layout, fillvalue=-7)
    virtual(layout, path="zero")
    for step in (1, 4, 9):
        assert compare(step=step).read_path == "virtual"
    assert compare(path="zero").read_path == "virtual"


def test_a_virtual_dataset_of_virtual_datasets(folder):
    concatenation()
    layout = h5py.VirtualLayout((20, 10), "f4")
    layout[:12] = h5py.VirtualSource("v.h5", "x", (18, 10))[3:15]
    layout[12:] = h5py.VirtualSource("v.h5", "x", (18, 10))[10:]
    virtual(layout, "outer.h5")
    source = compare("outer.h5", step=7)
    assert source.read_path == "virtual"
    assert str(folder / "s2.h5") in source.reads.names


def test_a_source_that_was_given_without_a_selection(folder):
    """`H5S_ALL`: other programs than h5py write it."""
    store("s.h5", ROWS)
    with h5py.File("v.h5", "w") as file:
        dcpl, space = h5p.create(h5p.DATASET_CREATE), h5s.create_simple((6, 10))
        dcpl.set_virtual(space, b"s.h5", b"/x", h5s.create_simple((6, 10)))
        h5d.create(file.id, b"x", h5t.NATIVE_FLOAT, space, dcpl)
    assert compare(step=4).read_path == "virtual"


@pytest.mark.parametrize("dtype", ["u2", "i8", "c8", "?", "f2", ">f8"])
def test_every_kind_of_number(folder, dtype):
    store("s.h5", (ROWS % 2).astype(dtype), chunks=(2, 10))
    layout = h5py.VirtualLayout((12, 10), np.dtype(dtype))
    layout[:6] = layout[6:] = h5py.VirtualSource("s.h5", "x", (6, 10), np.dtype(dtype))
    virtual(layout)
    assert compare(step=5).read_path == "virtual"


SETS = st.lists(st.integers(1, 19), max_size=3, unique=True).map(sorted)


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=SETS,
    columns=SETS,
    left_out=st.sets(st.integers(0, 15), max_size=3),
    offset=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    depth=st.integers(0, 2),
    step=st.integers(1, 20),
    as_file=st.booleans(),
)
def test_random_mosaics(tmp_path, rows, columns, left_out, offset, depth, step, as_file):
    """Tiles of any size, in one file or many, from any place in sources with any unit axes."""
    folder = Path(tmp_path) / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    layout = h5py.VirtualLayout((20, 20), "i4")
    number = 0
    for low, high in zip([0, *rows], [*rows, 20], strict=True):
        for left, right in zip([0, *columns], [*columns, 20], strict=True):
            number += 1
            if number in left_out:
                continue
            shape = (high - low + offset[0], right - left + offset[1])
            shape = (*shape[:1], *(1,) * depth, *shape[1:])
            name = "v.h5" if as_file else f"s{number}.h5"
            data = np.arange(np.prod(shape), dtype="i4").reshape(shape) + 1000 * number
            how = {} if number % 2 else {"chunks": (1, *shape[1:]), "compression": 1}
            store(folder / name, data, f"t{number}", **how)
            tile = h5py.VirtualSource("." if as_file else name, f"t{number}", shape)
            ones = (0,) * depth
            layout[low:high, left:right] = tile[
                (slice(offset[0], None), *ones, slice(offset[1], None))
            ]
    virtual(layout, folder / "v.h5", fillvalue=5)
    source = compare(folder / "v.h5", step=step)
    assert source.read_path == ("virtual" if number > len(left_out) else source.read_path)


def left_to_hdf5(reason, file="v.h5"):
    source = compare(file, step=4)
    assert source.read_path == "h5py"
    assert source.reason == f"virtual: {reason}"
    return source


def test_a_missing_source_is_left_to_hdf5(folder):
    layout = h5py.VirtualLayout((6, 10), "f4")
    layout[:] = h5py.VirtualSource("gone.h5", "x", (6, 10))
    virtual(layout, fillvalue=3)
    left_to_hdf5("its source gone.h5 is missing")
    store("gone.h5", ROWS, "y")
    left_to_hdf5("its source gone.h5::x is missing")
    store("gone.h5", ROWS, "x")
    assert compare().read_path == "virtual"


@pytest.mark.parametrize("rows", [5, 7])
def test_a_source_that_shrank_or_grew(folder, rows):
    store("s.h5", ROWS, maxshape=(None, 10), chunks=(4, 10))
    layout = h5py.VirtualLayout((6, 10), "f4")
    layout[:] = h5py.VirtualSource("s.h5", "x", (6, 10), maxshape=(None, 10))[:6]
    virtual(layout)
    with h5py.File("s.h5", "a") as file:
        file["x"].resize((rows, 10))
    if rows == 7:
        assert compare(step=4).read_path == "virtual"
    else:
        left_to_hdf5("a source that is smaller than what is mapped of it")


def test_what_is_no_box_is_left_to_hdf5(folder):
    store("s.h5", ROWS)
    source = h5py.VirtualSource("s.h5", "x", (6, 10))
    for name, shape, there, here in [
        ("every second row", (3, 10), np.s_[:], np.s_[::2]),
        ("into every second", (12, 10), np.s_[::2], np.s_[:]),
    ]:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[there] = source[here]
        virtual(layout, f"{name}.h5")
        left_to_hdf5("a selection with gaps", f"{name}.h5")


def test_other_shapes_types_and_overlaps_are_left_to_hdf5(folder):
    store("s.h5", ROWS)
    source = h5py.VirtualSource("s.h5", "x", (6, 10))
    layout = h5py.VirtualLayout((10, 6), "f4")
    layout[:] = source
    virtual(layout, "shape.h5")
    left_to_hdf5("boxes of other shapes", "shape.h5")
    layout = h5py.VirtualLayout((6, 10), "f8")
    layout[:] = source
    virtual(layout, "type.h5")
    left_to_hdf5("a source of another dtype", "type.h5")
    layout = h5py.VirtualLayout((8, 10), "f4")
    layout[:6], layout[2:] = source, source
    virtual(layout, "twice.h5")
    left_to_hdf5("mappings that overlap", "twice.h5")


def test_an_unlimited_mapping_is_left_to_hdf5(folder):
    store("s.h5", ROWS, maxshape=(None, 10), chunks=(2, 10))
    layout = h5py.VirtualLayout((6, 10), "f4", maxshape=(None, 10))
    source = h5py.VirtualSource("s.h5", "x", (6, 10), maxshape=(None, 10))
    layout[0 : h5s.UNLIMITED] = source[0 : h5s.UNLIMITED]
    virtual(layout)
    left_to_hdf5("an unlimited mapping")


def test_a_source_of_single_numbers_is_left_to_hdf5(folder):
    layout = h5py.VirtualLayout((3,), "f8")
    for number in range(3):
        store(f"s{number}.h5", float(number))
        layout[number] = h5py.VirtualSource(f"s{number}.h5", "x", ())
    virtual(layout)
    left_to_hdf5("a source of a single number")


@pytest.mark.parametrize("strided", [False, True])
def test_one_that_maps_to_itself_is_refused(folder, strided):
    """HDF5 2.0 ends the process."""
    for here, there in (("x", "y"), ("y", "x")):
        layout = h5py.VirtualLayout((6, 10), "f4")
        source = h5py.VirtualSource(".", there, (6, 10))
        if strided:
            layout[:3] = source[::2]
        else:
            layout[:] = source
        virtual(layout, path=here)
    with pytest.raises(InputError, match="mapped to itself"):
        open_source("v.h5::x")


def test_a_source_that_cannot_be_opened_is_an_error_and_not_fill_values(folder):
    concatenation()
    Path("s1.h5").write_bytes(Path("s1.h5").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"s1\.h5 is cut short"):
        open_source("v.h5::x")


@pytest.mark.sample(1)
@pytest.mark.parametrize("prefix", ["elsewhere", "nowhere:elsewhere", "${ORIGIN}/elsewhere"])
def test_sources_are_looked_for_where_hdf5_looks(folder, prefix):
    """Another process: HDF5 reads the variable once."""
    Path("elsewhere").mkdir()
    store("s.h5", ROWS)
    store("elsewhere/s.h5", ROWS + 1)
    layout = h5py.VirtualLayout((6, 10), "f4")
    layout[:] = h5py.VirtualSource("s.h5", "x", (6, 10))
    virtual(layout)
    code = (
        "import h5py, sharedcompute as sc; x = sc.open('v.h5::x');"
        "print(x.source.read_path, float(x[0, 0]), h5py.File('v.h5')['x'][0, 0])"
    )
    env = {**os.environ, "HDF5_VDS_PREFIX": prefix}
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, env=env, capture_output=True, text=True
    )
    assert said.stdout.split() == ["virtual", "1.0", "1.0"]


def test_an_absolute_name_that_is_gone_is_looked_for_beside_the_file(folder):
    store("s.h5", ROWS)
    layout = h5py.VirtualLayout((6, 10), "f4")
    layout[:] = h5py.VirtualSource("/nowhere/at/all/s.h5", "x", (6, 10))
    virtual(layout)
    assert compare().read_path == "virtual"


def test_the_sources_of_a_virtual_dataset_that_hdf5_reads_are_no_output(tmp_path):
    import sharedcompute as sc

    with h5py.File(tmp_path / "source.h5", "w") as file:
        file["x"] = np.arange(20.0)
    layout = h5py.VirtualLayout((10,), "f8")
    layout[:] = h5py.VirtualSource(tmp_path / "source.h5", "x", (20,))[::2]
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("v", layout)
    source = open_source(f"{tmp_path}/virtual.h5::/v")
    assert source.read_path == "h5py"
    assert str(tmp_path / "source.h5") in source.reads.names
    given, out = f"{tmp_path}/virtual.h5::/v", tmp_path / "source.h5"
    with pytest.raises(sc.InputError, match="other than the input"):
        sc.map("clip", given, out, lower=0, overwrite=True)
    with pytest.raises(sc.InputError, match="other than the input"):
        sc.repack(given, out, overwrite=True)
