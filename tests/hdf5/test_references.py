from __future__ import annotations

import h5py
import numpy as np
import pytest
from h5py import h5a, h5d, h5p, h5s, h5t

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
    _, warnings = copied(*paths, choose)
    same(*paths)
    assert not warnings
    assert differences(*paths) == ""
    with h5py.File(paths[1], "r") as file:
        assert [file[ref].name for ref in file["rows"][0]] == ["/g", "/g/x", "/g/text", "/type"]
        assert [bool(ref) for ref in file["some"][2:6]] == [False, True, True, False]


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
        mixed = np.dtype([("n", "i2"), ("part", h5py.regionref_dtype), ("to", h5py.ref_dtype)])
        file["mixed"] = np.array([(1, regions[2], x.ref)], mixed)
        rows = file.create_dataset("rows", (2,), h5py.vlen_dtype(h5py.regionref_dtype))
        rows[1] = np.array(regions[1:], h5py.regionref_dtype)
    _, warnings = copied(*paths)
    same(*paths)
    assert not warnings
    assert differences(*paths) == ""
    with h5py.File(paths[1], "r") as file:
        assert file["g/x"].regionref.selection(file["regions"][0]) == (2, 3)
        assert file[file["rows"][1][1]].name == "/g/x"


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
        refs = targets(file)
        kind = h5t.create(h5t.COMPOUND, 8 + 3 + 4)
        kind.insert(b"to", 0, h5t.STD_REF_OBJ)
        text = h5t.C_S1.copy()
        text.set_size(3)
        kind.insert(b"full", 8, text)
        kind.insert(b"clock", 11, h5t.UNIX_D32BE)
        made = h5d.create(file.id, b"x", kind, h5s.create_simple((2,)))
        refs = np.array(refs[:2], h5py.ref_dtype)
        file["refs"] = refs
        raw = np.empty(2, "V8")
        file["refs"].id.read(h5s.ALL, h5s.ALL, raw, h5t.STD_REF_OBJ.copy())
        items = np.array([item.tobytes() + b"abc\1\2\3\4" for item in raw])
        made.write(h5s.ALL, h5s.ALL, items.view("V15"), kind)
    copied(*paths)
    dumps = [tool("h5dump", "-d", "/x", path).split("\n", 1)[1] for path in paths]
    assert "abc" in dumps[0]
    assert dumps[0].count("g/x") == dumps[1].count("g/x")
    with h5py.File(paths[1], "r") as file:
        after = np.empty(2, "V15")
        dataset = file["x"].id
        dataset.read(h5s.ALL, h5s.ALL, after, dataset.get_type().copy())
        assert [item.tobytes()[8:] for item in after] == [b"abc\1\2\3\4"] * 2


def test_many_references_are_translated(paths):
    count = 20_000
    with h5py.File(paths[0], "w") as file:
        refs = targets(file)
        file["refs"] = np.array(refs * (count // 4), h5py.ref_dtype)
    copied(*paths)
    with h5py.File(paths[1], "r") as file:
        found = file["refs"][count - 4 :]
        assert [file[ref].name for ref in found] == ["/g", "/g/x", "/g/text", "/type"]


def test_hdf5_s_new_references_are_null_and_warned_of(paths):
    with h5py.File(paths[0], "w", libver="latest") as file:
        assert h5a and h5p and file
