from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address


@pytest.mark.parametrize(
    ("text", "file", "path"),
    [
        ("run.h5", "run.h5", None),
        ("run.h5::/entry/data", "run.h5", "/entry/data"),
        ("run.h5::entry//data/", "run.h5", "/entry/data"),
        ("run.h5::/", "run.h5", "/"),
        ("/a b/c:d.h5::x", "/a b/c:d.h5", "/x"),
        ("a.h5::/x::y", "a.h5", "/x::y"),
    ],
)
def test_an_address_is_a_file_and_a_path_from_its_root(text, file, path):
    assert Address.parse(text) == Address(file, path)


def test_an_address_may_be_a_path_or_an_address():
    assert Address.parse(Path("a.h5")) == Address("a.h5")
    assert Address.parse(Address("a.h5", "/x")) == Address("a.h5", "/x")


def test_an_address_prints_as_it_is_written():
    assert str(Address("a.h5", "/x")) == "a.h5::/x"
    assert str(Address("a.h5")) == "a.h5"


@pytest.mark.parametrize("text", ["", "::/x", "a.h5::", "a.h5::  ", "a\0b.h5"])
def test_an_address_without_its_parts_is_refused_in_one_line(text):
    with pytest.raises(InputError) as caught:
        Address.parse(text)
    assert "\n" not in str(caught.value)


def test_reading_an_address_does_not_import_h5py():
    code = "import sys, sharedcompute.hdf5.address as a; a.Address.parse('x::y'); " + (
        "sys.exit('h5py' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
