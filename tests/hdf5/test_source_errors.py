from __future__ import annotations

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from sharedcompute.errors import InputError
from sharedcompute.hdf5.inspection.inspector import open_source


def refusal(address):
    """The one line with which `address` is refused."""
    with pytest.raises(InputError) as caught:
        open_source(str(address))
    message = str(caught.value)
    assert "\n" not in message
    assert message
    return message


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "in.h5"
    with h5py.File(file, "w") as opened:
        opened["entry/data"] = np.zeros((4, 3))
        opened["entry/more"] = np.zeros((4, 3))
    return file


def test_a_missing_file_is_named_with_the_nearest_one(path):
    assert "did you mean" in refusal(path.with_name("inn.h5"))
    assert "check the path" in refusal(path.with_name("q") / "x.h5")


def test_a_folder_and_a_fifo_are_no_files(tmp_path):
    assert "a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refusal(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"hello", "is not HDF5"), (b"CDF\x01abcdefg", "classic NetCDF")],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, says):
    (tmp_path / "x.h5").write_bytes(content)
    assert says in refusal(tmp_path / "x.h5")


def test_a_missing_path_is_named_with_the_nearest_one(path):
    assert "did you mean /entry/data" in refusal(f"{path}::/entry/date")
    assert "/entry/data" in refusal(f"{path}::/other/data")
    assert "/entry/more" in refusal(f"{path}::/qqqqqqqqqqqq")


def test_a_path_through_a_dataset_is_refused(path):
    assert "found a dataset" in refusal(f"{path}::/entry/data/x")


def test_a_group_lists_its_datasets(path):
    message = refusal(f"{path}::/entry")
    assert "found a group" in message
    assert "/entry/data, /entry/more" in message
    assert "/entry/data" in refusal(f"{path}::/")


def test_several_arrays_are_listed(path):
    assert "has 2 arrays; choose /entry/data, /entry/more" in refusal(path)


def test_a_file_without_arrays_says_so(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("g")
    assert "found none" in refusal(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["one"] = 1
    assert "found only scalars" in refusal(tmp_path / "x.h5")


def test_what_are_no_numbers_is_named(path):
    with h5py.File(path, "a") as file:
        file["fixed"] = np.array([b"a", b"b"])
        file["text"] = ["a", "b"]
        file.create_dataset("ragged", (3,), h5py.vlen_dtype("f4"))
        file.create_dataset("refs", (3,), h5py.ref_dtype)
        file["table"] = np.zeros(3, [("x", "f4"), ("y", "i4")])
        file.create_dataset("tuples", (3,), np.dtype(("f4", (2,))))
        file["long"] = np.zeros(3, np.longdouble)
        file.create_dataset("opaque", data=np.zeros(3, "V5"))
        file.create_dataset("dates", data=np.zeros(3, "M8[s]").astype(h5py.opaque_dtype("M8[s]")))
        file["type"] = np.dtype("f8")
        file["scalar"] = 1.0
        file["null"] = h5py.Empty("f4")
    for name, says in {
        "fixed": "found strings",
        "text": "found strings",
        "ragged": "variable length",
        "refs": "found references",
        "table": "a compound of x, y",
        "tuples": "arrays of shape (2,)",
        "long": "long double",
        "opaque": "opaque",
        "dates": "dates",
        "type": "a named type",
        "scalar": "a single number",
        "null": "an empty dataspace",
    }.items():
        assert says in refusal(f"{path}::{name}"), name


def test_a_missing_plug_in_is_named(path):
    with h5py.File(path, "a") as file:
        dcpl = h5p.create(h5p.DATASET_CREATE)
        dcpl.set_chunk((4,))
        dcpl.set_filter(299, h5py.h5z.FLAG_OPTIONAL, (1,))
        h5d.create(file.id, b"odd", h5t.NATIVE_FLOAT, h5s.create_simple((8,)), dcpl)
    message = refusal(f"{path}::odd")
    assert "299" in message
    assert "not installed" in message


def test_dangling_links_are_named(path):
    with h5py.File(path, "a") as file:
        file["soft"] = h5py.SoftLink("/nowhere")
        file["away"] = h5py.ExternalLink("gone.h5", "/x")
        file["loop"] = h5py.SoftLink("/loop")
    assert "a link to /nowhere" in refusal(f"{path}::soft")
    assert "gone.h5" in refusal(f"{path}::away")
    assert "a link to /loop" in refusal(f"{path}::loop")


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "cut.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(100_000)
    with path.open("r+b") as file:
        file.truncate(50_000)
    assert "cut short" in refusal(path)


def test_a_file_that_another_process_writes_is_refused(path):
    code = (
        "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"open\n"
        assert "being written by another process" in refusal(f"{path}::/entry/data")
        writer.stdin.close()
    assert open_source(f"{path}::/entry/data").shape == (4, 3)


def test_a_file_that_this_process_writes_is_refused(path):
    with h5py.File(path, "a"):
        assert "open for writing in this program" in refusal(f"{path}::/entry/data")
