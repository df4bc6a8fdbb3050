"""Every filter x fill value x chunks x dtype x byte order: h5py reads the same from the output."""

from __future__ import annotations

import ctypes

import h5py
import hdf5plugin
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z

import sharedcompute as sc
from sharedcompute.hdf5.filters.pipeline import apply, pipeline_of, stored_filters
from tests.hdf5.copying import differences
from tests.hdf5.datasets import COLOURS, FILTERS

SHAPE, CHUNKS = (23, 20), (4, 10)
MANY = {
    **FILTERS,
    "nbit": {"compression": h5z.FILTER_NBIT},
    "scaleoffset of 9 bits": {"scaleoffset": 9},
    "scaleoffset of decimals": {"scaleoffset": 2},
    "blosc2 in blocks": {"compression": 32026, "compression_opts": (0, 256, 0, 0, 5, 1, 1)},
    "bitshuffle in blocks": dict(hdf5plugin.Bitshuffle(nelems=64)),
    "lz4 in blocks": dict(hdf5plugin.LZ4(nbytes=128)),
    "zfp": dict(hdf5plugin.Zfp(reversible=True)),
    "zfp within": dict(hdf5plugin.Zfp(accuracy=2**-6)),
    "zfp at a rate": dict(hdf5plugin.Zfp(rate=12)),
    "zfp at a precision": dict(hdf5plugin.Zfp(precision=14)),
    "zfp by an expert": dict(hdf5plugin.Zfp(minbits=1, maxbits=900, maxprec=20, minexp=-9)),
}
"""Filters with a way back to their options."""

GONE = {
    "sz": dict(hdf5plugin.SZ(absolute=0.01)),
    "sz3": dict(hdf5plugin.SZ3(absolute=0.01)),
    "sperr": dict(hdf5plugin.Sperr(absolute=0.01)),
    "fcidecomp": dict(hdf5plugin.FciDecomp()),
}
"""Filters without."""

LOSSY = {
    "scaleoffset of decimals": 0.01,
    "zfp within": 2**-6,
    "zfp at a rate": 20,
    "zfp at a precision": 1,
    "zfp by an expert": 1,
}

PAIR = np.dtype([("a", "<i2"), ("b", ">f8")])
NUMBERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")
DTYPES = {
    **{name: np.dtype(name) for name in NUMBERS},
    **{f">{name}": np.dtype(f">{name}") for name in NUMBERS if np.dtype(name).itemsize > 1},
    "?": np.dtype("?"),
    "enum": COLOURS,
    "pair": PAIR,
    "S5": np.dtype("S5"),
}
QUICK = ("i1", ">i4", "f4", "?")
# What is stored with another dtype or byte order is not stored by zfp, or means nothing to it.
OF_ZFP = ("i4", "i8", "f4", "f8")

FILLS = {"none": {}, "set": {"fillvalue": 3}, "never": {"fillvalue": 3, "fill_time": "never"}}


def values_of(dtype, rng):
    """Small numbers, with the fill value among them; and a chunk with nothing else."""
    x = rng.integers(0, 90, SHAPE)
    x[rng.random(SHAPE) < 0.2] = 3
    x[4:8, :10] = 3
    if dtype.names:
        made = np.zeros(SHAPE, dtype)
        made["a"], made["b"] = x, x / 7
        return made
    if dtype.kind == "S":
        return x.astype("S5")
    if dtype.kind == "b":
        return x % 2 == 0
    if h5py.check_enum_dtype(dtype):
        return np.array([0, 1, 7])[x % 3].astype("i2")
    return x.astype(dtype) - dtype.type(20) if dtype.kind in "if" else x.astype(dtype)


