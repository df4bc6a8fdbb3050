"""Indexing lazy arrays is NumPy's, and reads no more than its box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import sharedcompute as sc
from sharedcompute.graph.node import Read, Select, ordered

SHAPE = (17, 4, 3)
X = np.arange(np.prod(SHAPE), dtype="f8").reshape(SHAPE)
ROW, MAP = np.arange(3.0), np.arange(12.0).reshape(4, 3)

EXPRESSIONS = {
    "what is read": (lambda x: x),
    "elementwise": (lambda x: np.sqrt(x + 1)),
    "with a row and a map": (lambda x: x * ROW - MAP),
    "with a column": (lambda x: x + x[:, :1, :1]),
    "less its mean over rows": (lambda x: x - x.mean(axis=0)),
    "less its mean along an axis": (lambda x: x - x.mean(axis=1, keepdims=True)),
    "in another order of axes": (lambda x: np.transpose(x * 2, (0, 2, 1)).transpose(0, 2, 1)),
    "moved and moved back": (lambda x: np.moveaxis(np.moveaxis(x, 0, -1), -1, 0)),
    "in another shape and back": (lambda x: (x + 1).reshape(17, 12).reshape(SHAPE)),
    "put together": (lambda x: np.concatenate([x[:, :2], x[:, 2:]], axis=1)),
    "a slice of a slice": (lambda x: np.flip(np.flip(x))),
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> sc.LazyArray:
    path = tmp_path_factory.mktemp("lazy") / "in.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X, chunks=(5, 4, 2), compression="gzip")
    return sc.open(path)


@pytest.mark.parametrize("name", EXPRESSIONS)
@given(hnp.basic_indices(SHAPE, allow_newaxis=True, allow_ellipsis=True))
@settings(deadline=None, max_examples=20)
def test_basic_indices_of_expressions_are_numpys(name: str, index: Any) -> None:
    make: Any = EXPRESSIONS[name]
    found, expected = make(sc.lazy(X))[index], make(X)[index]
    assert isinstance(found, sc.LazyArray)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-13)


@given(hnp.basic_indices(SHAPE), st.data())
@settings(deadline=None, max_examples=30)
def test_windows_of_windows_are_numpys(first: Any, data: Any) -> None:
    once = X[first]
    second = data.draw(hnp.basic_indices(once.shape)) if once.ndim else ()
    np.testing.assert_array_equal(sc.lazy(X)[first][second].compute(), once[second])


@pytest.mark.sample(1)
@given(hnp.basic_indices(SHAPE, allow_newaxis=True, allow_ellipsis=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_windows_of_files_are_numpys(opened: sc.LazyArray, index: Any) -> None:
    found = opened[index] * 2
    assert found.shape == (X[index] * 2).shape
    np.testing.assert_array_equal(found.compute(), X[index] * 2)


def test_a_window_goes_to_where_data_are_read(opened: sc.LazyArray) -> None:
    x: Any = (np.sqrt(opened + MAP) * opened[:, :1])[2:5, 1]
    sources = [n.op.source for n in ordered([x.node]) if isinstance(n.op, Read)]
    assert not any(
        isinstance(n.op, Select) and n.inputs[0].spec.rows == 17 for n in ordered([x.node])
    )
    assert [s.shape for s in sources if s.read_path != "memory"] == [(3, 3), (3, 3)]


def test_a_window_of_a_reduction_reduces_no_more(opened: sc.LazyArray) -> None:
    x = (opened * 2).mean(axis=0)[1:3, 0]
    (source,) = (n.op.source for n in ordered([x.node]) if isinstance(n.op, Read))
    assert source.shape == (17, 2)


@pytest.mark.parametrize(
    "index",
    [[1, 5, 2], np.arange(17) % 2 == 0, (slice(None), [0, 2]), True, X > 20, (X[0] > 3, 1)],
    ids=str,
)
def test_other_indices_are_computed_at_once(index: Any) -> None:
    for a in (X, X[:, :, 0]):
        try:
            expected = a[index]
        except IndexError:
            with pytest.raises(IndexError):
                sc.lazy(a)[index]
            continue
        np.testing.assert_array_equal(sc.lazy(a)[index].compute(), expected)


def test_indices_may_be_lazy_arrays() -> None:
    x = sc.lazy(X)
    np.testing.assert_array_equal(x[x > 20].compute(), X[X > 20])


@pytest.mark.parametrize("index", [17, -18, (0, 4), 1.5, "a", (0, 0, 0, 0), (..., ...)], ids=str)
def test_a_wrong_index_is_an_index_error(index: Any) -> None:
    with pytest.raises(IndexError):
        sc.lazy(X)[index]


def test_rows_are_gone_over(opened: sc.LazyArray) -> None:
    np.testing.assert_array_equal([float(row.sum()) for row in opened], X.sum(axis=(1, 2)))
    with pytest.raises(TypeError, match="0-d"):
        iter(opened.sum())


def test_what_is_left_out_is_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        data = file.create_dataset("x", (20, 3), "f8", chunks=(10, 3), compression="gzip")
        data[:] = 1
        data.id.write_direct_chunk((10, 0), b"no gzip")
    x = sc.open(tmp_path / "in.h5")
    assert float((x * 2)[:10].sum()) == 60
    with pytest.raises(sc.InputError, match=r"in\.h5"):
        x[5:15].compute()
