"""decode_cf=True: packed and masked numbers are what xarray takes them for."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import sharedcompute as sc
from sharedcompute.hdf5.inspection.inspector import open_source

SHAPE = (13, 7)
Attributes = dict[str, Any]

f4, f8, i1, i2, i4, i8, u1 = (np.dtype(n).type for n in ("f4", "f8", "i1", "i2", "i4", "i8", "u1"))
NAN = f4(np.nan)

CASES: list[tuple[str, Attributes]] = [
    # A scale, an offset, both; of one dtype and of two.
    ("i1", {"scale_factor": f4(0.01)}),
    ("i2", {"scale_factor": f4(0.01), "add_offset": f4(273.15)}),
    ("i2", {"scale_factor": f8(0.01), "add_offset": f8(273.15)}),
    (">i2", {"scale_factor": f4(0.01), "add_offset": f8(273.15), "_FillValue": i2(7)}),
    ("i2", {"add_offset": f4(273.15)}),
    ("u2", {"scale_factor": i4(10), "add_offset": i4(3), "missing_value": np.uint16(7)}),
    ("i4", {"scale_factor": f4(0.01), "add_offset": f4(273.15), "_FillValue": i4(7)}),
    ("i4", {"scale_factor": f4(0.01)}),
    (">i4", {"scale_factor": f8(0.01), "missing_value": i4([7, 8])}),
    ("i8", {"scale_factor": f4(0.01), "add_offset": f4(273.15)}),
    ("u8", {"scale_factor": f8(1e-9), "_FillValue": np.uint64(7)}),
    ("f4", {"scale_factor": f4(0.01), "_FillValue": f4(7)}),
    ("f8", {"scale_factor": f4(0.01), "add_offset": f4(1)}),
    (">f8", {"scale_factor": f8(0.01), "_FillValue": f8(7)}),
    ("i2", {"scale_factor": np.array([0.01]), "_FillValue": np.array([7], "i2")}),
    # Fill values alone.
    ("i1", {"_FillValue": i1(7)}),
    ("u1", {"missing_value": u1(7)}),
    (">i2", {"_FillValue": i2(7), "missing_value": i2([7, 8, -3])}),
    ("i4", {"_FillValue": i4(7)}),
    ("u4", {"missing_value": np.uint32([7, 8])}),
    ("i8", {"_FillValue": i8(7)}),
    ("f4", {"_FillValue": f4(7)}),
    (">f4", {"_FillValue": f4(1e20), "missing_value": f4(7)}),
    ("f8", {"missing_value": f8([7, 8])}),
    # Fill values of another dtype, some of which no element can have.
    ("i2", {"missing_value": f8(7)}),
    ("i2", {"missing_value": f8([7.5, 1e20, np.inf])}),
    ("u1", {"_FillValue": i2(-1)}),
    ("f4", {"missing_value": i2(7)}),
    # NaN as a fill value: says nothing of whole numbers, and keeps the dtype of others.
    ("i2", {"_FillValue": NAN}),
    ("i2", {"_FillValue": NAN, "missing_value": i2(7)}),
    ("i2", {"_FillValue": NAN, "scale_factor": f8(0.01)}),
    ("f4", {"_FillValue": NAN}),
    ("f4", {"_FillValue": NAN, "scale_factor": f8(0.01), "add_offset": f8(273.15)}),
    ("f8", {"_FillValue": NAN, "scale_factor": f4(0.01)}),
    # Bytes that are meant with or without a sign.
    ("i1", {"_Unsigned": "true"}),
    ("i1", {"_Unsigned": "true", "_FillValue": i1(-1)}),
    (">i2", {"_Unsigned": "true", "scale_factor": f4(0.01), "_FillValue": i2(-1)}),
    ("i4", {"_Unsigned": "true", "scale_factor": f8(0.01), "add_offset": f8(1)}),
    ("i1", {"_Unsigned": "false", "_FillValue": i1(-1)}),
    ("u1", {"_Unsigned": "false"}),
    ("u1", {"_Unsigned": "false", "scale_factor": f4(0.5)}),
    ("f4", {"_Unsigned": "true", "_FillValue": f4(7)}),
    # Nothing to do.
    ("i2", {"units": "K"}),
]


def numbers(dtype: str) -> np.ndarray:
    """Numbers around those that the cases call missing, with the extremes of their dtype."""
    kind, rng = np.dtype(dtype), np.random.default_rng(3)
    if kind.kind == "f":
        x = rng.normal(size=SHAPE) * 100
        x.flat[:6] = np.nan, np.inf, -np.inf, -0.0, 1e20, 0.0
    else:
        info = np.iinfo(kind)
        x = rng.integers(max(info.min, -100), 101, SHAPE).astype(kind)
        x.flat[:2] = info.min, info.max
        x.flat[8] = -1 if info.min else info.max
    x.flat[6::9], x.flat[7::9] = 7, 8
    return x.astype(kind)


def write(path: Path, x: np.ndarray, attributes: Attributes, **stored: Any) -> str:
    with h5py.File(path, "w") as file:
        file.create_dataset("t", data=x, **stored).attrs.update(attributes)
    return f"{path}::/t"


def by_xarray(address: str) -> np.ndarray:
    file, _, path = address.partition("::/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"engine": "h5netcdf", "phony_dims": "sort", "decode_times": False}
        with xr.open_dataset(file, mask_and_scale=True, **options) as opened:
            return np.asarray(opened[path].values)


def same(x: np.ndarray, out: np.ndarray) -> None:
    out[...] = x


def bits(x: np.ndarray) -> list[list[int]]:
    """The bits of numbers, those of all NaN alike."""
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), x.dtype.type(np.nan), x)
    return x.view(f"u{x.itemsize}").tolist()


@pytest.mark.parametrize(("dtype", "attributes"), CASES, ids=str)
@pytest.mark.sample(12)
def test_decoded_numbers_are_xarrays_to_the_bit(
    dtype: str, attributes: Attributes, tmp_path: Path
) -> None:
    address = write(tmp_path / "in.nc", numbers(dtype), attributes)
    expected = by_xarray(address)
    got = sc.map(same, address, decode_cf=True)
    assert got.dtype == expected.dtype
    assert bits(got) == bits(expected)


@pytest.mark.parametrize(
    ("dtype", "attributes"),
    [
        ("i4", {"_FillValue": i4(-2147483647), "scale_factor": f4(0.5)}),
        ("f8", {"_FillValue": f8(1e20), "scale_factor": f4(0.5)}),
        ("f4", {"missing_value": f8(1e20)}),
        ("i1", {"_Unsigned": "true", "missing_value": i1(-1)}),
    ],
)
def test_a_fill_value_is_found_where_a_conversion_would_hide_it(
    dtype: str, attributes: Attributes, tmp_path: Path
) -> None:
    fill = attributes.get("_FillValue", attributes.get("missing_value"))
    x = np.array([[1, 2], [fill, 3]]).astype(dtype)
    got = sc.map(same, write(tmp_path / "in.nc", x, attributes), decode_cf=True)
    assert np.isnan(got).tolist() == [[False, False], [True, False]]


def test_a_whole_scale_gives_real_numbers(tmp_path: Path) -> None:
    x = np.array([[300, -7]], "i2")
    attributes = {"scale_factor": i1(2), "_FillValue": i2(-7)}
    got = sc.map(same, write(tmp_path / "in.nc", x, attributes), decode_cf=True)
    np.testing.assert_array_equal(got, [[600, np.nan]])


def test_half_precision_is_decoded_as_single(tmp_path: Path) -> None:
    attributes = {"_FillValue": np.float16(7)}
    address = write(tmp_path / "in.nc", numbers("f4").clip(-9, 9).astype("f2"), attributes)
    got = sc.map(same, address, decode_cf=True)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, by_xarray(address))


def test_complex_numbers_can_be_missing(tmp_path: Path) -> None:
    x = np.array([[1 + 2j, 3 - 1j]])
    got = sc.map(same, write(tmp_path / "in.h5", x, {"_FillValue": 3 - 1j}), decode_cf=True)
    np.testing.assert_array_equal(got.view("f8"), [[1, 2, np.nan, np.nan]])


def test_booleans_are_taken_as_0_and_1(tmp_path: Path) -> None:
    x = np.array([[True, False]])
    got = sc.map(same, write(tmp_path / "in.h5", x, {"scale_factor": f4(0.5)}), decode_cf=True)
    assert got.dtype == np.float32
    assert got.tolist() == [[0.5, 0.0]]


@pytest.mark.parametrize(
    ("dtype", "attributes", "said"),
    [
        ("i2", {"scale_factor": "0.1"}, "one number in the attribute scale_factor of .* '0.1'"),
        ("i2", {"scale_factor": [0.1, 0.2]}, r"one number .* got 0\.1, 0\.2"),
        ("i2", {"add_offset": h5py.Empty("f4")}, "one number .* got nothing"),
        ("i2", {"_FillValue": "missing"}, "numbers in the attribute _FillValue of .* 'missing'"),
        ("i2", {"missing_value": 1j}, "numbers in the attribute missing_value"),
        ("c8", {"scale_factor": 0.1}, "expected real data for the scale_factor"),
    ],
)
def test_attributes_that_are_no_numbers_are_an_error_in_one_line(
    dtype: str, attributes: Attributes, said: str, tmp_path: Path
) -> None:
    address = write(tmp_path / "in.nc", np.ones(SHAPE, dtype), attributes)
    with pytest.raises(sc.InputError, match=said) as caught:
        sc.reduce("mean", address, decode_cf=True)
    assert "\n" not in str(caught.value)
    with pytest.warns(UserWarning, match="as they are stored"):
        sc.reduce("mean", address)


def test_without_the_option_a_warning_names_it(tmp_path: Path) -> None:
    address = write(tmp_path / "in.nc", numbers("i2"), {"scale_factor": 0.1})
    with pytest.warns(UserWarning, match=r"as they are stored.*decode_cf=True"):
        sc.reduce("mean", address)


def test_arrays_in_memory_have_nothing_to_decode_and_it_says_so() -> None:
    with pytest.raises(sc.InputError, match="decode_cf: expected a dataset in a file"):
        sc.reduce("max", numbers("i2"), decode_cf=True)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A packed field with gaps, in chunks."""
    x = np.random.default_rng(5).integers(-999, 999, (500, 6, 7)).astype(">i2")
    x[np.random.default_rng(6).random(x.shape) < 0.1] = -32767
    file = tmp_path_factory.mktemp("packed") / "in.nc"
    attributes = {"scale_factor": 0.01, "add_offset": 273.15, "_FillValue": i2(-32767)}
    return write(file, x, attributes, chunks=(16, 6, 7), compression="gzip", fillvalue=-32767)


