"""Sound files that hold what NumPy cannot express: listed, copied, never called damaged."""

from __future__ import annotations

import ctypes

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

import sharedcompute as sc
from sharedcompute.hdf5.inspection.listing import describe
from tests.hdf5.copying import tool

X = np.arange(10.0)


def quad(order):
    kind = order.copy()
    kind.set_size(16)
    kind.set_precision(128)
    kind.set_fields(127, 112, 15, 0, 112)
    kind.set_ebias(16383)
    return kind


def narrow():
    kind = h5t.STD_I64LE.copy()
    kind.set_size(3)
    return kind


def compound(member, name=b"m"):
    kind = h5t.create(h5t.COMPOUND, member.get_size() + 8)
    kind.insert(name, 0, member)
    kind.insert(b"n", member.get_size(), h5t.IEEE_F64LE)
    return kind


def enumeration():
    kind = h5t.enum_create(h5t.STD_I16BE)
    kind.enum_insert(b"A\xb0", 1)
    return kind


EXOTIC = {
    "quad": lambda: quad(h5t.IEEE_F64LE),
    "quad_be": lambda: quad(h5t.IEEE_F64BE),
    "time": lambda: h5t.UNIX_D32LE,
    "i24": narrow,
    "member_name": lambda: compound(h5t.IEEE_F64LE, b"m\xb0"),
    "member_time": lambda: compound(h5t.UNIX_D32LE),
    "member_quad": lambda: compound(quad(h5t.IEEE_F64LE)),
    "opaque": lambda: h5t.create(h5t.OPAQUE, 5),
    "vlen_of_vlen": lambda: h5t.vlen_create(h5t.vlen_create(h5t.STD_I32LE)),
    "reference": lambda: h5t.STD_REF_OBJ,
    "region": lambda: h5t.STD_REF_DSETREG,
}


def undefined():
    """Creation properties of a dataset that has no fill value, and no place until it is written."""
    dcpl = h5p.create(h5p.DATASET_CREATE)
    put = ctypes.CDLL(h5p.__file__).H5Pset_fill_value
    put.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    put(dcpl.id, h5t.STD_I32LE.id, None)
    return dcpl


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "in.h5"
    with h5py.File(file, "w") as opened:
        opened["good"] = X
        for name, make in EXOTIC.items():
            h5d.create(opened.id, name.encode(), make(), h5s.create_simple((3,)))
        h5d.create(opened.id, b"enum", enumeration(), h5s.create_simple((3,)))
        h5d.create(opened.id, b"undefined", h5t.STD_I32LE, h5s.create_simple((3,)), undefined())
    return file


def test_info_says_of_each_what_it_is_and_hides_none(path):
    found = {made.path[1:]: made for made in describe(path)}
    assert found.keys() == {"good", "enum", "undefined", *EXOTIC}
    assert found["good"].read_path == "mmap"
    assert {name for name in found if found[name].read_path is None} == {"undefined", *EXOTIC}
    assert found["quad"].reason == "floats of 128 bits, which NumPy lacks"
    assert found["time"].reason == "times of 32 bits, which NumPy lacks"
    assert "no value was ever written" in found["undefined"].reason


@pytest.mark.sample(5)
@pytest.mark.parametrize("name", [*EXOTIC, "undefined"])
def test_none_of_them_is_called_damaged(path, name):
    with pytest.raises(sc.InputError) as caught:
        sc.reduce("mean", f"{path}::/{name}")
    assert "copy" not in str(caught.value)


@pytest.mark.parametrize("filter", [None, "gzip:1"])
def test_repack_copies_them_as_they_stand(path, tmp_path, filter):
    out = tmp_path / "out.h5"
    sc.repack(path, out, filter=filter)
    with h5py.File(path) as old, h5py.File(out) as new:
        assert list(old) == list(new)
        assert (new["good"][...] == X).all()
        for name in EXOTIC:
            assert new[name].id.get_type().equal(old[name].id.get_type()), name
    listed = [tool("h5dump", "-H", file).partition("\n")[2] for file in (path, out)]
    if filter is None:
        assert listed[0] == listed[1]


BITS = [(bits, order) for bits in (8, 16, 32, 64) for order in ("LE", "BE")]


@pytest.mark.parametrize("layout", ["contiguous", "chunked", "gzip", "compact"])
@pytest.mark.sample(1)
def test_fields_of_bits_are_unsigned_integers_in_either_byte_order(tmp_path, layout):
    file = tmp_path / "in.h5"
    with h5py.File(file, "w") as opened:
        for bits, order in BITS:
            dcpl = h5p.create(h5p.DATASET_CREATE)
            if layout in ("chunked", "gzip"):
                dcpl.set_chunk((3,))
            if layout == "gzip":
                dcpl.set_deflate(1)
            if layout == "compact":
                dcpl.set_layout(h5d.COMPACT)
            kind = getattr(h5t, f"STD_B{bits}{order}")
            name = f"{bits}{order}".encode()
            made = h5d.create(opened.id, name, kind, h5s.create_simple((8,)), dcpl)
            values = np.arange(8, dtype=f"{'<>'[order == 'BE']}u{bits // 8}")
            made.write(h5s.ALL, h5s.ALL, values, kind)
    for bits, order in BITS:
        assert sc.reduce("sum", f"{file}::/{bits}{order}", engine="serial") == 28


@pytest.mark.sample(1)
@pytest.mark.parametrize("options", [{"libver": "latest"}, {"track_order": True}])
def test_an_attribute_above_64_kib_is_kept(tmp_path, options):
    file, out = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(file, "w", **options) as opened:
        x = opened.create_dataset("x", data=np.ones((6, 4)), track_order=True)
        x.attrs["big"] = np.arange(20_000.0)
        if "libver" in options:
            opened.attrs["big"] = np.arange(20_000.0)
    sc.map("scale", f"{file}::/x", out, factor=2.0)
    sc.reduce("mean", f"{file}::/x", f"{out}::/r")
    sc.repack(f"{file}::/x", f"{out}::/copy", filter="gzip:1")
    with h5py.File(out) as opened:
        for name in ("x", "r/mean", "copy"):
            assert (opened[name].attrs["big"] == np.arange(20_000.0)).all(), name
    assert "big" in tool("h5dump", "-A", out)