def write_all_kinds(path, chosen, dtypes, fills):
    """One dataset for all that HDF5 can write of these; their names."""
    names = []
    rng = np.random.default_rng(5)
    with h5py.File(path, "w") as file:
        for filter, dtype, fill in ((a, b, c) for a in chosen for b in dtypes for c in fills):
            if filter.startswith("zfp") and dtype not in OF_ZFP:
                continue
            kind, options = DTYPES[dtype], {**MANY, **GONE}[filter]
            extra = dict(FILLS[fill])
            if "fillvalue" in extra and (kind.names or kind.kind in "Sb" or dtype == "enum"):
                extra["fillvalue"] = values_of(kind, np.random.default_rng(0))[4, 0]
            name = f"{filter}, {dtype}, {fill}"
            try:
                made = file.create_dataset(name, SHAPE, kind, chunks=CHUNKS, **options, **extra)
                # h5diff compares what memory held before, where nothing is ever filled.
                rows = SHAPE[0] if fill == "never" else 20
                made[:rows] = values_of(kind, rng)[:rows]
            except (ValueError, TypeError, OSError):
                if name in file:
                    del file[name]
                continue
            names.append(name)
    return names


def check_all(before, after, names):
    """Both hold the same numbers, fill values and times of filling."""
    with h5py.File(before) as old, h5py.File(after) as new:
        for name in names:
            want, got = old[name][...], new[name][...]
            near = LOSSY.get(name.partition(",")[0])
            if near and want.dtype.kind == "f":
                assert np.abs(got.astype("f8") - want.astype("f8")).max() <= near, name
            else:
                assert got.dtype == want.dtype, name
                assert got.tobytes() == want.tobytes(), name
            lists = [file[name].id.get_create_plist() for file in (old, new)]
            assert lists[0].get_fill_time() == lists[1].get_fill_time(), name
            assert lists[0].fill_value_defined() == lists[1].fill_value_defined(), name
            assert np.array_equal(old[name].fillvalue, new[name].fillvalue), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sharedcompute.api.notices.NotKept")
def test_every_filter_goes_into_other_chunks(tmp_path, team):
    names = write_all_kinds(tmp_path / "in.h5", MANY, QUICK, ("set",))
    assert {name.partition(",")[0] for name in names} == {*MANY}
    sc.repack(tmp_path / "in.h5", tmp_path / "out.h5", chunks="5,16", team=team)
    check_all(tmp_path / "in.h5", tmp_path / "out.h5", names)


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::sharedcompute.api.notices.NotKept")
@pytest.mark.parametrize("filter", MANY)
def test_every_filter_fill_value_dtype_and_byte_order_goes_into_any_chunks(tmp_path, team, filter):
    names = write_all_kinds(tmp_path / "in.h5", [filter], DTYPES, FILLS)
    assert names
    for chunks in ("5,4", "3,20", "23,20", "1,16", "auto"):
        sc.repack(tmp_path / "in.h5", tmp_path / "out.h5", chunks=chunks, overwrite=True, team=team)
        check_all(tmp_path / "in.h5", tmp_path / "out.h5", names)
        if filter not in LOSSY:
            assert differences(tmp_path / "in.h5", tmp_path / "out.h5") == ""


@pytest.mark.parametrize("filter", MANY)
def test_options_found_in_a_file_give_what_is_stored_again(filter):
    """Else something of what `set_local` made would have become a user's option, or been lost."""
    with h5py.File("again", "w", driver="core", backing_store=False) as file:
        made = 0
        for dtype in ("f4", ">f4", "f8", "i4", ">u2"):
            try:
                first = file.create_dataset(dtype, (40, 32), dtype, chunks=(16, 32), fillvalue=5,
                                            **MANY[filter]).id  # fmt: skip
            except ValueError:
                continue
            dcpl = h5p.create(h5p.DATASET_CREATE)
            dcpl.set_chunk((16, 32))
            dcpl.set_fill_value(np.array(5, dtype))
            apply(pipeline_of(first.get_create_plist()), dcpl)
            kind = h5t.py_create(np.dtype(dtype))
            again = h5d.create(file.id, None, kind, h5s.create_simple((40, 32)), dcpl)
            found, want = (stored_filters(d.get_create_plist()) for d in (again, first))
            if filter.startswith("scaleoffset of") and "f" not in dtype:
                # As many bits as each chunk needs: those chosen may be too few for larger chunks.
                found, want = ([s.values[2:] for s in steps] for steps in (found, want))  # type: ignore[assignment]
            assert found == want
            made += 1
        assert made