@pytest.mark.parametrize("op", ["mean", "std", "min", "max", "sum"])
def test_reductions_that_skip_nan_are_xarrays(op: str, packed: str) -> None:
    with xr.open_dataset(packed.partition("::")[0], engine="h5netcdf", phony_dims="sort") as opened:
        expected = getattr(opened.t, op)(opened.t.dims[0]).values
    got = sc.reduce(op, packed, decode_cf=True, skipna=True)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bits(packed: str) -> None:
    def job(**how: Any) -> list[Any]:
        rows = sc.map("anomaly", packed, skipna=True, decode_cf=True, block_rows=48, **how)
        found = sc.stats(packed, skipna=True, decode_cf=True, axis="rows", block_rows=48, **how)
        return [rows.tobytes(), *(array.tobytes() for array in found.values())]

    serial = job(engine="serial")
    assert job(engine="local", workers=1) == serial
    assert job(engine="local", workers=3) == serial


def test_chunks_that_hold_all_rows_give_the_same_numbers(packed: str, tmp_path: Path) -> None:
    with h5py.File(packed.partition("::")[0]) as file:
        x, attributes = file["t"][:], dict(file["t"].attrs)
    tall = write(tmp_path / "tall.nc", x, attributes, chunks=(len(x), 2, 3), compression="gzip")
    how = {"decode_cf": True, "skipna": True, "block_rows": 48, "engine": "local", "workers": 2}
    np.testing.assert_array_equal(sc.reduce("max", tall, **how), sc.reduce("max", packed, **how))


