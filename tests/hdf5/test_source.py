from __future__ import annotations

import pickle
from dataclasses import dataclass

import h5py
import numpy as np
import pytest
from h5py import h5d, h5s, h5t

from sharedcompute.hdf5.inspection.inspector import Inspector, open_source
from sharedcompute.hdf5.safety.access import AccessPolicy

A = np.arange(84).reshape(12, 7)
COLOURS = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 2}, basetype="i2")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.h5"


def rows_of(path, name="x", *, step=5):
    """All rows through a source that went through pickle, as a worker gets it."""
    source = pickle.loads(pickle.dumps(open_source(f"{path}::{name}")))
    with source.open() as reader:
        parts = []
        for start in range(0, source.shape[0], step):
            rows = reader.read(start, min(start + step, source.shape[0]))
            assert rows.flags.c_contiguous
            assert rows.flags.aligned
            assert not rows.flags.writeable
            assert rows.dtype == source.dtype
            assert rows.dtype.isnative
            parts.append(rows.copy())
    return source, np.concatenate(parts)


@dataclass(frozen=True)
class Kind:
    dtype: object
    values: np.ndarray
    given: str


KINDS = [
    *(Kind(np.dtype(code), A.astype(code), np.dtype(code).newbyteorder("=").str) for code in (
        "<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "i1", "u1", "<i2", ">i2", "<u4", ">u4", "<i8",
        ">u8", "<c8", ">c16",
    )),
    Kind(np.dtype(bool), A % 2 == 0, "|b1"),
    Kind(COLOURS, A % 3, "<i2"),
]  # fmt: skip
LAYOUTS = [{}, {"chunks": (5, 3)}, {"chunks": (5, 3), "compression": "gzip", "shuffle": True}]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["contiguous", "chunked", "gzip"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.dtype))
def test_every_numeric_type_is_read_as_h5py_reads_it(path, kind, layout):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=kind.values, dtype=kind.dtype, **layout)
    source, rows = rows_of(path)
    assert source.dtype == np.dtype(kind.given)
    assert source.shape == A.shape
    np.testing.assert_array_equal(rows, kind.values)


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
def test_every_version_of_the_format_is_read(path, libver):
    with h5py.File(path, "w", libver=(libver, "latest")) as file:
        file["plain"] = A
        file.create_dataset("gz", data=A, chunks=(4, 7), compression=1, maxshape=(None, 7))
    for name, how in (("plain", "mmap"), ("gz", "chunks")):
        source, rows = rows_of(path, name)
        assert source.read_path == how
        np.testing.assert_array_equal(rows, A)


def test_contiguous_native_rows_are_the_pages_of_the_file(path):
    with h5py.File(path, "w") as file:
        file["x"] = A
    source = open_source(f"{path}::x")
    assert (source.read_path, source.scratch_nbytes(5)) == ("mmap", 0)
    with source.open() as reader:
        first, second = reader.read(0, 3), reader.read(1, 4)
    assert np.shares_memory(first, second)
    np.testing.assert_array_equal(first, A[:3])


def test_a_user_block_moves_the_data(path):
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["x"] = A
        file.create_dataset("never", shape=(5, 2), dtype="f8", fillvalue=3.0)
    source, rows = rows_of(path)
    assert source.read_path == "mmap"
    assert source.offset > 1024
    np.testing.assert_array_equal(rows, A)
    never, rows = rows_of(path, "never")
    assert (never.read_path, never.reason) == ("h5py", "never written")
    assert (rows == 3).all()


def test_big_endian_rows_are_swapped_without_hdf5(path):
    with h5py.File(path, "w") as file:
        file["x"] = A.astype(">f8")
    source, _ = rows_of(path)
    assert (source.read_path, source.reason) == ("mmap-copy", "big-endian")
    assert source.scratch_nbytes(2) == 2 * 7 * 8


def test_rows_at_an_odd_offset_are_aligned(path):
    with h5py.File(path, "w") as file:
        file["first"] = np.zeros(3, "u1")
        for number in range(8):
            file[f"pad{number}"] = np.zeros(1, "u1")
            file[f"x{number}"] = A.astype("f8")
    ways = {open_source(f"{path}::x{number}").read_path for number in range(8)}
    assert "mmap-copy" in ways
    for number in range(8):
        np.testing.assert_array_equal(rows_of(path, f"x{number}")[1], A)


def test_a_chunk_larger_than_the_data_is_read(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=A, chunks=(50, 50), maxshape=(None, None), compression="lzf")
    source, rows = rows_of(path)
    assert source.row_alignment == 12
    assert source.maxshape == (None, None)
    np.testing.assert_array_equal(rows, A)


def test_chunks_never_written_are_the_fill_value(path):
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", shape=(12, 7), dtype="i4", chunks=(3, 7), fillvalue=-9)
        x[3:6] = 1
    source, rows = rows_of(path)
    assert source.fill.value == -9
    np.testing.assert_array_equal(rows[:3], -9)
    np.testing.assert_array_equal(rows[3:6], 1)


