"""A result keeps the attributes of its input that still hold, and no others."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc

PACKING = {"scale_factor", "add_offset", "_FillValue"}
UNITS = {"units", "standard_name"}


@pytest.fixture
def packed(tmp_path: Path) -> str:
    """Temperatures as 16-bit numbers, the way CF packs them."""
    with h5py.File(tmp_path / "packed.nc", "w") as file:
        t = file.create_dataset("t", data=np.arange(60, dtype="i2").reshape(12, 5))
        t.attrs.update(scale_factor=0.01, add_offset=273.15, units="K", standard_name="air", note=1)
        t.attrs["_FillValue"] = np.int16(-1)
    return f"{tmp_path}/packed.nc::/t"


def attributes(file: Path, path: str) -> set[str]:
    with h5py.File(file) as opened:
        return {name for name in opened[path].attrs if not name.startswith("sharedcompute_")}


@pytest.mark.parametrize("op", ["mean", "min", "max"])
def test_what_lies_on_the_scale_of_the_input_is_unpacked_as_the_input_is(
    op: str, packed: str, tmp_path: Path
) -> None:
    sc.reduce(op, packed, tmp_path / "out.h5")
    assert {"scale_factor", "add_offset", "units"} <= attributes(tmp_path / "out.h5", op)


@pytest.mark.parametrize("op", ["std", "sum"])
def test_a_difference_keeps_its_units_and_is_not_unpacked(
    op: str, packed: str, tmp_path: Path
) -> None:
    sc.reduce(op, packed, tmp_path / "out.h5")
    assert attributes(tmp_path / "out.h5", op) == UNITS | {"note"}


@pytest.mark.parametrize("op", ["count", "argmax", "var", "any"])
def test_a_count_has_no_kelvins(op: str, packed: str, tmp_path: Path) -> None:
    sc.reduce(op, packed, tmp_path / "out.h5")
    assert attributes(tmp_path / "out.h5", op) == {"note"}


def test_an_anomaly_is_not_unpacked_by_an_offset(packed: str, tmp_path: Path) -> None:
    sc.map("anomaly", packed, tmp_path / "out.h5")
    assert attributes(tmp_path / "out.h5", "t") == UNITS | {"note"}
    sc.map("gaussian", packed, tmp_path / "smooth.h5", sigma=1.0)
    assert attributes(tmp_path / "smooth.h5", "t") == PACKING | UNITS | {"note"}
