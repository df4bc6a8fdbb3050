from __future__ import annotations

import errno
import os
import pickle
import zlib

import h5py
import numpy as np
import pytest

from sharedcompute.errors import InputError, MemoryBudgetError
from sharedcompute.hdf5.filters.pipeline import apply, pipeline_of
from sharedcompute.hdf5.filters.selection import parse_filter
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.writing import row_writer
from sharedcompute.hdf5.writing.output import OutputFile
from sharedcompute.hdf5.writing.sink import DatasetSink, create, sink_like

A = np.random.default_rng(5).poisson(20, (23, 17, 9))


def write(file, sink, values, *, strips=2):
    """Write `values` as a job does: encoded by one who has only the target, stored by another."""
    with OutputFile(file, overwrite=True) as output:
        created = create(sink, output)
        with pickle.loads(pickle.dumps(created.target)).open() as writer:
            step = sink.row_alignment * strips
            for start in range(0, sink.shape[0], step):
                created.store(writer.write(start, values[start : start + step]))
        output.commit()


def as_h5py_writes(file, like):
    """A dataset with the creation properties of `like`, written by h5py."""
    with h5py.File(file, "w") as opened, h5py.File(like, "r") as made:
        old = made["x"]
        dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        dcpl.set_chunk(old.chunks)
        plist = old.id.get_create_plist()
        if plist.fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED:
            dcpl.set_fill_value(np.asarray(old.fillvalue))

        apply(pipeline_of(plist), dcpl)
        low = h5py.h5d.create(opened.id, b"x", old.id.get_type(), old.id.get_space(), dcpl)
        h5py.Dataset(low)[...] = old[()]
        return _chunks(opened["x"]), _chunks(old)


def _chunks(dataset):
    low = dataset.id
    infos = [low.get_chunk_info(number) for number in range(low.get_num_chunks())]
    return {info.chunk_offset: low.read_direct_chunk(info.chunk_offset) for info in infos}


CASES = [
    ("none", (4, 5, 9), "f4", None, 3.0),
    ("gzip:4", (4, 5, 4), "f4", ">f4", -1.0),
    ("gzip:1", (23, 17, 9), "i8", None, None),
    ("bitshuffle-lz4", (5, 17, 9), "u2", None, None),
    ("bitshuffle-zstd:3", (1, 17, 9), "f8", None, np.nan),
    ("zstd:3", (1, 3, 9), "c16", None, None),
    ("lzf", (6, 17, 9), "?", None, None),
    ("lz4", (7, 16, 8), "u1", None, 7),
    ("blosc2-zstd:5", (6, 17, 9), "f2", None, None),
    ("none", (9, 9, 9), "i4", ">i4", None),
]


@pytest.mark.parametrize(("filter_", "chunks", "dtype", "stored", "fill"), CASES)
def test_encoded_chunks_are_the_bytes_that_h5py_writes(
    tmp_path, filter_, chunks, dtype, stored, fill
):
    sink = DatasetSink(
        "/x",
        A.shape,
        np.dtype(dtype),
        chunks,
        parse_filter(filter_),
        Fill(None if fill is None else np.dtype(dtype).type(fill)),
        stored_dtype=np.dtype(stored) if stored else None,
    )
    values = A % 2 == 0 if dtype == "?" else A.astype(dtype)
    write(tmp_path / "o.h5", sink, values)
    with h5py.File(tmp_path / "o.h5", "r") as file:
        np.testing.assert_array_equal(file["x"][()], values)
        assert file["x"].dtype == np.dtype(stored or dtype)
        assert file["x"].chunks == sink.chunks
        if fill is not None:
            np.testing.assert_equal(file["x"].fillvalue, fill)
    by_h5py, by_us = as_h5py_writes(tmp_path / "r.h5", tmp_path / "o.h5")
    if filter_.startswith("gzip"):
        # libdeflate's stream is another one, of the same bytes.
        by_h5py, by_us = inflated(by_h5py), inflated(by_us)
    assert by_us == by_h5py


def inflated(chunks):
    return {offset: (mask, zlib.decompress(data)) for offset, (mask, data) in chunks.items()}


