"""A result keeps the attributes of its input that still hold, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.api.notices import NotKept, UnappliedAttributes

# Each of these jobs warns that it takes the numbers as they are stored.
pytestmark = pytest.mark.filterwarnings("ignore::sharedcompute.api.notices.UnappliedAttributes")

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
def test_a_difference_of_packed_numbers_has_neither_packing_nor_units(
    op: str, packed: str, tmp_path: Path
) -> None:
    sc.reduce(op, packed, tmp_path / "out.h5")
    assert attributes(tmp_path / "out.h5", op) == {"note"}


@pytest.mark.parametrize("op", ["std", "sum"])
def test_a_difference_of_plain_numbers_keeps_its_units(op: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["t"] = np.arange(60.0).reshape(12, 5)
        file["t"].attrs.update(units="K", actual_range=[0.0, 59.0], note=1)
    sc.reduce(op, f"{tmp_path}/in.h5::/t", tmp_path / "out.h5")
    assert attributes(tmp_path / "out.h5", op) == {"units", "note"}


@pytest.mark.sample(2)
@pytest.mark.parametrize("op", ["count", "argmax", "var", "any"])
def test_a_count_has_no_kelvins(op: str, packed: str, tmp_path: Path) -> None:
    sc.reduce(op, packed, tmp_path / "out.h5")
    assert attributes(tmp_path / "out.h5", op) == {"note"}


def test_an_anomaly_is_not_unpacked_by_an_offset(packed: str, tmp_path: Path) -> None:
    sc.map("anomaly", packed, tmp_path / "out.h5")
    assert attributes(tmp_path / "out.h5", "t") == {"note"}
    sc.map("gaussian", packed, tmp_path / "smooth.h5", sigma=1.0)
    assert attributes(tmp_path / "smooth.h5", "t") == PACKING | UNITS | {"note"}


def test_packed_input_is_warned_of(packed: str) -> None:
    with pytest.warns(UnappliedAttributes, match=r"/t has scale_factor, add_offset, _FillValue"):
        sc.reduce("mean", packed)


def test_what_could_grow_still_can(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("t", data=np.arange(30.0).reshape(10, 3), maxshape=(None, 3))
    sc.map("scale", f"{tmp_path}/in.h5::/t", tmp_path / "out.h5", factor=2.0)
    with h5py.File(tmp_path / "out.h5", "r+") as file:
        file["t"].resize(12, axis=0)
        assert file["t"][:].tolist() == [
            *(np.arange(30.0).reshape(10, 3) * 2).tolist(),
            *[[0] * 3] * 2,
        ]


REFERENCE = "attribute seen_by of /x is left out: it refers to what is in the input's file"


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("job", "told"),
    [
        (lambda i, o: sc.map("scale", i, o, factor=2.0), [REFERENCE]),
        (lambda i, o: sc.reduce("max", i, o), [REFERENCE]),
        (lambda i, o: sc.repack(i, o, chunks="auto"), [REFERENCE]),
        (
            lambda i, o: sc.map("cast", i, o, dtype="i2"),
            ["attribute missing_value of /x is left out: int16 cannot hold its value", REFERENCE],
        ),
    ],
    ids=["map", "reduce", "repack", "cast"],
)
def test_an_attribute_that_cannot_be_kept_is_told(
    job: Callable[[str, Path], Any], told: list[str], tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "in.h5", "w", track_order=True) as file:
        file["x"] = np.arange(60.0).reshape(12, 5)
        file["x"].attrs.update(note=1, missing_value=1e20)
        file["x"].attrs["seen_by"] = file.create_group("detector").ref
    with pytest.warns(NotKept) as caught:
        job(f"{tmp_path}/in.h5::/x", tmp_path / "out.h5")
    assert sorted(str(w.message) for w in caught if w.category is NotKept) == sorted(told)