def test_parameters_given_as_addresses_are_decoded_too(packed: str, tmp_path: Path) -> None:
    frame = {"scale_factor": 0.5, "_FillValue": i2(0)}
    address = write(tmp_path / "mean.nc", np.arange(42, dtype="i2").reshape(6, 7), frame)
    mean = np.arange(42).reshape(6, 7) * 0.5
    mean[0, 0] = np.nan
    got = sc.map("anomaly", packed, mean=address, decode_cf=True)
    np.testing.assert_array_equal(got, by_xarray(packed) - mean)


def test_a_half_precision_parameter_is_decoded(packed: str, tmp_path: Path) -> None:
    address = write(tmp_path / "mean.nc", np.ones((6, 7), "f2"), {"_FillValue": np.float16(2)})
    got = sc.map("anomaly", packed, mean=address, decode_cf=True)
    np.testing.assert_array_equal(got, by_xarray(packed) - 1)


DESCRIBED = {
    "scale_factor": 0.01,
    "add_offset": 273.15,
    "_FillValue": i2(-1),
    "missing_value": i2(-1),
    "valid_range": i2([-9, 9]),
    "flag_values": i2([1, 2]),
    "_Unsigned": "false",
    "actual_range": [1.0, 2.0],
}


@pytest.mark.parametrize(
    ("op", "kept"),
    [
        ("mean", {"units", "note"}),
        ("std", {"units", "note"}),
        ("var", {"note"}),
        ("count", {"note"}),
    ],
)
def test_a_result_keeps_its_units_and_nothing_of_the_packing(
    op: str, kept: set[str], tmp_path: Path
) -> None:
    given = {**DESCRIBED, "units": "K", "note": 1}
    address = write(tmp_path / "in.nc", numbers("i2"), given, fillvalue=-1)
    sc.reduce(op, address, tmp_path / "out.nc", decode_cf=True)
    with h5py.File(tmp_path / "out.nc") as file:
        assert {n for n in file[op].attrs if not n.startswith("sharedcompute_")} == kept


