from __future__ import annotations

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest

from sharedcompute.hdf5.copying.metadata import copy_metadata
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.writing.output import OutputFile
from sharedcompute.hdf5.writing.sink import create, sink_like


def result(source, output, path, *, drop_axis0=False, dtype="f8"):
    """A result of ones, with the metadata of its input."""
    shape = source.shape[1:] if drop_axis0 else source.shape
    created = create(sink_like(source, path, shape, np.dtype(dtype)), output)
    created.write(np.ones(shape, dtype))
    axes = range(len(source.shape))[int(drop_axis0) :]
    copy_metadata(source, created.dataset, axes=axes, file_attributes=output.fresh)
    return created.dataset


@pytest.fixture
def path(tmp_path):
    """A field (time, lat, lon) in a group, with scales in and above it, as netCDF-4 has them."""
    file = tmp_path / "in.nc"
    with h5py.File(file, "w", track_order=True) as opened:
        opened.attrs["Conventions"] = "CF-1.8"
        opened.attrs["_NCProperties"] = "version=2"
        opened["lon"] = np.linspace(0, 350, 5, dtype=">f4")
        opened["lon"].attrs["units"] = "degrees_east"
        group = opened.create_group("model")
        group["time"] = np.arange(6.0)
        group["time"].attrs["bounds"] = np.bytes_("time_bnds")
        group["lat"] = np.array([1.0, 2.0, 3.0, 4.0])
        group["lat"].attrs["bounds"] = "lat_bnds"
        group["nv"] = np.zeros(2)
        group["time_bnds"] = np.zeros((6, 2))
        group["lat_bnds"] = np.zeros((4, 2))
        group["lat_bnds"].attrs["about"] = "edges"
        group["age"] = np.arange(6)
        group["area"] = np.ones((4, 5))
        group["crs"] = np.int32(0)
        group["crs"].attrs["grid_mapping_name"] = "latitude_longitude"
        field = group.create_dataset("t", data=np.zeros((6, 4, 5), "f4"), chunks=(2, 4, 5))
        field.attrs["coordinates"] = "age area"
        field.attrs["grid_mapping"] = "crs"
        named = {"time": "time", "lat": "lat", "nv": "This is a netCDF dimension but not a netCDF"}
        for name, text in named.items():
            group[name].make_scale(text)
        opened["lon"].make_scale("lon")
        scales = [group["time"], group["lat"], opened["lon"]]
        for axis, scale in enumerate(scales):
            field.dims[axis].attach_scale(scale)
        field.dims[1].label = "latitude"
        for name in ("time", "lat"):
            group[f"{name}_bnds"].dims[0].attach_scale(group[name])
            group[f"{name}_bnds"].dims[1].attach_scale(group["nv"])
        group["age"].dims[0].attach_scale(group["time"])
        group["area"].dims[0].attach_scale(group["lat"])
        group["area"].dims[1].attach_scale(opened["lon"])
    return file


def scale_names(dataset):
    return [[scale.name for scale in dim.values()] for dim in dataset.dims]


def test_a_result_keeps_scales_bounds_and_companions(path, tmp_path):
    source = open_source(f"{path}::/model/t")
    with OutputFile(str(tmp_path / "o.nc")) as output:
        result(source, output, "/out/anomaly")
        output.commit()
    with h5py.File(tmp_path / "o.nc", "r") as file:
        out = file["out"]
        assert scale_names(out["anomaly"]) == [["/out/time"], ["/out/lat"], ["/out/lon"]]
        assert out["anomaly"].dims[1].label == "latitude"
        assert out["anomaly"].attrs["coordinates"] == "age area"
        assert out["anomaly"].attrs["grid_mapping"] == "crs"
        assert out["crs"].attrs["grid_mapping_name"] == "latitude_longitude"
        assert out["lon"].dtype == np.dtype(">f4")
        assert out["lon"].attrs["units"] == "degrees_east"
        assert out["time"].attrs["bounds"] == b"time_bnds"
        assert scale_names(out["lat_bnds"]) == [["/out/lat"], ["/out/nv"]]
        assert out["lat_bnds"].attrs["about"] == "edges"
        assert out["nv"].attrs["NAME"].startswith(b"This is a netCDF dimension")
        assert scale_names(out["area"]) == [["/out/lat"], ["/out/lon"]]
        assert file.attrs["Conventions"] == "CF-1.8"
        assert "_NCProperties" not in file.attrs


