from __future__ import annotations

import h5py
import numpy as np
import pytest

from sharedcompute.errors import InputError
from sharedcompute.hdf5.inspection.find import find_dataset
from sharedcompute.hdf5.inspection.listing import describe
from sharedcompute.hdf5.safety.access import AccessPolicy


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "in.h5"
    with h5py.File(file, "w") as opened:
        opened["a/plain"] = np.zeros((10, 4), ">f4")
        opened.create_dataset("a/gz", data=np.zeros((100, 40)), chunks=(10, 40), compression=4)
        opened["words"] = ["x"]
        opened["table"] = np.zeros(3, [("x", "f4")])
        opened["one"] = 3
        opened.create_dataset("none", data=h5py.Empty("f4"))
        opened["a/again"] = opened["a"]
        opened["same"] = opened["a/plain"]
        opened["soft"] = h5py.SoftLink("/nowhere")
    return file


def test_every_dataset_comes_once_with_its_read_path_or_why_not(path):
    found = {info.path: info for info in describe(str(path))}
    assert len(found) == 6
    plain = found.get("/a/plain") or found["/same"]
    assert (plain.dtype, plain.nbytes, plain.stored_nbytes, plain.ratio) == (">f4", 160, 160, 1.0)
    assert plain.read_path == "mmap-copy"
    packed = found["/a/gz"]
    assert packed.filters == ("gzip:4",)
    assert packed.chunks == (10, 40)
    assert packed.ratio > 10
    assert (packed.read_path, packed.reason) == ("chunks", "gzip:4 by libdeflate")
    assert (found["/words"].read_path, found["/words"].reason) == (None, "strings")
    assert found["/words"].dtype == "string"
    assert found["/table"].dtype == "compound(x)"
    assert found["/one"].reason == "a single number"
    assert found["/none"].shape is None


def test_a_group_or_a_dataset_can_be_named(path):
    assert {info.path for info in describe(f"{path}::/a")} == {"/a/gz", "/a/plain"}
    assert [info.path for info in describe(f"{path}::/a/gz")] == ["/a/gz"]
    with pytest.raises(InputError, match="found nothing"):
        describe(f"{path}::/b")


def test_datasets_of_other_files_come_under_the_links_that_lead_to_them(path):
    master = path.with_name("master.h5")
    with h5py.File(master, "w") as opened:
        opened["entry/data_1"] = h5py.ExternalLink("in.h5", "/a/gz")
        opened["entry/group"] = h5py.ExternalLink("in.h5", "/a")
        opened["entry/gone"] = h5py.ExternalLink("gone.h5", "/a/gz")
    for address in (str(master), f"{master}::/entry"):
        (found,) = describe(address)
        assert (found.path, found.shape, found.read_path) == ("/entry/data_1", (100, 40), "chunks")


def test_an_error_names_the_links_to_arrays_of_other_files(path):
    master = path.with_name("master.h5")
    with h5py.File(master, "w") as opened:
        opened["entry/data_1"] = h5py.ExternalLink("in.h5", "/a/gz")
    with h5py.File(master) as opened:
        with pytest.raises(InputError, match="lie in other files; choose /entry/data_1"):
            find_dataset(opened, None, AccessPolicy.of(opened.filename, False))
        with pytest.raises(InputError, match="found a group; choose /entry/data_1"):
            find_dataset(opened, "/entry", AccessPolicy.of(opened.filename, False))