def test_decoded_rows_are_read_by_xarray_as_the_input_is(tmp_path: Path) -> None:
    stored = {"chunks": (5, 7), "compression": "gzip", "fillvalue": 7}
    given = {"_FillValue": f4(7), "units": "K"}
    address = write(tmp_path / "in.nc", numbers("f4"), given, **stored)
    sc.map("clip", address, tmp_path / "out.nc", lower=-np.inf, decode_cf=True)
    np.testing.assert_array_equal(by_xarray(f"{tmp_path}/out.nc::/t"), by_xarray(address))
    with h5py.File(tmp_path / "out.nc") as file:
        assert file["t"].fillvalue == 0
        assert file["t"].chunks == (5, 7)
        assert '"decode_cf": true' in file["t"].attrs["sharedcompute_job"]


def test_equal_packings_are_equal_with_nan_and_for_each_dtype(tmp_path: Path) -> None:
    nan = {"_FillValue": NAN, "scale_factor": f4(0.5), "_Unsigned": "true"}
    one, other, double = (
        open_source(write(tmp_path / f"{i}.nc", numbers("f4"), given)).packing
        for i, given in enumerate([nan, nan, {**nan, "scale_factor": f8(0.5)}])
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one != double


def test_an_opened_dataset_gives_decoded_rows_and_stays_decoded(packed: str) -> None:
    lazy, expected = sc.open(packed, decode_cf=True), by_xarray(packed)
    assert (lazy.dtype, lazy.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(lazy[3:90:4, 1], expected[3:90:4, 1])
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(lazy))), expected)
    np.testing.assert_array_equal(sc.map(same, lazy), expected)
    for got in (
        sc.reduce("max", lazy, skipna=True),
        sc.stats(lazy, axis="rows", skipna=True)["max"],
    ):
        np.testing.assert_array_equal(got, np.nanmax(expected, axis=0))
    assert sc.open(packed).dtype == np.int16


@pytest.mark.parametrize(
    ("dtype", "attributes"),
    [
        ("f4", {"_FillValue": NAN}),
        ("f8", {"missing_value": [np.nan, np.nan]}),
        ("i2", {"_FillValue": NAN}),
        ("i2", {"_FillValue": i4(-99999), "missing_value": f8(7.5)}),
        ("u1", {"_FillValue": i2(-1)}),
        ("f4", {"_FillValue": f8(1e300)}),
        ("i2", {"scale_factor": 1.0, "add_offset": 0.0}),
        ("u2", {"_Unsigned": "true"}),
    ],
)
@pytest.mark.filterwarnings("error")
def test_attributes_that_change_no_number_are_not_warned_of(
    dtype: str, attributes: Attributes, tmp_path: Path
) -> None:
    address = write(tmp_path / "in.nc", np.ones(SHAPE, dtype), attributes)
    np.testing.assert_array_equal(sc.reduce("mean", address), np.ones(SHAPE[1]))
    np.testing.assert_array_equal(by_xarray(address), np.ones(SHAPE))


@pytest.mark.parametrize(
    ("dtype", "name", "value"),
    [
        ("f4", "_FillValue", f4(1e20)),
        ("i2", "missing_value", f8(-99)),
        ("i1", "_Unsigned", "true"),
        ("i2", "add_offset", 0.5),
        ("f8", "scale_factor", "one"),
    ],
)
def test_the_warning_names_only_attributes_that_can_change_a_number(
    dtype: str, name: str, value: Any, tmp_path: Path
) -> None:
    idle = {"scale_factor": 1.0, "add_offset": 0.0, "_FillValue": NAN, "missing_value": NAN}
    address = write(tmp_path / "in.nc", np.ones(SHAPE, dtype), {**idle, name: value})
    with pytest.warns(UserWarning, match=f"/t has {name}: its numbers"):
        sc.reduce("mean", address)
