"""Boxes that several threads read have the numbers that h5py reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError
from sharedcompute.hdf5.reading import in_threads

SHAPE = (37, 20, 30)

LAYOUTS: dict[str, dict[str, Any]] = {
    "gzip": {"chunks": (4, 7, 30), "compression": "gzip", "shuffle": True},
    "plain chunks": {"chunks": (5, 20, 11)},
    "contiguous": {},
    "left to HDF5": {"chunks": (4, 7, 30), "scaleoffset": 0},
}

WINDOWS: dict[str, tuple[Any, ...]] = {
    "all": (...,),
    "rows": (slice(3, 30),),
    "every third row": (slice(None, None, 3),),
    "backwards": (slice(30, 2, -2), slice(None), slice(None, None, -1)),
    "a column": (slice(None), 5, slice(3, 9)),
}


@pytest.fixture(autouse=True)
def in_three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a box is."""
    monkeypatch.setenv("SHAREDCOMPUTE_WORKERS", "3")
    monkeypatch.setattr(in_threads, "FROM_NBYTES", 1)


def write(path: Path, **storage: Any) -> np.ndarray[Any, Any]:
    x = np.arange(np.prod(SHAPE), dtype="i4").reshape(SHAPE)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, **storage)
    return x


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_are_those_of_numpy(tmp_path: Path, layout: str, window: str) -> None:
    x = write(tmp_path / "in.h5", **LAYOUTS[layout])
    key = WINDOWS[window]
    found = np.asarray(sc.open(f"{tmp_path}/in.h5::/x")[key])
    np.testing.assert_array_equal(found, x[key])


def test_files_that_are_joined(tmp_path: Path) -> None:
    parts = [write(tmp_path / f"run_{n}.h5", **LAYOUTS["gzip"]) for n in (1, 2)]
    found = np.asarray(sc.open(f"{tmp_path}/run_*.h5::/x"))
    np.testing.assert_array_equal(found, np.concatenate(parts))


def test_where_chunks_lie_is_asked_again_of_a_file_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "in.h5"
    x = write(path, **LAYOUTS["gzip"])
    address = f"{path}::/x"
    np.testing.assert_array_equal(np.asarray(sc.open(address)), x)
    path.unlink()
    with h5py.File(path, "w") as file:
        file["first"] = np.zeros(1000)
        file.create_dataset("x", data=x + 1, **LAYOUTS["gzip"])
    np.testing.assert_array_equal(np.asarray(sc.open(address)), x + 1)


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.h5"
    write(path, **LAYOUTS["gzip"])
    with h5py.File(path) as file:
        chunk = file["x"].id.get_chunk_info_by_coord((8, 7, 0))
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    with pytest.raises(InputError, match=r"chunk at \(8, 7, 0\)"):
        np.asarray(sc.open(f"{path}::/x"))
