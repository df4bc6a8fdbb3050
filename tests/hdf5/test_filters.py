from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.pipeline import apply, pipeline_of
from sharedcompute.hdf5.filters.selection import for_result, parse_filter, with_shuffle
from sharedcompute.hdf5.format.chunking import auto_chunks, fit_chunks, parse_chunks

CHOICES = [
    ("gzip:4", ("shuffle", "gzip:4")),
    ("gzip", ("shuffle", "gzip:4")),
    ("zstd:3", ("shuffle", "zstd:3")),
    ("lz4", ("shuffle", "lz4")),
    ("lzf", ("shuffle", "lzf")),
    ("bitshuffle-lz4", ("bitshuffle-lz4",)),
    ("bitshuffle-zstd:7", ("bitshuffle-zstd:7",)),
    ("blosc2-zstd:5", ("blosc2-zstd:5",)),
    ("none", ()),
]


def stored(file, name, pipeline, dtype="f4", chunks=(4, 5)):
    """The pipeline that a dataset made with `pipeline` has."""
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_chunk(chunks)
    apply(pipeline, dcpl)
    kind = h5t.py_create(np.dtype(dtype))
    low = h5d.create(file.id, name.encode(), kind, h5s.create_simple((8, 8)), dcpl)
    return low.get_create_plist()


@pytest.mark.parametrize(("text", "names"), CHOICES)
def test_a_filter_is_what_its_name_says(text, names):
    assert tuple(step.name for step in parse_filter(text)) == names


@pytest.mark.parametrize(("text", "names"), CHOICES)
def test_a_pipeline_survives_the_file_for_another_dtype_and_chunk(tmp_path, text, names):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        first = stored(file, "a", parse_filter(text))
        again = stored(file, "b", pipeline_of(first), "f8", (2, 3))
        fresh = stored(file, "c", parse_filter(text), "f8", (2, 3))
    steps = [
        [plist.get_filter(i)[:3] for i in range(plist.get_nfilters())] for plist in (again, fresh)
    ]
    assert steps[0] == steps[1]
    assert tuple(step.name for step in pipeline_of(again)) == names


def test_shuffle_can_be_chosen():
    assert [step.name for step in parse_filter("gzip:1", shuffle=False)] == ["gzip:1"]
    both = parse_filter("bitshuffle-lz4", shuffle=True)
    assert [step.name for step in both] == ["shuffle", "bitshuffle-lz4"]
    assert with_shuffle(parse_filter("lzf"), True) == parse_filter("lzf")
    assert with_shuffle(parse_filter("lzf"), False) == parse_filter("lzf", shuffle=False)


@pytest.mark.parametrize(
    "text", ["gzip:10", "gzip:x", "gzip:", "lz4:3", "isal:4", "brotli", "", "none:1", "zstd:0"]
)
def test_an_unknown_filter_or_level_is_refused_in_one_line(text):
    with pytest.raises(InputError) as caught:
        parse_filter(text)
    assert "\n" not in str(caught.value)


def test_an_unknown_filter_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match=r"known filters are gzip:4, isal:1, .*none"):
        parse_filter("brotli")


def test_nothing_is_shuffled_for_no_filter():
    with pytest.raises(InputError):
        parse_filter("none", shuffle=True)
    with pytest.raises(InputError):
        with_shuffle((), True)


def test_a_result_keeps_lossless_filters_only(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("lossy", (8,), "f4", chunks=(4,), scaleoffset=2)
        file.create_dataset("exact", (8,), "f4", chunks=(4,), compression=1, fletcher32=True)
        lossy = pipeline_of(file["lossy"].id.get_create_plist())
        exact = pipeline_of(file["exact"].id.get_create_plist())
    assert for_result(exact) == exact
    assert for_result(lossy) == parse_filter("gzip:4")


def test_chunks_are_read_from_text():
    assert parse_chunks("64,36, 48") == (64, 36, 48)
    assert parse_chunks("auto") == "auto"
    assert parse_chunks("Contiguous") == "contiguous"
    for text in ("", "a", "3,0", "3,,4", "-1"):
        with pytest.raises(InputError):
            parse_chunks(text)


@pytest.mark.parametrize(
    ("shape", "itemsize"),
    [
        ((10,), 8),
        ((10**9,), 1),
        ((1000, 37, 49), 4),
        ((5, 3000, 4000), 8),
        ((0, 4), 8),
        ((3, 0), 2),
    ],
)
def test_automatic_chunks_are_about_a_mebibyte(shape, itemsize):
    chunks = auto_chunks(shape, itemsize)
    nbytes = int(np.prod(chunks)) * itemsize
    assert nbytes <= 1 << 20
    assert all(1 <= chunk <= max(1, side) for chunk, side in zip(chunks, shape, strict=True))
    if np.prod(shape) * itemsize > 1 << 20:
        assert nbytes > 1 << 18


def test_chunks_are_cut_to_what_cannot_grow():
    assert fit_chunks((9, 9), (4, 4), (4, None), 8) == (4, 9)
    with pytest.raises(InputError, match="expected 2 chunk sides"):
        fit_chunks((9,), (4, 4), (4, 4), 8)
    with pytest.raises(InputError, match="4 GiB"):
        fit_chunks((1 << 16, 1 << 16), (1 << 20, 1 << 20), (None, None), 8)


@pytest.mark.slow
def test_all_processes_code_with_one_plug_in_wherever_hdf5_looks_for_others(tmp_path):
    netcdf = pytest.importorskip("netCDF4")  # sets HDF5_PLUGIN_PATH to plug-ins of its own
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for name, codec in (("blosc", hdf5plugin.Blosc()), ("zstd", hdf5plugin.Zstd())):
            file.create_dataset(
                name, data=np.arange(400.0).reshape(40, 10), chunks=(4, 10), **codec
            )
    script = (
        "import os, sharedcompute as sc\n"
        "if __name__ == '__main__':\n"
        "    for name in ('blosc', 'zstd'):\n"
        "        for engine in ('serial', 'local'):\n"
        "            sc.map('scale', f'in.h5::/{name}', f'{name}_{engine}.h5', engine=engine)\n"
    )
    (tmp_path / "job.py").write_text(script)
    folder = str(Path(netcdf.__file__).parent / "plugins")
    environment = {**os.environ, "HDF5_PLUGIN_PATH": folder}
    subprocess.run([sys.executable, "job.py"], cwd=tmp_path, env=environment, check=True)
    for name in ("blosc", "zstd"):
        serial = (tmp_path / f"{name}_serial.h5").read_bytes()
        assert (tmp_path / f"{name}_local.h5").read_bytes() == serial