def test_a_reduction_leaves_out_what_belongs_to_rows(path, tmp_path):
    source = open_source(f"{path}::/model/t")
    with OutputFile(str(tmp_path / "o.nc")) as output:
        result(source, output, "/mean", drop_axis0=True)
        output.commit()
    with h5py.File(tmp_path / "o.nc", "r") as file:
        assert scale_names(file["mean"]) == [["/lat"], ["/lon"]]
        assert file["mean"].dims[0].label == "latitude"
        assert file["mean"].attrs["coordinates"] == "area"
        assert not {"time", "time_bnds", "age"} & set(file)


def test_a_second_result_uses_the_scales_of_the_first(path, tmp_path):
    source = open_source(f"{path}::/model/t")
    with OutputFile(str(tmp_path / "o.nc")) as output:
        result(source, output, "/a")
        result(source, output, "/mean", drop_axis0=True)
        output.commit()
    with OutputFile(f"{tmp_path / 'o.nc'}::/b") as output:
        result(source, output, "/b")
        output.commit()
    with h5py.File(tmp_path / "o.nc", "r") as file:
        assert scale_names(file["b"]) == scale_names(file["a"]) == [["/time"], ["/lat"], ["/lon"]]
        assert not [name for name in file if "_1" in name]


def test_another_scale_of_the_same_name_gets_a_number(path, tmp_path):
    with OutputFile(str(tmp_path / "o.nc")) as output:
        result(open_source(f"{path}::/model/t"), output, "/a")
        output.commit()
    with h5py.File(path, "a") as file:
        file["model/lat"][0] = -5
    with OutputFile(f"{tmp_path / 'o.nc'}::/b") as output:
        result(open_source(f"{path}::/model/t"), output, "/b")
        output.commit()
    with h5py.File(tmp_path / "o.nc", "r") as file:
        assert scale_names(file["b"])[1] == ["/lat_1"]
        assert file["lat_1"][0] == -5
        assert file["lat_1"].attrs["NAME"] == b"lat_1"


def test_file_attributes_go_to_new_files_only(path, tmp_path):
    with h5py.File(tmp_path / "o.nc", "w") as file:
        file["x"] = 1
    with OutputFile(f"{tmp_path / 'o.nc'}::/b") as output:
        result(open_source(f"{path}::/model/t"), output, "/b")
        output.commit()
    with h5py.File(tmp_path / "o.nc", "r") as file:
        assert "Conventions" not in file.attrs


