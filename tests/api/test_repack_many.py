"""Files of thousands of objects, and of what was never written: what `repack` makes of them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.system import disposable
from tests.hdf5.copying import differences, same

MANY = 40


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "in.h5", tmp_path / "out.h5"


def matlab(path, count):
    """A file as MATLAB 7.3 writes it: a user block, cells of references, structures."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")
        made = []
        for number in range(count):
            kind = ("double", "char", "logical", "cell")[number % 4]
            if kind == "double":
                item = refs.create_dataset(
                    f"d{number}", data=rng.normal(size=(60, 4)), chunks=(30, 4), compression=3
                )
            elif kind == "char":
                item = refs.create_dataset(
                    f"c{number}", data=np.frombuffer(b"h\0i\0", "<u2")[:, None]
                )
            elif kind == "logical":
                item = refs.create_dataset(f"l{number}", data=np.ones((1, 1), "u1"))
            else:
                targets = np.array([[one.ref for one in made[-3:]]], h5py.ref_dtype)
                item = refs.create_dataset(f"e{number}", data=targets)
            item.attrs["MATLAB_class"] = np.bytes_(kind)
            made.append(item)
        cell = np.array([[one.ref for one in made]], h5py.ref_dtype)
        file.create_dataset("cell", data=cell).attrs["MATLAB_class"] = np.bytes_("cell")
        structure = file.create_group("s")
        structure.attrs["MATLAB_class"] = np.bytes_("struct")
        structure["a"] = rng.normal(size=(4, 4))
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")


@pytest.mark.sample(1)
@pytest.mark.parametrize("filter", [None, "gzip:4", "none", "lzf"])
def test_a_file_of_many_small_objects_is_stored_as_asked_and_equal(paths, filter):
    matlab(paths[0], 80)
    sc.repack(*paths, filter=filter, engine="serial")
    if filter is None:
        same(*paths)
    assert differences(*paths) == ""
    with h5py.File(paths[1]) as file:
        assert file.userblock_size == 512
        assert [file[ref].name for ref in file["cell"][0]][:2] == ["/#refs#/d0", "/#refs#/c1"]
        wanted = {None: "gzip", "gzip:4": "gzip", "none": None, "lzf": "lzf"}[filter]
        assert file["#refs#/d0"].compression == wanted


def many(path, count=MANY):
    with h5py.File(path, "w") as file:
        for number in range(count):
            x = np.arange(100.0).reshape(10, 10) + number
            file.create_dataset(f"d{number}", data=x, chunks=(3, 10), fillvalue=-1)
        file.create_dataset("some", (10, 10), "i2", chunks=(2, 5), fillvalue=7)[4:6, :5] = 1


def test_many_small_datasets_take_no_process_each(paths, monkeypatch):
    many(paths[0])
    forks = []
    forked = disposable._forked
    monkeypatch.setattr(disposable, "_forked", lambda serve: forks.append(1) or forked(serve))
    sc.repack(*paths, filter="gzip:4", chunks="4,7")
    assert len(forks) < 6
    with h5py.File(paths[0]) as old, h5py.File(paths[1]) as new:
        for name in old:
            np.testing.assert_array_equal(new[name][...], old[name][...])
            assert (new[name].chunks, new[name].compression) == ((4, 7), "gzip")
            assert new[name].fillvalue == old[name].fillvalue
        # What was never written is in no chunk.
        assert new["some"].id.get_num_chunks() == 1


def test_the_bytes_of_many_small_datasets_are_the_same_for_every_engine(paths, team):
    many(paths[0])
    sc.repack(*paths, filter="gzip:4", engine="serial")
    once = paths[1].read_bytes()
    sc.repack(*paths, filter="gzip:4", overwrite=True, team=team)
    assert paths[1].read_bytes() == once


def test_a_damaged_one_of_many_is_named_and_nothing_is_left(paths):
    many(paths[0])
    with h5py.File(paths[0], "r+") as file:
        x = file.create_dataset("last", data=np.zeros((9, 9)), compression=1, fletcher32=True)
        start = x.id.get_chunk_info(0).byte_offset
    raw = bytearray(paths[0].read_bytes())
    raw[start : start + 8] = b"\xff" * 8
    paths[0].write_bytes(raw)
    with pytest.raises(sc.InputError, match="/last"):
        sc.repack(*paths, filter="none", engine="serial")
    assert list(paths[0].parent.iterdir()) == [paths[0]]


@pytest.mark.sample(1)
@pytest.mark.parametrize(("filter", "chunks"), [(None, None), ("gzip:1", None), ("none", "auto")])
def test_what_was_never_written_stays_so_however_large(paths, filter, chunks):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("contiguous", (4_500_000_000,), "f4")
        file.create_dataset("chunked", (4_500_000_000,), "f4", chunks=(1 << 20,), fillvalue=3)
        file.create_dataset("sparse", (1 << 32,), "u1", chunks=(1 << 16,))[5] = 1
        file["x"] = np.arange(10.0)
    sc.repack(*paths, filter=filter, chunks=chunks)
    assert paths[1].stat().st_size < 3 << 20
    with h5py.File(paths[1]) as file:
        assert file["contiguous"].id.get_storage_size() == 0
        assert file["chunked"][-1] == 3
        assert file["sparse"][4:7].tolist() == [0, 1, 0]


def test_one_dataset_that_was_never_written_stays_so(paths):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("x", (30_000_000,), "f4")
    sc.repack(f"{paths[0]}::/x", paths[1])
    assert paths[1].stat().st_size < 100_000
    with h5py.File(paths[1]) as file:
        assert file["x"].shape == (30_000_000,)
