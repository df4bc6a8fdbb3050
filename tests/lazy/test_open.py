"""sc.open: a dataset as a lazy array, which indexes as NumPy does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

import sharedcompute as sc

SHAPE = (17, 4, 3)
X = np.arange(np.prod(SHAPE), dtype="f8").reshape(SHAPE)


@pytest.fixture(scope="module", params=["contiguous", "gzip", "big-endian"])
def lazy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> sc.LazyArray:
    path = tmp_path_factory.mktemp("lazy") / "in.h5"
    packed = {"chunks": (5, 4, 2), "compression": "gzip"} if request.param == "gzip" else {}
    stored = X.astype(">f8") if request.param == "big-endian" else X
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=stored, **packed)
    return sc.open(path)


@pytest.mark.sample(1)
@given(hnp.basic_indices(SHAPE, allow_newaxis=True, allow_ellipsis=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_basic_indices_are_numpys(lazy: sc.LazyArray, index: Any) -> None:
    np.testing.assert_array_equal(lazy[index], X[index])
    assert np.shape(lazy[index]) == np.shape(X[index])


@pytest.mark.parametrize(
    "index",
    [[1, 5, 2], np.arange(17) % 2 == 0, (slice(None), [0, 2]), True, np.int8(-1), (), Ellipsis],
    ids=str,
)
def test_other_indices_are_numpys(lazy: sc.LazyArray, index: Any) -> None:
    np.testing.assert_array_equal(lazy[index], X[index])
    assert np.shape(lazy[index]) == np.shape(X[index])


@pytest.mark.parametrize("index", [17, -18, (0, 4), 1.5, "a", (0, 0, 0, 0)], ids=str)
def test_a_wrong_index_is_an_index_error(lazy: sc.LazyArray, index: Any) -> None:
    with pytest.raises(IndexError):
        lazy[index]


def test_it_has_what_an_array_has(lazy: sc.LazyArray) -> None:
    assert (lazy.shape, lazy.dtype, lazy.ndim, len(lazy)) == (SHAPE, X.dtype, 3, 17)
    assert "in.h5::/x" in repr(lazy)
    np.testing.assert_array_equal(np.asarray(lazy, dtype="f4"), X.astype("f4"))
    np.testing.assert_array_equal([float(row.sum()) for row in lazy], X.sum(axis=(1, 2)))
    with pytest.raises(ValueError, match="always a copy"):
        np.array(lazy, copy=False)


def test_rows_are_the_callers_own(lazy: sc.LazyArray) -> None:
    rows = np.asarray(lazy[2:4])
    rows[...] = -1
    np.testing.assert_array_equal(lazy[2:4], X[2:4])


def test_it_pickles_and_keeps_no_file_open(lazy: sc.LazyArray) -> None:
    again = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(again[...], X)
    with h5py.File(lazy.source.file, "r+") as file:
        assert file["x"].shape == SHAPE


def test_the_only_array_needs_no_path(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = X, X
    with pytest.raises(sc.InputError, match="choose /a, /b"):
        sc.open(tmp_path / "two.h5")


def test_a_file_is_described_once_as_long_as_it_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        file["x"] = X
        file["x"].attrs["levels"] = [1, 2]
    x = sc.open(path)
    assert list(x.attrs["levels"]) == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        x.attrs["levels"][0] = 7
    with h5py.File(path, "r+") as file:
        file["x"].attrs["levels"] = [3, 4]
    assert list(x.attrs["levels"]) == [3, 4]
    monkeypatch.setattr("sharedcompute.hdf5.inspection.description.run_sandboxed", lambda *_: 1 / 0)
    assert list(x.attrs["levels"]) == [3, 4]