def test_attributes_of_every_type_are_kept(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        x = file.create_dataset("x", data=np.zeros((3, 2)))
        given = {
            "text": "größe",
            "fixed": np.bytes_("360_day"),
            "texts": np.array(["a", "bb"], h5py.string_dtype()),
            "number": np.float32(1.5),
            "big": np.arange(3, dtype=">i4"),
            "matrix": np.ones((2, 2)),
            "flag": True,
            "complex": 1 + 2j,
            "pair": np.array((1, 2.0), [("a", "i4"), ("b", "f8")]),
            "none": h5py.Empty("f4"),
            "empty": np.zeros(0),
            "large": np.zeros(20_000),
        }
        for name, value in given.items():
            if name == "large":
                continue
            x.attrs[name] = value
        x.attrs.create("colour", 1, dtype=h5py.enum_dtype({"RED": 0, "BLUE": 1}))
        x.attrs.create("ragged", [np.arange(2), np.arange(3)], dtype=h5py.vlen_dtype("i4"))
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(7)
        kind.set_strpad(h5py.h5t.STR_NULLTERM)
        low = h5py.h5a.create(x.id, b"netcdf", kind, h5py.h5s.create(h5py.h5s.SCALAR))
        low.write(np.array(b"360_day").view("V7"), mtype=kind)
        x.attrs["ref"] = x.ref
        x.attrs["sharedcompute_job"] = "{}"
    source = open_source(tmp_path / "in.h5")
    with OutputFile(str(tmp_path / "o.h5")) as output:
        result(source, output, "/y")
        output.commit()
    with h5py.File(tmp_path / "in.h5") as old, h5py.File(tmp_path / "o.h5") as new:
        for name, value in old["x"].attrs.items():
            if name in ("ref", "sharedcompute_job"):
                assert name not in new["y"].attrs
                continue
            copied = new["y"].attrs[name]
            if name == "ragged":
                assert [part.tolist() for part in copied] == [[0, 1], [0, 1, 2]]
            elif name == "none":
                assert copied == value
            else:
                np.testing.assert_array_equal(copied, value)
            types = [h5py.h5a.open(item.id, name.encode()).get_type() for item in (
                old["x"], new["y"])]  # fmt: skip
            assert types[0] == types[1], name


def test_a_fill_attribute_takes_the_dtype_of_the_result(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        x = file.create_dataset("x", data=np.zeros((3, 2), "f4"))
        x.attrs["_FillValue"] = np.float32(-999)
        x.attrs["missing_value"] = np.float32(1e20)
    source = open_source(tmp_path / "in.h5")
    with OutputFile(str(tmp_path / "o.h5")) as output:
        wide = result(source, output, "/wide")
        narrow = result(source, output, "/narrow", dtype="i4")
        assert wide.attrs["_FillValue"].dtype == np.dtype("f8")
        assert narrow.attrs["_FillValue"] == -999
        assert narrow.attrs["_FillValue"].dtype == np.dtype("i4")
        assert "missing_value" not in narrow.attrs


def test_a_string_companion_with_a_fill_value_is_kept(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        x = file.create_dataset("x", data=np.zeros((3, 2)))
        x.attrs["coordinates"] = "name"
        file.create_dataset("name", data="alpha", dtype=h5py.string_dtype(), fillvalue=b"none")
    with OutputFile(str(tmp_path / "o.h5")) as output:
        result(open_source(f"{tmp_path / 'in.h5'}::x"), output, "/y")
        output.commit()
    with h5py.File(tmp_path / "o.h5", "r") as file:
        assert file["name"][()] == b"alpha"


def demo_file():
    found = importlib.util.find_spec("iris_sample_data")
    if found is None or found.origin is None:
        pytest.skip("iris-sample-data is not installed")
    return Path(found.origin).parent / "sample_data" / "A1B_north_america.nc"


def test_xarray_opens_a_result_with_its_coordinates(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    source = open_source(demo_file())
    assert source.path == "/air_temperature"
    with OutputFile(str(tmp_path / "o.nc")) as output:
        result(source, output, "/anomaly", dtype="f4")
        result(source, output, "/mean", drop_axis0=True)
        output.commit()
    # Its calendar has 360 days, which needs another package to decode.
    options = {"engine": "h5netcdf", "decode_times": False}
    with (
        xarray.open_dataset(demo_file(), **options) as old,
        xarray.open_dataset(tmp_path / "o.nc", **options) as new,
    ):
        assert new.anomaly.dims == ("time", "latitude", "longitude")
        assert new["mean"].dims == ("latitude", "longitude")
        assert set(new.anomaly.coords) == set(old.air_temperature.coords)
        for name, coordinate in old.air_temperature.coords.items():
            xarray.testing.assert_identical(new.anomaly.coords[name], coordinate)
        assert set(new["mean"].coords) == {
            "latitude", "longitude", "height", "forecast_reference_time",
        }  # fmt: skip
        assert new.attrs["Conventions"] == old.attrs["Conventions"]
        assert new.anomaly.attrs["units"] == "K"
