"""Members of compound datasets, compared with h5py's fields."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.inspection.listing import describe
from sharedcompute.hdf5.reading.library import H5pyReader

INNER = np.dtype([("u", "<f4"), ("v.w", ">i2")])
RECORD = np.dtype(
    [
        ("id", "<u8"),
        ("energy", ">f4"),
        ("ok", "?"),
        ("pos", INNER),
        ("z", "<c16"),
        ("name", "S5"),
        ("vec", "<f8", (3,)),
    ]
)
MEMBERS: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "energy": ("energy",),
    "ok": ("ok",),
    "z": ("z",),
}
MEMBERS["pos.u"], MEMBERS["pos.v.w"] = ("pos", "u"), ("pos", "v.w")


def table() -> np.ndarray:
    rng = np.random.default_rng(0)
    made = np.zeros((300, 4), RECORD)
    made["id"] = np.arange(1200).reshape(300, 4)
    made["energy"] = rng.normal(size=(300, 4))
    made["ok"] = rng.random((300, 4)) > 0.5
    made["pos"]["u"] = rng.normal(size=(300, 4))
    made["pos"]["v.w"] = rng.integers(-9, 9, (300, 4))
    made["z"] = 1j * made["id"]
    return made


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A table in each layout."""
    path = tmp_path_factory.mktemp("members") / "in.h5"
    rows = table()
    fill = np.zeros((), RECORD)
    fill["energy"] = 7
    with h5py.File(path, "w") as made:
        made["contiguous"] = rows
        made.create_dataset("gzip", data=rows, chunks=(64, 3), compression=4, shuffle=True)
        made.create_dataset("chunks", data=rows, chunks=(100, 4))
        made.create_dataset("empty", (300, 4), RECORD, chunks=(100, 4), fillvalue=fill[()])
        layout = h5py.VirtualLayout(rows.shape, RECORD)
        layout[:100] = h5py.VirtualSource(made["contiguous"])[:100]
        layout[100:] = h5py.VirtualSource(made["gzip"])[100:]
        made.create_virtual_dataset("virtual", layout)
        made["taken"] = rows
        made["taken.energy"] = np.arange(5.0)
    return path


@pytest.mark.parametrize("name", ["contiguous", "gzip", "chunks", "empty", "virtual"])
@pytest.mark.parametrize("member", MEMBERS)
def test_members_are_those_of_h5py(file, name, member):
    with h5py.File(file) as opened:
        expected = opened[name][()]
    for part in MEMBERS[member]:
        expected = expected[part]
    source = open_source(f"{file}::/{name}.{member}")
    assert source.dtype == expected.dtype.newbyteorder("=")
    assert str(source) == f"{file}::/{name}.{member}"
    with source.open() as reader:
        np.testing.assert_array_equal(reader.read(0, 300), expected)
    window = open_source(f"{file}::/{name}.{member}[3:250:7, ::-1]")
    with window.open() as reader:
        np.testing.assert_array_equal(reader.read(0, 99), expected[3:250:7, ::-1])
    if name != "virtual":
        with H5pyReader(source) as reader:
            np.testing.assert_array_equal(reader.read(5, 90), expected[5:90])
            box = np.empty((10, 2), source.dtype)
            reader.read_box((5, 1), box, (3, 2))
            np.testing.assert_array_equal(box, expected[5:35:3, 1::2])


def test_members_are_read_without_hdf5_where_it_says_where_they_lie(file):
    paths = {name: open_source(f"{file}::/{name}.energy").read_path for name in ("gzip", "chunks")}
    assert paths == {"gzip": "chunks", "chunks": "preadv"}
    assert open_source(f"{file}::/contiguous.energy").read_path == "mmap-copy"


def test_a_dataset_that_is_called_so_is_that_dataset(file):
    assert open_source(f"{file}::/taken.energy").shape == (5,)
    assert open_source(f"{file}::/taken.pos.u").shape == (300, 4)


def test_a_job_over_a_member(file, tmp_path):
    expected = table()["energy"].astype("f4")
    np.testing.assert_array_equal(sc.reduce("max", f"{file}::/gzip.energy"), expected.max(axis=0))
    sc.map("scale", f"{file}::/gzip.energy", tmp_path / "out.h5", factor=2.0)
    with h5py.File(tmp_path / "out.h5") as made:
        np.testing.assert_array_equal(made["gzip.energy"], expected * 2)
        assert made["gzip.energy"].compression == "gzip"
        assert "gzip.energy" in made["gzip.energy"].attrs["sharedcompute_job"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("contiguous", "choose a member, such as .*contiguous.id"),
        ("contiguous.enrgy", "did you mean 'energy'"),
        ("contiguous.pos", "choose .*contiguous.pos.u"),
        ("contiguous.pos.q", "u, v.w"),
        ("contiguous.name", "strings"),
        ("contiguous.vec", "arrays of shape"),
        ("nothing.energy", "found nothing"),
    ],
)
def test_members_that_are_none(file, path, words):
    with pytest.raises(InputError, match=words) as caught:
        open_source(f"{file}::/{path}")
    assert "\n" not in str(caught.value)


def test_what_info_says_of_a_table(file):
    (one,) = describe(f"{file}::/contiguous")
    assert one.reason == "a compound of id, energy, ok, pos, z, name, vec"
    (one,) = describe(f"{file}::/contiguous.energy")
    assert (one.path, one.dtype, one.shape) == ("/contiguous.energy", ">f4", (300, 4))