def test_compact_and_external_data_are_read_by_h5py(path, tmp_path):
    with h5py.File(path, "w") as file:
        dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        dcpl.set_layout(h5d.COMPACT)
        low = h5d.create(file.id, b"compact", h5t.NATIVE_INT64, h5s.create_simple(A.shape), dcpl)
        h5py.Dataset(low)[...] = A
        raw = tmp_path / "raw.bin"
        A.tofile(raw)
        file.create_dataset("external", A.shape, A.dtype, external=[(str(raw), 0, A.nbytes)])
    for name in ("compact", "external"):
        source, rows = rows_of(path, name)
        assert (source.read_path, source.reason) == ("h5py", name)
        np.testing.assert_array_equal(rows, A)


def test_integers_of_fewer_bits_are_converted(path):
    with h5py.File(path, "w") as file:
        kind = h5t.STD_I16LE.copy()
        kind.set_precision(12)
        low = h5d.create(file.id, b"x", kind, h5s.create_simple((3,)))
        low.write(h5s.ALL, h5s.ALL, np.array([1, -2, 3], "i2"))
    source, rows = rows_of(path)
    assert source.read_path == "h5py"
    np.testing.assert_array_equal(rows, [1, -2, 3])


@pytest.mark.parametrize("shape", [(0,), (0, 4), (5, 0), (1,), (3, 1, 2, 2, 1)])
@pytest.mark.parametrize("chunked", [False, True])
def test_odd_shapes_are_read(path, shape, chunked):
    values = np.ones(shape)
    with h5py.File(path, "w") as file:
        chunks = tuple(max(1, side) for side in shape) if chunked else None
        limits = (None,) * len(shape) if chunked else None
        file.create_dataset("x", data=values, chunks=chunks, maxshape=limits)
    source = open_source(f"{path}::x")
    with source.open() as reader:
        rows = reader.read(0, shape[0])
    assert rows.shape == shape
    np.testing.assert_array_equal(rows, values)


def test_third_party_filters_are_read_and_named(path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    steps = {
        "bitshuffle-lz4": hdf5plugin.Bitshuffle(),
        "bitshuffle-zstd:3": hdf5plugin.Bitshuffle(cname="zstd", clevel=3),
        "zstd:5": hdf5plugin.Zstd(clevel=5),
        "lz4": hdf5plugin.LZ4(),
        "blosc2-zstd:5": hdf5plugin.Blosc2("zstd", 5, hdf5plugin.Blosc2.SHUFFLE),
        "blosc-lz4:5": hdf5plugin.Blosc("lz4", 5),
    }
    with h5py.File(path, "w") as file:
        for name, step in steps.items():
            file.create_dataset(name, data=A, chunks=(4, 7), **step)
        file.create_dataset(
            "gz", data=A, chunks=(4, 7), compression=9, shuffle=True, fletcher32=True
        )
        file.create_dataset("nothing", data=A, chunks=(4, 7), compression="lzf")
    for name in steps:
        source, rows = rows_of(path, name)
        assert source.filter_names == (name,)
        np.testing.assert_array_equal(rows, A)
    assert rows_of(path, "gz")[0].filter_names == ("shuffle", "gzip:9", "fletcher32")
    assert rows_of(path, "nothing")[0].filter_names == ("lzf",)


def test_h5py_readers_use_one_buffer_again(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=A, chunks=(4, 7))
    with open_source(f"{path}::x").open() as reader:
        assert np.shares_memory(reader.read(0, 4), reader.read(4, 8))


def test_a_closed_reader_says_so_and_closes_twice(path):
    with h5py.File(path, "w") as file:
        file["plain"] = A
        file.create_dataset("chunked", data=A, chunks=(4, 7))
    for name in ("plain", "chunked"):
        reader = open_source(f"{path}::{name}").open()
        reader.close()
        reader.close()
        with pytest.raises(ValueError, match="closed"):
            reader.read(0, 1)


def test_the_only_array_of_a_file_needs_no_path(path):
    with h5py.File(path, "w") as file:
        file["deep/inside/field"] = A.astype("f4")
        file["deep/inside/time"] = np.arange(12.0)
        file["deep/inside/time"].make_scale("time")
        file["deep/inside/time"].attrs["bounds"] = "time_bnds"
        file["deep/inside/time_bnds"] = np.zeros((12, 2))
        file["deep/inside/field"].attrs["coordinates"] = "age"
        file["deep/inside/age"] = np.zeros(12)
        file["crs"] = 0
        file["title"] = "words"
        file["words"] = np.array([b"a", b"b"])
    assert open_source(path).path == "/deep/inside/field"


def test_an_open_dataset_has_a_source(path):
    with h5py.File(path, "w") as file:
        file["x"] = A
    with h5py.File(path, "r") as file:
        source = Inspector(AccessPolicy.of(file.filename, False)).source(file["x"])
    assert source == open_source(f"{path}::x")


def test_a_link_to_a_file_gives_the_file(path, tmp_path):
    with h5py.File(path, "w") as file:
        file["x"] = A
        file["soft"] = h5py.SoftLink("/x")
    link = tmp_path / "link.h5"
    link.symlink_to(path)
    source = open_source(f"{link}::soft")
    assert source.file == str(path.resolve())
    assert (source.nbytes, source.row_nbytes, source.ndim) == (A.nbytes, 56, 2)
