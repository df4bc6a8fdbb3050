"""A damaged file is an error that names dataset and chunk, and never wrong numbers."""

from __future__ import annotations

import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.kernels.filters import fletcher32
from tests.hdf5.datasets import Case, chunk_of, cut, flip, replace_chunk, stored_bytes

SHAPE, CHUNKS, BAD = (40, 30), (8, 10), (16, 20)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.h5"


def written(path, filters, dtype="f4"):
    """A file in which each chunk is large enough to be hit anywhere."""
    return Case(SHAPE, CHUNKS, dtype, filters).write(path)


def place_of(path, corner):
    """Where the chunk at `corner` lies: its first byte and how many they are."""
    with h5py.File(path) as file:
        count = file["x"].id.get_num_chunks()
    found = [stored_bytes(path, "x", number) for number in range(count)]
    return next((at, size) for at, size, here in found if here == corner)


def break_chunk(path, how):
    """Damage the chunk at `BAD`; what it is called."""
    at, size = place_of(path, BAD)
    if how == "flipped":
        flip(path, at + size // 2)
    elif how == "first byte":
        flip(path, at)
    else:
        mask, data = chunk_of(path, "x", BAD)
        replace_chunk(path, "x", BAD, data[: size // 2], mask)


CHECKED = ["fletcher32", "all", "bzip2"]
"""Filters under which any flipped byte is found."""

DAMAGE = [
    *((name, "flipped") for name in CHECKED),
    *((name, "cut") for name in (*CHECKED, "gzip", "shuffle gzip", "zstd", "bitshuffle-lz4")),
    *((name, "cut") for name in ("bitshuffle-zstd", "lz4", "blosc", "blosc2", "lzf")),
    ("gzip", "flipped"),
    ("shuffle gzip", "flipped"),
    ("gzip", "first byte"),
    ("zstd", "first byte"),
    ("bitshuffle-lz4", "first byte"),
    ("lz4", "first byte"),
    ("blosc", "first byte"),
]


def assert_named(message, path):
    assert "\n" not in message
    assert f"{path}::/x" in message
    assert str(BAD) in message
    assert "copy the file again" in message


@pytest.mark.sample(8)
@pytest.mark.parametrize(("filters", "how"), DAMAGE)
def test_a_damaged_chunk_is_named(path, filters, how):
    want = written(path, filters)
    break_chunk(path, how)
    with open_source(f"{path}::x").open() as reader:
        with pytest.raises(sc.InputError) as caught:
            reader.read(0, 40)
        assert_named(str(caught.value), path)
        # The chunks around it are whole, and what failed is not taken for read.
        np.testing.assert_array_equal(reader.read(0, 16), want[:16])
        np.testing.assert_array_equal(reader.read(24, 40), want[24:])
        with pytest.raises(sc.InputError):
            reader.read(15, 17)
        out = np.empty((8, 10), "f4")
        reader.read_box((16, 0), out)
        np.testing.assert_array_equal(out, want[16:24, :10])
        with pytest.raises(sc.InputError):
            reader.read_box((17, 21), np.empty((2, 2), "f4"))


@pytest.mark.parametrize("filters", ["all", "fletcher32", "lzf"])
def test_the_team_names_it_too(path, team, filters):
    written(path, filters)
    if filters == "lzf":
        break_chunk(path, "cut")
    else:
        break_chunk(path, "flipped")
    with pytest.raises(sc.InputError) as caught:
        sc.reduce("mean", f"{path}::x", team=team, block_rows=8)
    assert_named(str(caught.value), path)


@pytest.mark.parametrize("engine", [["--engine", "serial"], ["--engine", "local", "-j", "2"]])
@pytest.mark.parametrize("filters", ["all", "lzf"])
def test_the_command_says_one_line(path, capsys, engine, filters):
    written(path, filters)
    break_chunk(path, "cut")
    out = path.with_name("out.h5")
    code = invoke(["map", "scale", f"{path}::x", str(out), *engine])
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert_named(said.err.strip(), path)
    assert [item.name for item in path.parent.iterdir()] == ["in.h5"]


# HDF5 stores no chunk of no bytes, hence one.
SIZES = {
    "too few": lambda data: data[:-4],
    "too many": lambda data: data + b"\0" * 4,
    "one": lambda data: b"\0",
}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("filters", ["gzip", "shuffle gzip", "shuffle", "fletcher32"])
def test_a_chunk_that_decodes_to_another_size_is_an_error(path, kind, filters):
    want = written(path, filters)
    box = np.ascontiguousarray(want[16:24, 20:30])
    data = SIZES[kind](box.tobytes())
    if "gzip" in filters:
        data = zlib.compress(data)
    if filters == "fletcher32":
        # One that fits.
        data += int(fletcher32(np.frombuffer(data, np.uint8))).to_bytes(4, "little")
    replace_chunk(path, "x", BAD, data, 0)
    with open_source(f"{path}::x").open() as reader, pytest.raises(sc.InputError) as caught:
        reader.read(0, 40)
    assert_named(str(caught.value), path)


@pytest.mark.sample(1)
@pytest.mark.parametrize("filters", ["none", "gzip", "lzf"])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_file_cut_in_its_chunks_is_an_error_with_its_name(path, filters, libver):
    Case((400, 100), (8, 10), "f4", filters, libver).write(path)
    size = path.stat().st_size
    for share in (0.95, 0.6, 0.3):
        cut(path, int(size * share))
        with pytest.raises(sc.InputError, match=r"in\.h5") as caught:
            sc.reduce("mean", f"{path}::x", engine="serial")
        assert "\n" not in str(caught.value)


def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error(path):
    Case((400, 100), (8, 10), "f4", "gzip").write(path)
    source = open_source(f"{path}::x")
    with source.open() as reader:
        reader.read(0, 8)
        cut(path, path.stat().st_size // 2)
        with pytest.raises(sc.InputError, match="become shorter") as caught:
            reader.read(0, 400)
    assert "in.h5" in str(caught.value)


@pytest.mark.sample(3)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "filters",
    ["gzip", "shuffle gzip", "all", "lz4", "zstd", "bitshuffle-lz4", "bitshuffle-zstd", "blosc"],
)
def test_a_flipped_byte_anywhere_ends_no_process(path, filters, seed):
    want = written(path, filters)
    at, size = place_of(path, BAD)
    checked = filters == "all" or "gzip" in filters
    rng = np.random.default_rng(seed)
    # It changes in this process: what is read is not to be compared with the file as it was.
    source = replace(open_source(f"{path}::x"), seen=())
    # All bytes of the headers, where the lengths are.
    for offset in (*range(min(size, 40)), *rng.integers(0, size, 60)):
        bits = int(rng.integers(1, 256))
        flip(path, at + offset, bits)
        try:
            with source.open() as reader:
                got = reader.read(0, 40).copy()
        except sc.InputError as problem:
            assert_named(str(problem), path)
        else:
            # Codecs without a checksum cannot tell; all else stays as it is.
            assert not checked or got.tobytes() == want.tobytes()
            got[16:24, 20:30] = want[16:24, 20:30]
            assert got.tobytes() == want.tobytes()
        flip(path, at + offset, bits)