@pytest.mark.parametrize("stored", ["<f4", ">f4"])
def test_contiguous_rows_are_written_in_place(tmp_path, stored):
    sink = DatasetSink("/g/x", A.shape, np.dtype("f4"), stored_dtype=np.dtype(stored))
    write(tmp_path / "o.h5", sink, A.astype("f4"), strips=5)
    with h5py.File(tmp_path / "o.h5", "r") as file:
        assert file["g/x"].chunks is None
        np.testing.assert_array_equal(file["g/x"][()], A)
    assert open_source(tmp_path / "o.h5").read_path == ("mmap" if stored[0] == "<" else "mmap-copy")


def test_writers_meet_in_one_contiguous_dataset(tmp_path):
    sink = DatasetSink("/x", A.shape, np.dtype("i4"))
    with OutputFile(str(tmp_path / "o.h5")) as output:
        created = create(sink, output)
        with created.target.open() as one, created.target.open() as other:
            other.write(10, A[10:].astype("i4"))
            one.write(0, A[:10].astype("i4"))
        output.h5.create_group("after")
        output.h5["small"] = np.arange(10_000)
        output.commit()
    with h5py.File(tmp_path / "o.h5", "r") as file:
        np.testing.assert_array_equal(file["x"][()], A)
        np.testing.assert_array_equal(file["small"][()], np.arange(10_000))


@pytest.mark.parametrize("chunks", [None, (3, 4)])
@pytest.mark.parametrize("shape", [(0, 4), (5, 0), (0, 0), (1, 1), (7, 4)])
def test_odd_shapes_are_written(tmp_path, shape, chunks):
    pipeline = parse_filter("gzip:1") if chunks else ()
    values = np.ones(shape)
    write(tmp_path / "o.h5", DatasetSink("/x", shape, np.dtype("f8"), chunks, pipeline), values)
    with h5py.File(tmp_path / "o.h5", "r") as file:
        np.testing.assert_array_equal(file["x"][()], values)


def test_a_small_result_is_written_by_the_parent(tmp_path):
    with OutputFile(str(tmp_path / "o.h5")) as output:
        for path, values in (("/mean", A.mean(axis=0)), ("/all/mean", A.mean())):
            sink = DatasetSink(path, np.shape(values), np.dtype("f8"))
            create(sink, output).write(values)
        output.commit()
    with h5py.File(tmp_path / "o.h5", "r") as file:
        np.testing.assert_array_equal(file["mean"][()], A.mean(axis=0))
        assert file["all/mean"][()] == A.mean()


def test_a_dataset_that_can_grow_keeps_its_limits(tmp_path):
    sink = DatasetSink("/x", (5, 9), np.dtype("f4"), (8, 9), maxshape=(None, 9))
    write(tmp_path / "o.h5", sink, np.ones((5, 9), "f4"))
    with h5py.File(tmp_path / "o.h5", "a") as file:
        assert file["x"].maxshape == (None, 9)
        assert file["x"].chunks == (8, 9)
        file["x"].resize((8, 9))
        np.testing.assert_array_equal(file["x"][5:], 0)


def test_half_a_chunk_is_refused(tmp_path):
    sink = DatasetSink("/x", (10, 3), np.dtype("f4"), (4, 3))
    with OutputFile(str(tmp_path / "o.h5")) as output, create(sink, output).target.open() as writer:
        for start, stop in ((2, 8), (0, 6)):
            with pytest.raises(ValueError, match="follow chunks of 4,"):
                writer.write(start, np.zeros((stop - start, 3), "f4"))
        assert len(writer.write(8, np.zeros((2, 3), "f4"))) == 1


def test_contiguous_data_take_no_filter():
    with pytest.raises(InputError, match="expected chunks for filters"):
        DatasetSink("/x", (10,), np.dtype("f4"), None, parse_filter("lzf"))


