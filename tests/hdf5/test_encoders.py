from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import h5py
import hdf5plugin
import numpy as np
import pytest

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.codecs.fletcher32 import FLETCHER32
from sharedcompute.hdf5.filters.codecs.gzip import GZIP, deflate_level
from sharedcompute.hdf5.filters.encode import OwnEncoder, encoder
from sharedcompute.hdf5.filters.library_encoder import LibraryEncoder
from sharedcompute.hdf5.filters.pipeline import Filter, apply, pipeline_of, stored_filters
from sharedcompute.hdf5.filters.selection import parse_filter
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.writing.chunked import ChunkTarget

assert hdf5plugin

OWN = ("gzip:0", "gzip:1", "gzip:4", "gzip:9", "isal:0", "isal:1", "isal:3", "none")
OTHERS = ("zstd:3", "lz4", "lzf", "bitshuffle-lz4", "bitshuffle-zstd:2", "blosc2-zstd:5")
SHAPE, CHUNKS = (11, 7, 13), (4, 3, 5)


def values_of(dtype, shape=SHAPE):
    values = np.random.default_rng(8).integers(0, 90, shape)
    return values % 2 == 0 if dtype == "?" else values.astype(dtype)


def target(pipeline, dtype, shape=SHAPE, chunks=CHUNKS, fill=None):
    stored = np.dtype(dtype)
    native = stored.newbyteorder("=")
    filling = Fill(None if fill is None else native.type(fill))
    made = ChunkTarget(shape, chunks, native, stored, pipeline, filling, ())
    with h5py.File("target", "w", driver="core", backing_store=False) as file:
        try:
            dcpl = create(file, made).get_create_plist()
        except ValueError:
            return made
        return replace(made, stored=stored_filters(dcpl))


def create(file, made, name="x"):
    """An empty dataset of that target, to store chunks in."""
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_chunk(made.chunks)
    made.fill.put(dcpl)
    apply(made.filters, dcpl)
    kind = h5py.h5t.py_create(made.stored_dtype, logical=True)
    return h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(made.shape), dcpl)


def store(low, encoded):
    for offset, mask, data, _ in encoded:
        assert type(data) is bytes
        low.write_direct_chunk(offset, data, mask)


def written(path, made, boxes, values):
    """What h5py reads of `values`, encoded box by box."""
    with h5py.File(path, "w") as file, made.open() as writer:
        low = create(file, made)
        for box in boxes:
            store(low, writer.write_box(tuple(part.start for part in box), values[box]))
    with h5py.File(path) as file:
        return file["x"][...]


WHOLE = [tuple(slice(0, side) for side in SHAPE)]
TILES = [
    (slice(a, min(a + 4, 11)), slice(b, min(b + 6, 7)), slice(c, min(c + 10, 13)))
    for c in (0, 10)
    for a in (8, 0, 4)
    for b in (0, 6)
]


@pytest.mark.parametrize("boxes", [WHOLE, TILES], ids=["whole", "tiles"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">f4", "<f8", "<c16", "?"])
@pytest.mark.parametrize("text", [*OWN, *OTHERS])
def test_h5py_reads_what_was_encoded(tmp_path, text, dtype, boxes):
    values = values_of(dtype)
    made = target(parse_filter(text), dtype)
    np.testing.assert_array_equal(written(tmp_path / "x.h5", made, boxes, values), values)


@pytest.mark.parametrize("fill", [None, 7])
@pytest.mark.parametrize("text", [*OWN, *OTHERS])
def test_a_chunk_over_the_edge_is_filled_up(text, fill):
    values = values_of("<f4", (5, 3))
    made = target(parse_filter(text), "<f4", (5, 3), (4, 2), fill)
    with h5py.File("edge", "w", driver="core", backing_store=False) as file:
        with made.open() as writer:
            encoded = writer.write(0, values)
        assert [chunk.offset for chunk in encoded] == [(0, 0), (0, 2), (4, 0), (4, 2)]
        made = target(made.filters, "<f4", (8, 4), (4, 2), fill)
        store(create(file, made), encoded)
        expected = np.full((8, 4), 0 if fill is None else fill, "<f4")
        expected[:5, :3] = values
        np.testing.assert_array_equal(file["x"][...], expected)


@pytest.mark.parametrize("text", ["gzip:4", "isal:1", "lz4", "none"])
def test_one_box_after_another_gives_the_chunks_of_the_whole(text):
    values = values_of("<i4")
    made = target(parse_filter(text), "<i4", fill=-5)
    with made.open() as whole, made.open() as tiled:
        at_once = set(whole.write(0, values))
        parts = [tiled.write_box(tuple(p.start for p in box), values[box]) for box in TILES]
    assert {chunk for part in parts for chunk in part} == at_once