@pytest.mark.parametrize("filter", GONE)
@pytest.mark.sample(1)
def test_a_filter_without_a_way_back_is_refused_in_a_line_that_names_another(tmp_path, filter):
    old, new = tmp_path / "in.h5", tmp_path / "out.h5"
    dtype, chunks = ("u1", (16, 16)) if filter == "fcidecomp" else ("f4", (16, 16))
    with h5py.File(old, "w") as file:
        x = file.create_dataset("x", (32, 32), dtype, chunks=chunks, **GONE[filter])
        x[...] = np.arange(1024).reshape(32, 32) % 200
        file.create_dataset("y", data=np.arange(8), chunks=(2,))
    with h5py.File(old) as file:
        want = file["x"][...]
    for run in ({"chunks": (32, 16)}, {"shuffle": True, "chunks": (32, 16)}):
        with pytest.raises(sc.InputError, match="filter='gzip:4'") as caught:
            sc.repack(f"{old}::/x", new, **run)
        assert f"{filter} (number" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not new.exists()
    # What stays as it is, is copied; and another filter holds the numbers.
    sc.repack(old, new, chunks="8")
    for _ in range(2):
        with h5py.File(new) as file:
            assert file["x"][...].tobytes() == want.tobytes()
        sc.repack(old, new, filter="gzip:4", overwrite=True)
    sc.map("scale", f"{old}::/x", new, factor=1.0, overwrite=True)
    with h5py.File(new) as file:
        assert file["x"].compression == "gzip"


def test_a_filter_that_nobody_has_is_copied_and_not_applied(tmp_path):
    old, new = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(old, "w", libver="earliest") as file:
        file.create_dataset("x", data=np.arange(64), chunks=(8,), compression="lzf")
        file.create_dataset("y", data=np.arange(64), chunks=(8,))
    data = old.read_bytes()
    at = data.index(b"lzf\0") - 8
    assert data[at : at + 2] == (32000).to_bytes(2, "little")
    old.write_bytes(data[:at] + (32999).to_bytes(2, "little") + data[at + 2 :])
    with pytest.raises(sc.InputError, match="not installed"):
        sc.repack(f"{old}::/x", new, chunks="4")
    sc.repack(old, new, chunks="4")
    with h5py.File(old) as before, h5py.File(new) as after:
        assert after["y"].chunks == (4,)
        one, two = (f["x"].id.read_direct_chunk((8,)) for f in (before, after))
        assert one == two


def test_szip_of_too_few_elements_is_refused_before_anything_is_made(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=np.ones((8, 8)), chunks=(8, 8), compression="szip")
    with pytest.raises(sc.InputError, match="another filter="):
        sc.repack(tmp_path / "in.h5", tmp_path / "out.h5", chunks="1,2")
    assert [item.name for item in tmp_path.iterdir()] == ["in.h5"]


def undefined(file, name, shape, chunks):
    """A dataset that has no fill value, as netCDF makes with NOFILL."""
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_chunk(chunks)
    put = ctypes.CDLL(h5p.__file__).H5Pset_fill_value
    put.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    assert put(dcpl.id, h5t.NATIVE_INT32.id, None) >= 0
    dcpl.set_scaleoffset(h5z.SO_INT, 0)
    return h5py.Dataset(h5d.create(file.id, name, h5t.NATIVE_INT32, h5s.create_simple(shape), dcpl))


@pytest.mark.parametrize("place", ["", "::/x"])
def test_what_has_no_fill_value_is_encoded_without_one(tmp_path, place):
    """Scaleoffset would take 0 for the fill value, and HDF5 decode it as the largest number."""
    x = np.arange(-32, 32, dtype="i4").reshape(8, 8) // 4
    with h5py.File(tmp_path / "in.h5", "w") as file:
        undefined(file, b"x", (8, 8), (4, 4))[...] = x
    sc.repack(f"{tmp_path / 'in.h5'}{place}", tmp_path / "out.h5", chunks="8,2")
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["x"][...], x)
        dcpl = file["x"].id.get_create_plist()
        assert dcpl.fill_value_defined() == h5d.FILL_VALUE_UNDEFINED


