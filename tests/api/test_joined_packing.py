"""Files that are joined and packed each in its own way: what xarray makes of them, or refused."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import sharedcompute as sc

f4, f8, i1, i2, i4 = (np.dtype(n).type for n in ("f4", "f8", "i1", "i2", "i4"))

PACKED: dict[str, dict[str, Any]] = {
    "not packed": {},
    "single": {"scale_factor": f4(0.01), "add_offset": f4(273.15)},
    "double": {"scale_factor": f8(0.25), "add_offset": f8(-7.0), "_FillValue": i2(-9)},
    "offset": {"add_offset": f4(5)},
    "fill": {"_FillValue": i2(7)},
    "other fill": {"missing_value": i2(8)},
    "unsigned": {"_Unsigned": "true", "_FillValue": i2(-1)},
}


def rows_of(number: int, dtype: Any = "i2") -> np.ndarray:
    x = np.random.default_rng(number).integers(-12, 12, (3 + number, 4)).astype(dtype)
    x[0, :3] = 7, 8, -9
    return x


def write(folder: Path, packings: list[dict[str, Any]], dtype: Any = "i2", **stored: Any) -> str:
    for number, attributes in enumerate(packings):
        with h5py.File(folder / f"run_{number}.nc", "w") as file:
            x = file.create_dataset("t", data=rows_of(number, dtype), **stored)
            x.attrs.update(attributes)
            for axis, (name, n) in enumerate(zip(("time", "x"), x.shape, strict=True)):
                file[name] = np.arange(n)
                file[name].make_scale(name)
                x.dims[axis].attach_scale(file[name])
    return f"{folder}/run_*.nc::/t"


def by_xarray(address: str) -> np.ndarray:
    """All files as `xarray.open_mfdataset` joins them; each is opened and decoded by itself."""
    folder = Path(address.partition("::")[0]).parent
    files = sorted(folder.glob("run_*.nc"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = [xr.load_dataset(f, engine="h5netcdf", decode_times=False).t for f in files]
        joined = xr.concat(loaded, "time", join="override", coords="minimal", compat="override")
        return np.asarray(joined.values)


PAIRS = [*itertools.pairwise(PACKED), *itertools.pairwise(reversed(PACKED))]


@pytest.mark.slow
def test_each_file_is_decoded_by_its_own_attributes_as_in_xarray(tmp_path: Path) -> None:
    for first, second in PAIRS:
        address = write(tmp_path, [PACKED[first], PACKED[second]])
        expected = by_xarray(address)
        got = np.asarray(sc.open(address, decode_cf=True))
        assert got.dtype == expected.dtype, (first, second)
        np.testing.assert_array_equal(got, expected, err_msg=f"{first}, {second}")


def test_without_decoding_they_are_refused_and_both_are_named(tmp_path: Path) -> None:
    for first, second in PAIRS:
        address = write(tmp_path, [PACKED[first], PACKED[first], PACKED[second]])
        for use in (lambda: sc.reduce("mean", address), lambda: sc.open(address)):
            with pytest.raises(sc.InputError, match=r"run_0.*run_2.*decode_cf=True") as caught:
                use()
            assert "\n" not in str(caught.value)
    assert "run_0.nc has scale_factor 0.01 and" in str(caught.value)
    assert "run_2.nc has no scale_factor;" in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "packings"),
    [
        ("f4", [{}, {"_FillValue": f4(np.nan)}]),
        ("f8", [{"_FillValue": np.nan}, {"missing_value": np.nan}]),
        ("i2", [{"_FillValue": i2(7)}, {"missing_value": i2(7)}]),
        ("i2", [{"_FillValue": i2(7)}, {"_FillValue": i4(7)}]),
        ("i2", [{}, {"scale_factor": 1.0, "add_offset": 0.0}]),
        ("i2", [{}, {"_FillValue": i4(-99999)}]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*as they are stored")
def test_attributes_that_come_to_the_same_are_no_reason_to_refuse(
    dtype: str, packings: list[dict[str, Any]], tmp_path: Path
) -> None:
    address = write(tmp_path, packings, dtype)
    expected = np.concatenate([rows_of(0, dtype), rows_of(1, dtype)])
    np.testing.assert_array_equal(sc.reduce("sum", address), expected.sum(axis=0))
    np.testing.assert_array_equal(np.asarray(sc.open(address, decode_cf=True)), by_xarray(address))


@pytest.mark.parametrize("dtype", ["f2", ">i4", "f4"])
def test_other_dtypes_are_decoded_too(dtype: str, tmp_path: Path) -> None:
    address = write(tmp_path, [{}, {"scale_factor": f4(0.5)}, {"_FillValue": f8(7)}], dtype)
    got = np.asarray(sc.open(address, decode_cf=True))
    np.testing.assert_allclose(got, by_xarray(address), rtol=1e-6)


@pytest.mark.sample(1)
@pytest.mark.parametrize("stored", [{}, {"chunks": (2, 4), "compression": 4}, {"chunks": (3, 1)}])
def test_jobs_give_the_same_bits_with_any_engine(
    stored: dict[str, Any], team: sc.Team, tmp_path: Path
) -> None:
    address = write(tmp_path, [PACKED["single"], PACKED["double"], PACKED["fill"]], **stored)
    expected = by_xarray(address)
    how: dict[str, Any] = {"decode_cf": True, "skipna": True, "block_rows": 4}
    alone = sc.reduce("mean", address, engine="serial", **how)
    np.testing.assert_allclose(alone, np.nanmean(expected, axis=0), rtol=1e-12)
    assert sc.reduce("mean", address, team=team, **how).tobytes() == alone.tobytes()
    sc.map("anomaly", address, tmp_path / "out.nc", team=team, **how)
    with h5py.File(tmp_path / "out.nc") as out:
        np.testing.assert_allclose(out["t"], expected - alone, rtol=1e-12)
        assert not {"scale_factor", "add_offset", "_FillValue"} & {*out["t"].attrs}


def test_an_array_parameter_may_be_such_files(tmp_path: Path) -> None:
    address = write(tmp_path, [PACKED["single"], PACKED["double"]])
    x = np.zeros((2, *by_xarray(address).shape))
    with pytest.raises(sc.InputError, match=r"run_0.*run_1.*decode_cf=True"):
        sc.map("anomaly", x, mean=address)
    got = sc.map("anomaly", x, mean=address, decode_cf=True)
    np.testing.assert_array_equal(got[0], -by_xarray(address))


def test_sources_of_a_virtual_dataset_are_read_as_hdf5_does_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path, [PACKED["single"], PACKED["double"]])
    layout = h5py.VirtualLayout((7, 4), "i2")
    layout[:3] = h5py.VirtualSource(tmp_path / "run_0.nc", "t", (3, 4))
    layout[3:] = h5py.VirtualSource(tmp_path / "run_1.nc", "t", (4, 4))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("t", layout)
    for how in ({}, {"decode_cf": True}):
        with pytest.warns(UserWarning, match="run_0.*run_1.*differ in _?[a-z_A-Z]+: .*as HDF5"):
            got = sc.reduce("max", f"{tmp_path}/v.h5::/t", **how)
        np.testing.assert_array_equal(got, np.concatenate([rows_of(0), rows_of(1)]).max(axis=0))
