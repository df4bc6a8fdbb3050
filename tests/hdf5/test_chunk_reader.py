"""What comes out of the read paths is what h5py reads, whatever the dataset is like."""

from __future__ import annotations

import ctypes
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sharedcompute as sc
from sharedcompute.hdf5.inspection.inspector import open_source
from tests.hdf5.datasets import FILTERS, Case, cases, chunk_of, replace_chunk

RUNS = settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("chunks") / "in.h5"


def assert_same(got, want):
    assert got.shape == want.shape
    assert got.dtype.isnative
    assert got.dtype == want.dtype.newbyteorder("=")
    assert got.tobytes() == want.astype(got.dtype).tobytes()


def want_of(values):
    """What a reader gives of what h5py gives: no metadata."""
    return values.astype(values.dtype.str).astype(np.dtype(values.dtype.str).newbyteorder("="))


@RUNS
@given(case=cases(), data=st.data())
@pytest.mark.slow
def test_rows_are_those_that_h5py_reads_in_any_order(path, case, data):
    want = want_of(case.write(path))
    source = open_source(f"{path}::x")
    rows = st.tuples(*[st.integers(0, case.shape[0])] * 2).map(sorted)
    with source.open() as reader:
        for start, stop in data.draw(st.lists(rows, min_size=1, max_size=6)):
            assert_same(reader.read(start, stop), want[start:stop])


@RUNS
@given(case=cases(), data=st.data())
@pytest.mark.slow
def test_boxes_are_those_that_h5py_reads(path, case, data):
    want = want_of(case.write(path))
    with open_source(f"{path}::x").open() as reader:
        for _ in range(3):
            ranges = [
                data.draw(st.tuples(*[st.integers(0, n)] * 2).map(sorted)) for n in case.shape
            ]
            box = tuple(slice(a, b) for a, b in ranges)
            # Part of a larger array, and perhaps one that lies the other way round.
            order = data.draw(st.sampled_from("CF"))
            room = np.zeros([n + 2 for n in case.shape], want.dtype, order=order)
            out = room[tuple(slice(1, 1 + b - a) for a, b in ranges)]
            reader.read_box(tuple(a for a, _ in ranges), out)
            assert_same(np.ascontiguousarray(out), want[box])
            out[...] = 0
            assert not room.any()


SHAPES = {
    "rows only": ((40, 6), (7, 6)),
    "part of the columns": ((40, 60), (7, 13)),
    "all rows and few columns": ((181, 31), (181, 9)),
    "larger than the dataset": ((9, 5), (32, 32)),
    "one element each": ((6, 5), (1, 1)),
    "one row each, many": ((300, 4), (1, 4)),
}


