from __future__ import annotations

import ctypes

import h5py
import numpy as np
import pytest
from h5py import h5d, h5s, h5t

from tests.hdf5.copying import copied, differences, keep_all, recode_numbers, same, tool

LIBVERS = ("earliest", "v108", "v110", "latest")


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "in.h5", tmp_path / "out.h5"


def targets(file):
    """What references point to, behind something that moves when it is made again."""
    file["first"] = np.zeros(5000)
    file["g/x"] = np.arange(20).reshape(4, 5)
    file["g/text"] = "text"
    file["type"] = np.dtype("i4")
    return [file["g"].ref, file["g/x"].ref, file["g/text"].ref, file["type"].ref]


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("choose", [recode_numbers, keep_all])
def test_references_point_to_the_same_objects_in_the_copy(paths, libver, choose):
    with h5py.File(paths[0], "w", libver=(libver, "latest")) as file:
        refs = targets(file)
        file["refs"] = np.array(refs, h5py.ref_dtype)
        file.create_dataset("some", (9,), h5py.ref_dtype, chunks=(2,), compression="gzip")
        file["some"][3:5] = refs[:2]
        file["scalar"] = refs[1]
        rows = file.create_dataset("rows", (3,), h5py.vlen_dtype(h5py.ref_dtype))
        rows[0], rows[2] = refs, refs[:1]
        mixed = np.dtype([("n", "i2"), ("to", h5py.ref_dtype), ("word", h5py.string_dtype())])
        file["mixed"] = np.array([(1, refs[0], "a"), (2, refs[3], "\u00e9")], mixed)
        pair = np.dtype([("two", h5py.ref_dtype, (2,))])
        file.create_dataset("pairs", (2,), pair)
        file["pairs"][...] = np.array([(refs[:2],), (refs[2:],)], pair)
        for item in (file, file["g"], file["g/x"], file["g/text"], file["type"], file["rows"]):
            item.attrs["to"] = refs[1]
            item.attrs["word"] = "x"
            item.attrs.create("all", np.array(refs, h5py.ref_dtype))
            item.attrs["mixed"] = file["mixed"][:]
    _, warnings = copied(*paths, choose)  # type: ignore[call-arg]
    same(*paths)
    assert not warnings
    assert differences(*paths) == ""
    with h5py.File(paths[1], "r") as file:
        assert [file[ref].name for ref in file["rows"][0]] == ["/g", "/g/x", "/g/text", "/type"]
        assert [bool(ref) for ref in file["some"][2:6]] == [False, True, True, False]


def raw(dataset):
    """The elements of a dataset as bytes, whatever their type."""
    kind = dataset.id.get_type().copy()
    values = np.empty(dataset.shape, f"V{kind.get_size()}")
    dataset.id.read(h5s.ALL, h5s.ALL, values, kind)
    return values


def put(file, path, kind, values):
    """Make a dataset of any type out of raw elements."""
    made = h5d.create(file.id, path, kind, h5s.create_simple(values.shape))
    made.write(h5s.ALL, h5s.ALL, values, kind)


def mixed_regions():
    kind = h5t.create(h5t.COMPOUND, 24)
    kind.insert(b"n", 0, h5t.STD_I32LE)
    kind.insert(b"part", 4, h5t.STD_REF_DSETREG)
    kind.insert(b"to", 16, h5t.STD_REF_OBJ)
    return kind


def test_region_references_point_to_the_same_regions_in_the_copy(paths):
    with h5py.File(paths[0], "w") as file:
        targets(file)
        x = file["g/x"]
        mask = np.zeros(x.shape, bool)
        mask[[0, 3], [4, 1]] = True
        regions = [x.regionref[1:3, ::2], x.regionref[...], x.regionref[mask]]
        file.create_dataset("regions", (4,), h5py.regionref_dtype)[:3] = regions
        file.attrs["one"] = regions[0]
        x.attrs.create("all", np.array(regions, h5py.regionref_dtype))
    _, warnings = copied(*paths)
    same(*paths)
    assert not warnings
    assert differences(*paths) == ""
    assert "REGION_TYPE POINT  (0,4), (3,1)" in tool("h5dump", "-d", "/regions", paths[1])


def test_region_references_inside_other_types_are_translated(paths):
    # As bytes: where h5py 3.16 reads a region reference inside another type, it writes over other
    # memory.
    with h5py.File(paths[0], "w") as file:
        targets(file)
        file["ref"] = file["g/x"].ref
        file.create_dataset("regions", (2,), h5py.regionref_dtype)
        file["regions"][0], file["regions"][1] = (file["g/x"].regionref[row] for row in (1, 3))
        one, other = (item.tobytes() for item in raw(file["regions"]))
        items = np.array([b"\1\2\3\4" + part + raw(file["ref"]).tobytes() for part in (one, other)])
        put(file, b"mixed", mixed_regions(), items.view("V24"))
    _, warnings = copied(*paths)
    assert not warnings
    with h5py.File(paths[1], "r+") as file:
        parts = raw(file["mixed"]).view("u1").reshape(2, 24)
        assert parts[:, :4].tolist() == [[1, 2, 3, 4]] * 2
        inside = np.ascontiguousarray(parts[:, 4:16]).view("V12")[:, 0]
        put(file, b"inside", h5t.STD_REF_DSETREG.copy(), inside)
        found = [file[region][region].ravel().tolist() for region in file["inside"]]
        assert found == [[5, 6, 7, 8, 9], [15, 16, 17, 18, 19]]
        put(
            file,
            b"to",
            h5t.STD_REF_OBJ.copy(),
            np.ascontiguousarray(parts[:, 16:]).view("V8")[:, 0],
        )
        assert [file[ref].name for ref in file["to"]] == ["/g/x"] * 2


