"""Names that are no UTF-8, and names of files that look like something else."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from h5py import h5a, h5s, h5t

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format import names
from sharedcompute.hdf5.inspection.listing import describe

X = np.arange(24.0).reshape(6, 4)
NAME = "Temp_\udcb0C"
STORED = b"Temp_\xb0C"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "in.h5"
    with h5py.File(file, "w") as opened:
        x = opened.create_dataset(STORED, data=X)
        scale = opened.create_dataset(b"scale\xe9", data=np.arange(6.0))
        scale.make_scale(b"scale\xe9")
        x.dims[0].attach_scale(scale)
        for item in (opened, x):
            made = h5a.create(item.id, b"un\xb0ts", h5t.STD_I32LE, h5s.create(h5s.SCALAR))
            made.write(np.array(5, "i4"))
        opened.create_group(b"gr\xfc")["y"] = X
        opened.id.links.create_soft(b"s\xf6ft", b"/gr\xfc/y")
    return file


def test_text_and_bytes_of_a_name_are_each_other_s():
    for stored in (STORED, "\u00e9".encode(), b"plain", b"\xff/\xfe"):
        assert names.raw(names.text(stored)) == stored


def test_a_name_that_is_no_utf8_is_listed_and_found_again(path, capsys):
    assert [made.path for made in describe(path)] == [f"/{NAME}", "/gr\udcfc/y", "/scale\udce9"]
    assert invoke(["info", str(path), "--json"]) == 0
    (first, *_) = json.loads(capsys.readouterr().out)
    address = f"{path}::{first['path']}"
    np.testing.assert_array_equal(sc.reduce("mean", address), X.mean(axis=0))
    np.testing.assert_array_equal(sc.reduce("mean", f"{path}::/s\udcf6ft"), X.mean(axis=0))
    with h5py.File(path) as opened:
        np.testing.assert_array_equal(sc.reduce("mean", opened[STORED]), X.mean(axis=0))


# Axis 1 has no coordinates, and a note says so.
@pytest.mark.filterwarnings("ignore:axis 1 of")
@pytest.mark.parametrize("where", ["", f"::/a/{NAME}"])
def test_results_keep_names_that_are_no_utf8(path, tmp_path, where):
    out = tmp_path / "out.h5"
    sc.map("scale", f"{path}::/{NAME}", f"{out}{where}", factor=2.0)
    with h5py.File(out) as opened:
        group = opened[b"a" if where else b"/"]
        assert (group[STORED][...] == 2 * X).all()
        assert group[STORED].attrs[b"un\xb0ts"] == 5
        assert group[STORED].dims[0][0].name == (group.name.encode().rstrip(b"/") + b"/scale\xe9")
    assert invoke(["verify", str(out)]) == 0


@pytest.mark.filterwarnings("ignore:axis 1 of")
def test_repack_of_one_dataset_keeps_such_names(path, tmp_path):
    sc.repack(f"{path}::/{NAME}", tmp_path / "out.h5", filter="gzip:1", chunks="2,4")
    with h5py.File(tmp_path / "out.h5") as opened:
        assert (opened[STORED][...] == X).all()
        assert opened[STORED].attrs[b"un\xb0ts"] == 5


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "name", ["a::b.h5", "a::", "::b.h5", "run[1].h5", "a b.h5", "-a.h5", "*.h5"]
)
def test_a_file_is_addressed_by_its_name_whatever_that_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with h5py.File(name, "w") as file:
        file["g/x"] = X
    assert Address.parse(name) == Address(name)
    assert Address.parse(f"{name}::/g/x") == Address(name, "/g/x")
    np.testing.assert_array_equal(sc.reduce("sum", name), X.sum(axis=0))
    np.testing.assert_array_equal(sc.reduce("sum", f"{name}::/g/x"), X.sum(axis=0))