def test_the_file_in_memory_does_not_grow(tmp_path):
    sink = DatasetSink("/x", (4000, 50), np.dtype("i4"), (10, 50), parse_filter("zstd:1"))
    rng = np.random.default_rng(0)
    with OutputFile(str(tmp_path / "o.h5")) as output, create(sink, output).target.open() as writer:
        for start in range(0, 4000, 200):
            scale = 1 << (start // 200)
            writer.write(start, rng.integers(0, scale, (200, 50)).astype("i4"))
            assert writer._encoder._memory.id.get_filesize() < 8 << 20  # type: ignore[attr-defined]


class FullDisk:
    """An `os.pwrite` that writes at most three bytes at a time, and no more than a limit."""

    def __init__(self, room):
        self.room = room
        self.pwrite = os.pwrite

    def __call__(self, fd, data, place):
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self.pwrite(fd, data[:3], place)
        self.room -= written
        return written


def test_a_short_write_is_continued_and_a_full_disk_is_named(tmp_path, monkeypatch):
    sink = DatasetSink("/x", (4,), np.dtype("f8"))
    values = np.arange(4.0)
    with OutputFile(str(tmp_path / "o.h5")) as output:
        created = create(sink, output)
        with created.target.open() as writer:
            monkeypatch.setattr(row_writer.os, "pwrite", FullDisk(10**6))  # type: ignore[attr-defined]
            writer.write(0, values)
            monkeypatch.setattr(row_writer.os, "pwrite", FullDisk(5))  # type: ignore[attr-defined]
            with pytest.raises(MemoryBudgetError, match="No space left"):
                writer.write(0, values)
            monkeypatch.undo()
        np.testing.assert_array_equal(created.dataset[()], values)


@pytest.fixture
def small_files():
    """No file of this process may grow above 1 MB: a full disk, as seen by whoever writes."""
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("chunks", [None, (100, 1000)])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, chunks):
    def fill():
        with OutputFile(str(tmp_path / "o.h5")) as output:
            created = create(DatasetSink("/x", (1000, 1000), np.dtype("f8"), chunks), output)
            with created.target.open() as writer:
                for start in range(0, 1000, 100):
                    created.store(writer.write(start, np.ones((100, 1000))))
            output.commit()

    with pytest.raises(MemoryBudgetError) as caught:
        fill()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused(tmp_path):
    sink = DatasetSink("/x", (3,), np.dtype("f8"))
    with OutputFile(str(tmp_path / "o.h5")) as output:
        create(sink, output)
        with pytest.raises(InputError, match="taken"):
            create(sink, output)


def source_with(tmp_path, shape=(40, 6), **options):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", shape, options.pop("dtype", "<f4"), **options)
    return open_source(tmp_path / "in.h5")


def test_a_result_is_stored_as_its_input(tmp_path):
    source = source_with(
        tmp_path, dtype=">f4", chunks=(8, 6), compression=7, shuffle=True, fillvalue=-9
    )
    same = sink_like(source, "y", source.shape, source.dtype)
    assert (same.path, same.chunks, same.fill.value) == ("/y", (8, 6), -9)
    assert same.filter_names == ("shuffle", "gzip:7")
    assert same.stored_dtype == np.dtype(">f4")
    other = sink_like(source, "/y", source.shape, np.dtype("f8"))
    assert other.stored_dtype == np.dtype("<f8")
    unsigned = sink_like(source, "/y", source.shape, np.dtype("u1"))
    assert unsigned.fill.value is None


def test_a_result_is_stored_as_it_is_told(tmp_path):
    source = source_with(tmp_path, chunks=(8, 6), compression=7)
    shape, dtype = source.shape, source.dtype
    assert sink_like(source, "/y", shape, dtype, filter="none").filters == ()
    assert sink_like(source, "/y", shape, dtype, shuffle=True).filter_names == ("shuffle", "gzip:7")
    assert sink_like(source, "/y", shape, dtype, chunks="4,3").chunks == (4, 3)
    plain = sink_like(source, "/y", shape, dtype, chunks="contiguous")
    assert (plain.chunks, plain.filters) == (None, ())
    with pytest.raises(InputError):
        sink_like(source, "/y", shape, dtype, chunks="contiguous", filter="gzip:4")


def test_a_contiguous_input_gets_chunks_for_a_filter(tmp_path):
    source = source_with(tmp_path)
    assert sink_like(source, "/y", source.shape, source.dtype).chunks is None
    packed = sink_like(source, "/y", source.shape, source.dtype, filter="gzip:4")
    assert packed.chunks == (40, 6)


def test_a_reduction_is_contiguous(tmp_path):
    source = source_with(tmp_path, chunks=(8, 6), compression=7, fillvalue=3)
    sink = sink_like(source, "/mean", (6,), np.dtype("f8"))
    assert (sink.chunks, sink.filters, sink.fill.value) == (None, (), None)
    assert sink_like(source, "/mean", (), np.dtype("f8"), filter="gzip:4").filters == ()
    assert sink_like(None, "/mean", (6,), np.dtype("f8")).chunks is None