def test_rows_of_region_references_are_translated(paths):
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    with h5py.File(paths[0], "w") as file:
        targets(file)
        file.create_dataset("regions", (2,), h5py.regionref_dtype)
        file["regions"][0], file["regions"][1] = (file["g/x"].regionref[row] for row in (1, 3))
        # HDF5's rows in memory: lengths and pointers. h5py frees what it has written.
        row = libc.malloc(24)
        ctypes.memmove(row, raw(file["regions"]).tobytes(), 24)
        rows = np.array([[0, 0], [2, row]], np.uint64).view("V16")[:, 0]
        put(file, b"rows", h5t.vlen_create(h5t.STD_REF_DSETREG), rows)
    _, warnings = copied(*paths)
    assert not warnings
    with h5py.File(paths[1], "r+") as file:
        rows = raw(file["rows"]).view(np.uint64).reshape(2, 2).tolist()
        assert rows[0] == [0, 0]
        assert rows[1][0] == 2
        inside = np.frombuffer(ctypes.string_at(rows[1][1], 24), "V12")
        put(file, b"inside", h5t.STD_REF_DSETREG.copy(), inside.copy())
        found = [file[region][region].ravel().tolist() for region in file["inside"]]
        assert found == [[5, 6, 7, 8, 9], [15, 16, 17, 18, 19]]


def test_references_to_nothing_are_null_and_warned_of(paths):
    with h5py.File(paths[0], "w") as file:
        targets(file)
        file["gone"] = np.arange(3)
        refs = [file["gone"].ref, file["g"].ref, h5py.h5r.Reference()]
        file["refs"] = np.array(refs, h5py.ref_dtype)
        file.attrs["to"] = refs[0]
        file.attrs["part"] = file["gone"].regionref[:2]
        file.attrs["null"] = refs[2]
        del file["gone"]
    _, warnings = copied(*paths)
    assert sorted(warnings) == [
        "/: 1 references in attribute part cannot be kept and are null now",
        "/: 1 references in attribute to cannot be kept and are null now",
        "/refs: 1 references in its values cannot be kept and are null now",
    ]
    with h5py.File(paths[1], "r") as file:
        assert [bool(ref) for ref in file["refs"]] == [False, True, False]
        assert not any(file.attrs[name] for name in ("to", "part", "null"))


@pytest.mark.parametrize("libver", LIBVERS)
def test_dimension_scales_are_attached_in_the_copy(paths, libver):
    with h5py.File(paths[0], "w", libver=(libver, "latest")) as file:
        data = file.create_dataset("data", (4, 3), "f4")
        data[:] = 1
        for axis, name in enumerate("yx"):
            scale = file.create_dataset(f"scales/{name}", data=np.arange(data.shape[axis]))
            scale.make_scale(name)
            data.dims[axis].attach_scale(scale)
            data.dims[axis].label = name
        file["other"] = np.zeros((4, 2))
        file["other"].dims[0].attach_scale(file["scales/y"])
    _, warnings = copied(*paths)
    assert not warnings
    same(*paths)
    assert differences(*paths) == ""
    with h5py.File(paths[1], "r+") as file:
        assert [axis[0].name for axis in file["data"].dims] == ["/scales/y", "/scales/x"]
        assert file["other"].dims[0]["y"] == file["scales/y"]
        # The lists of references back are right: HDF5 finds what it has to take out of them.
        file["data"].dims[0].detach_scale(file["scales/y"])
        assert len(file["scales/y"].attrs["REFERENCE_LIST"]) == 1


def test_what_lies_beside_a_reference_keeps_its_bits(paths):
    with h5py.File(paths[0], "w") as file:
        file["refs"] = np.array(targets(file)[:2], h5py.ref_dtype)
        text = h5t.C_S1.copy()
        text.set_size(3)
        kind = h5t.create(h5t.COMPOUND, 15)
        for name, place, part in (
            (b"to", 0, h5t.STD_REF_OBJ),
            (b"full", 8, text),
            (b"clock", 11, h5t.UNIX_D32BE),
        ):
            kind.insert(name, place, part)
        items = [item.tobytes() + b"abc\1\2\3\4" for item in raw(file["refs"])]
        put(file, b"x", kind, np.array(items).view("V15"))
    copied(*paths)
    with h5py.File(paths[1], "r+") as file:
        after = raw(file["x"]).view("u1").reshape(2, 15)
        assert after[:, 8:].tobytes() == b"abc\1\2\3\4" * 2
        to = np.ascontiguousarray(after[:, :8]).view("V8")[:, 0]
        put(file, b"to", h5t.STD_REF_OBJ.copy(), to)
        assert [file[ref].name for ref in file["to"]] == ["/g", "/g/x"]


def test_many_references_are_translated(paths):
    count = 20_000
    with h5py.File(paths[0], "w") as file:
        refs = targets(file)
        file["refs"] = np.array(refs * (count // 4), h5py.ref_dtype)
    copied(*paths)
    with h5py.File(paths[1], "r") as file:
        found = file["refs"][count - 4 :]
        assert [file[ref].name for ref in found] == ["/g", "/g/x", "/g/text", "/type"]