@pytest.mark.parametrize(
    ("corner", "shape"), [((0, 1, 0), (4, 3, 5)), ((0, 0, 0), (4, 4, 13)), ((2, 0, 0), (9, 7, 13))]
)
def test_a_box_of_parts_of_chunks_is_refused(corner, shape):
    with target((), "<f4").open() as writer, pytest.raises(ValueError, match="follow chunks"):
        writer.write_box(corner, np.zeros(shape, "f4"))


def test_a_checksum_is_where_the_pipeline_has_it(tmp_path):
    for steps in (
        (Filter(FLETCHER32), *parse_filter("gzip:4")),
        (*parse_filter("gzip:4"), Filter(FLETCHER32)),
    ):
        values = values_of("<f4")
        made = target(steps, "<f4")
        assert type(encoder(steps, CHUNKS, made.stored_dtype, made.fill, made.stored)) is OwnEncoder
        np.testing.assert_array_equal(written(tmp_path / "x.h5", made, WHOLE, values), values)


def test_other_filters_are_hdf5_s_own_bytes():
    values = values_of("<f4", (4, 6))
    steps = (Filter(FLETCHER32), *parse_filter("lzf"))
    made = target(steps, "<f4", (4, 6), (4, 6))
    with h5py.File("own", "w", driver="core", backing_store=False) as file, made.open() as writer:
        low = create(file, made)
        h5py.Dataset(low)[...] = values
        ((_, mask, data, _),) = writer.write(0, values)
        assert (mask, data) == low.read_direct_chunk((0, 0))


def test_isal_is_stored_as_gzip():
    (shuffle, step) = parse_filter("isal:2")
    assert (shuffle.name, step.name, step.code, step.options) == ("shuffle", "isal:2", GZIP, (1,))
    with h5py.File("isal", "w", driver="core", backing_store=False) as file:
        plist = create(file, target((shuffle, step), "<f4")).get_create_plist()
    assert pipeline_of(plist)[1].name == "gzip:1"


def test_a_chunk_that_would_grow_is_stored_without_the_filter(tmp_path):
    """ISA-L at level 0 makes noise larger by a fifth; HDF5 leaves such a filter out."""
    values = np.frombuffer(np.random.default_rng(0).bytes(40_000), "<i4").reshape(100, 100)
    made = target(parse_filter("isal:0", shuffle=False), "<i4", (100, 100), (50, 100))
    with made.open() as writer:
        chunks = writer.write(0, values)
    assert {chunk.mask for chunk in chunks} <= {0, 1}
    assert all(len(chunk.data) <= 20_000 * 1.001 + 13 for chunk in chunks)
    np.testing.assert_array_equal(
        written(tmp_path / "x.h5", made, [(slice(0, 100), slice(0, 100))], values), values
    )


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("chunk", [(1, 37, 49), (24, 37, 49)])
def test_gzip_of_climate_data_is_not_larger_than_by_zlib(climate, level, chunk):
    with h5py.File(climate) as file:
        values = file["air_temperature"][:48]
    made = target(parse_filter(f"gzip:{level}"), values.dtype, values.shape, chunk)
    library = LibraryEncoder(made.filters, chunk, made.stored_dtype, made.fill)
    with made.open() as writer:
        ours = sum(len(chunk.data) for chunk in writer.write(0, values))
    parts = (values[at : at + chunk[0]] for at in range(0, 48, chunk[0]))
    theirs = sum(len(data) for _, data in library.encode(parts))
    library.close()
    assert ours <= theirs


def test_without_shuffle_a_level_takes_no_less():
    for level in range(10):
        assert level <= deflate_level(level, shuffled=False) >= deflate_level(level, shuffled=True)


def test_a_filter_that_cannot_encode_is_refused_in_one_line():
    steps = (Filter(h5py.h5z.FILTER_SCALEOFFSET, (0, 2), optional=False),)
    refused = pytest.raises(InputError, match="choose another filter=")
    with target(steps, "<c16").open() as writer, refused as caught:
        writer.write(0, values_of("<c16"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["gzip:4", "isal:1"])
def test_h5dump_reads_what_was_encoded(tmp_path, text):
    if not shutil.which("h5dump"):
        pytest.skip("h5dump is not installed (Debian: hdf5-tools)")
    values = values_of("<i4")
    made = target((*parse_filter(text), Filter(FLETCHER32)), "<i4")
    written(tmp_path / "x.h5", made, TILES, values)
    binary = tmp_path / "x.bin"
    command = ["h5dump", "-d", "x", "-b", "LE", "-o", binary, tmp_path / "x.h5"]
    subprocess.run(command, check=True, capture_output=True)
    np.testing.assert_array_equal(np.fromfile(binary, "<i4").reshape(SHAPE), values)