@pytest.mark.sample(7)
@pytest.mark.parametrize("name", [n for n in FILTERS if n != "scaleoffset"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_filter_with_chunks_of_every_relation(path, name, shape):
    sides, chunks = SHAPES[shape]
    if name == "szip":
        chunks = (chunks[0], -(-chunks[1] // 8) * 8)
    want = Case(sides, chunks, "f4", name).write(path)
    with open_source(f"{path}::x").open() as reader:
        for start in range(0, sides[0], 5):
            assert_same(
                reader.read(max(0, start - 2), start + 6), want[max(0, start - 2) : start + 6]
            )


@pytest.mark.sample(9)
@pytest.mark.parametrize("name", FILTERS)
def test_what_is_decoded_here_is_not_left_to_hdf5(path, name):
    Case((20, 4), (5, 8), "i4", name).write(path)
    slow = {"lzf", "scaleoffset", "szip"}
    expected = "h5py" if name in slow else "preadv" if name == "none" else "chunks"
    assert open_source(f"{path}::x").read_path == expected


@pytest.mark.parametrize("never", [None, "never"])
@pytest.mark.parametrize("name", ["none", "gzip", "lzf"])
def test_chunks_never_written_are_zeros_where_the_file_says_that_none_are_filled(path, name, never):
    extra = {"fill_time": never} if never else {}
    case = Case((30, 4), (5, 4), "i4", name, fill=7 if never else None, holes=True, extra=extra)
    want = case.write(path)
    with open_source(f"{path}::x").open() as reader:
        for start in range(0, 30, 5):
            assert_same(reader.read(start, start + 5), want[start : start + 5])


def test_chunks_stored_without_some_of_the_filters(path):
    case = Case((12, 8), (4, 8), "i4", "all")
    want = case.write(path)
    # The filters are shuffle, gzip, fletcher32: bits 1, 2, 4.
    replace_chunk(path, "x", (0, 0), want[:4].tobytes(), 7)
    planes = want[4:8].view("u1").reshape(-1, 4).T.tobytes()
    replace_chunk(path, "x", (4, 0), planes, 6)
    replace_chunk(path, "x", (8, 0), zlib.compress(want[8:].tobytes()), 5)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["x"][...], want)
    with open_source(f"{path}::x").open() as reader:
        assert reader.name == "chunks"  # type: ignore[attr-defined]
        assert_same(reader.read(0, 12), want)
    assert chunk_of(path, "x", (8, 0))[0] == 5


@pytest.mark.sample(2)
@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("limits", [(40, 30), (None, 30), (None, None), (80, 60)])
@pytest.mark.parametrize("name", ["none", "shuffle gzip"])
def test_every_index_of_chunks_that_hdf5_has(path, libver, limits, name):
    # Implicit, fixed array, extensible array, version 2 and version 1 B-trees; one chunk.
    for chunks in ((7, 9), (40, 30)):
        case = Case((40, 30), chunks, "f8", name, libver, extra={"maxshape": limits})
        want = case.write(path)
        with open_source(f"{path}::x").open() as reader:
            assert reader.name in ("chunks", "preadv")  # type: ignore[attr-defined]
            assert_same(reader.read(3, 39), want[3:39])


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize(("before", "after"), [((50, 40), (21, 13)), ((9, 5), (50, 40))])
@pytest.mark.parametrize("name", ["none", "gzip"])
def test_datasets_that_were_made_smaller_or_larger(path, libver, before, after, name):
    case = Case(after, (8, 7), "i8", name, libver, fill=-1, grown_from=before)
    want = case.write(path)
    with open_source(f"{path}::x").open() as reader:
        assert_same(reader.read(0, after[0]), want)


def test_many_chunks_of_few_bytes(path):
    want = Case((2500, 4), (1, 2), "u2", "gzip").write(path)
    with open_source(f"{path}::x").open() as reader:
        got = [reader.read(a, a + 100).copy() for a in range(0, 2500, 100)]
    assert_same(np.concatenate(got), want)


def test_rows_that_are_asked_for_again_are_not_decoded_again(path, monkeypatch):
    from sharedcompute.hdf5.filters.decode import Decoder

    Case((60, 4), (10, 2), "f4", "gzip").write(path)
    decoded = []
    honest = Decoder.decode

    def count(self, data, mask, out):
        decoded.append(len(data))
        honest(self, data, mask, out)

    monkeypatch.setattr(Decoder, "decode", count)
    with open_source(f"{path}::x").open() as reader:
        for start in range(0, 60, 3):
            reader.read(max(0, start - 2), min(60, start + 5))
    assert len(decoded) == 12


def test_a_closed_reader_refuses_boxes_too(path):
    for name in ("none", "gzip", "lzf"):
        Case((6, 4), (3, 4), "f4", name).write(path)
        reader = open_source(f"{path}::x").open()
        reader.close()
        with pytest.raises(ValueError, match="closed"):
            reader.read_box((0, 0), np.empty((2, 4), "f4"))


def test_no_file_stays_open(path):
    before = {item.name for item in Path("/proc/self/fd").iterdir()}
    for name in ("none", "gzip", "lzf"):
        Case((6, 4), (3, 4), "f4", name).write(path)
        with open_source(f"{path}::x").open() as reader:
            reader.read(0, 6)
    assert {item.name for item in Path("/proc/self/fd").iterdir()} == before


@pytest.mark.parametrize("steps", ["shuffle", "gzip"])
def test_chunks_over_the_edge_that_the_file_does_not_filter(path, steps):
    library = ctypes.CDLL(h5py.h5p.__file__)
    library.H5Pset_chunk_opts.argtypes = [ctypes.c_int64, ctypes.c_uint]
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_chunk((4, 4))
    dcpl.set_shuffle()
    if steps == "gzip":
        dcpl.set_deflate(4)
    assert library.H5Pset_chunk_opts(dcpl.id, 2) == 0
    want = np.arange(100, dtype="i4").reshape(10, 10)
    with h5py.File(path, "w", libver="latest") as file:
        space = h5py.h5s.create_simple(want.shape)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT32, space, dcpl)
        h5py.Dataset(made)[...] = want
    source = open_source(f"{path}::x")
    assert (source.read_path, source.reason) == ("h5py", "chunks at the edge have no filters")
    with source.open() as reader:
        assert_same(reader.read(0, 10), want)
    sc.repack(path, path.with_name("out.h5"), filter="gzip:1", overwrite=True, engine="serial")
    with h5py.File(path.with_name("out.h5")) as file:
        np.testing.assert_array_equal(file["x"][...], want)