@pytest.mark.sample(1)
@pytest.mark.parametrize("options", [{}, {"compression": 1}, {"compression": "lzf"}])
@pytest.mark.parametrize("time", ["never", "alloc", "ifset"])
def test_a_result_keeps_the_fill_value_and_when_it_is_written(tmp_path, options, time):
    old, new = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(old, "w") as file:
        extra = {"fillvalue": -9, "fill_time": time, "maxshape": (None, 6)}
        x = file.create_dataset("x", (8, 6), "f4", chunks=(3, 6), **extra, **options)
        x[...] = np.arange(48).reshape(8, 6)
    for make in (
        lambda: sc.map("scale", f"{old}::/x", new, factor=2.0, overwrite=True),
        lambda: sc.map("cast", f"{old}::/x", new, dtype="i8", overwrite=True),
        lambda: sc.repack(f"{old}::/x", new, chunks="4,6", overwrite=True),
        lambda: sc.repack(old, new, chunks="4,6", overwrite=True),
    ):
        make()
        with h5py.File(new, "r+") as file:
            made = file["x"]
            assert made.fillvalue == -9
            codes = {"never": h5d.FILL_TIME_NEVER, "alloc": h5d.FILL_TIME_ALLOC}
            found = made.id.get_create_plist().get_fill_time()
            assert found == codes.get(time, h5d.FILL_TIME_IFSET)
            made.resize((20, 6))
            if time != "never":
                assert (made[12:] == -9).all()


def test_a_result_of_a_result_without_filters_has_the_fill_value_too(tmp_path):
    """The first is written in place, so HDF5 is told to fill nothing; the value stays known."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.ones((6, 4)), fillvalue=-1)
    for one, two in (("a", "b"), ("b", "c")):
        sc.map("scale", tmp_path / f"{one}.h5", tmp_path / f"{two}.h5", factor=2.0)
        with h5py.File(tmp_path / f"{two}.h5") as file:
            assert file["x"].fillvalue == -1


def test_scales_keep_the_options_of_their_filters(tmp_path):
    old, new = tmp_path / "in.h5", tmp_path / "out.h5"
    kinds = {"t": hdf5plugin.Bitshuffle(), "u": hdf5plugin.Blosc2("zstd", 3), "v": hdf5plugin.SZ()}
    with h5py.File(old, "w") as file:
        file.create_dataset("x", data=np.ones((64, 32, 16)), chunks=(8, 8, 8))
        for axis, (name, options) in enumerate(kinds.items()):
            n = 64 >> axis
            file.create_dataset(name, data=np.arange(float(n)), chunks=(n,), **options)
            file[name].make_scale(name)
            file["x"].dims[axis].attach_scale(file[name])
    sc.map("scale", f"{old}::/x", new, factor=2.0)
    with h5py.File(old) as before, h5py.File(new) as after:
        for name in kinds:
            np.testing.assert_array_equal(after[name][...], before[name][...])
            found, want = (stored_filters(f[name].id.get_create_plist()) for f in (after, before))
            if name != "v":
                assert found == want
        # It is not known how to apply that again.
        assert after["v"].compression == "gzip"


def test_a_named_type_is_no_reason_to_apply_a_lossy_filter_again(tmp_path):
    old, new = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(old, "w") as file:
        file["kind"] = np.dtype("f4")
        for name in ("zfp within", "scaleoffset of decimals", "gzip"):
            x = file.create_dataset(name, (16, 16), file["kind"], chunks=(8, 8), **MANY[name])
            x[...] = np.random.default_rng(0).normal(size=(16, 16))
    with pytest.warns(UserWarning, match="name of its type"):
        sc.repack(old, new)
    with h5py.File(old) as before, h5py.File(new) as after:
        for name in ("zfp within", "scaleoffset of decimals", "gzip"):
            one, two = (f[name].id.read_direct_chunk((8, 0)) for f in (before, after))
            assert one == two
            named = h5py.Datatype(after[name].id.get_type()).name
            assert (named == "/kind") == (name == "gzip")
