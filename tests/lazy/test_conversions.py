"""Lazy arrays become arrays and numbers where there is memory for them, and errors are one line."""

from __future__ import annotations

import math
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc

X = np.arange(12.0).reshape(3, 4)
LARGE = 600_000


@pytest.fixture
def huge(tmp_path: Path) -> sc.LazyArray:
    """Return a dataset that no memory holds, of which nothing is stored."""
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("x", (1 << 24, 1 << 20), "f8", chunks=(16, 1 << 12))
    return sc.open(tmp_path / "huge.h5")


def test_numbers() -> None:
    x = sc.lazy(X)
    assert float(x.mean()) == 5.5
    assert int(x.argmax()) == 11
    assert complex(x[0, 1]) == 1 + 0j
    assert math.sqrt(x[1, 0]) == 2
    assert [10, 20, 30][x[0, :1].astype("i4").sum()] == 10
    assert (x.max().item(), x[0].tolist()) == (11.0, [0.0, 1.0, 2.0, 3.0])
    assert 3.0 in x
    assert 3.5 not in x
    with pytest.raises(TypeError, match="one element"):
        float(x)
    with pytest.raises(TypeError, match="index"):
        [1, 2][x[0, 0]]


def test_a_truth_value_is_numpys() -> None:
    x = sc.lazy(X)
    assert x[0, 1]
    assert not x[:1, :1]
    with pytest.raises(ValueError, match=r"ambiguous: use x.any\(\) or x.all\(\)"):
        bool(x > 0)


def test_lengths() -> None:
    assert len(sc.lazy(X)) == 3
    with pytest.raises(TypeError, match="no dimensions"):
        len(sc.lazy(X).sum())


def test_arrays() -> None:
    x = sc.lazy(X) * 2
    assert np.asarray(x).dtype == "f8"
    assert np.asarray(x, dtype="f4").dtype == "f4"
    np.testing.assert_array_equal(np.array([*x]), X * 2)
    with pytest.raises(ValueError, match="always a copy"):
        np.array(x, copy=False)


def test_what_is_computed_is_the_callers_own() -> None:
    given = X.copy()
    x = sc.lazy(given)
    for made in (x, x[1:], x.T, x.reshape(-1), x + 0, x.astype("f8")):
        found = made.compute()
        found[...] = -1
    np.testing.assert_array_equal(given, X)


def test_shared_memory_is_not_copied() -> None:
    shared = sc.asarray(X)
    assert type(shared + 1) is not sc.LazyArray
    x = sc.lazy(shared)
    shared[0, 0] = 7
    assert float(x[0, 0]) == 7


@pytest.mark.parametrize("given", [X, X.tolist(), sc.lazy(X), X[::2, ::-1], X.astype(">f4"), 3.5])
def test_what_may_be_made_lazy(given: Any) -> None:
    np.testing.assert_array_equal(sc.lazy(given).compute(), np.asarray(given))


def test_datasets_of_h5py_may_be_made_lazy(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = X
    with h5py.File(tmp_path / "in.h5") as file:
        assert sc.lazy(file["x"])[1:].shape == (2, 4)
        np.testing.assert_array_equal(sc.lazy(file["x"])[1:].compute(), X[1:])


@pytest.mark.parametrize("given", [["a"], np.array([object()]), np.ma.masked_array(X, X > 3), None])
def test_what_holds_no_numbers_is_refused(given: Any) -> None:
    with pytest.raises(sc.InputError, match=r"^expected an array"):
        sc.lazy(given)


def test_several_are_computed_together() -> None:
    x = sc.lazy(X)
    mean, twice, plain = sc.compute(x.mean(axis=0), x * 2, X)
    np.testing.assert_array_equal(mean, X.mean(axis=0))
    np.testing.assert_array_equal(twice, X * 2)
    np.testing.assert_array_equal(plain, X)
    assert sc.compute() == ()


def test_expressions_travel_as_text_of_themselves() -> None:
    x = np.sqrt(sc.lazy(X) + 1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).compute(), np.sqrt(X + 1))


def test_a_long_chain_of_operations_is_no_matter() -> None:
    x = sc.lazy(X)
    for _ in range(3000):
        x = x + 1
    np.testing.assert_array_equal(x.compute(), X + 3000)
    assert len(repr(x)) < 250


def test_what_fits_no_memory_is_refused_with_its_bytes(huge: sc.LazyArray) -> None:
    for ask in (np.asarray, lambda x: np.asarray(x * 2), lambda x: (x + 1).compute()):
        with pytest.raises(sc.MemoryBudgetError, match=r"needs 140\.7 TB .* x\.store\(ADDRESS\)"):
            ask(huge)
    with pytest.raises(sc.MemoryBudgetError, match=r"numpy\.sort has no lazy form .* 140\.7 TB"):
        np.sort(huge, axis=0)
    with pytest.raises(sc.MemoryBudgetError, match="indexing with arrays"):
        huge[np.arange(3)]
    assert (huge + 1)[3:5, ::1000].shape == (2, 1049)


def test_memory_may_be_given() -> None:
    with pytest.raises(sc.MemoryBudgetError, match="was given"):
        sc.lazy(np.ones(LARGE)).compute(memory="1K")


def test_what_runs_in_this_process_says_so() -> None:
    with pytest.warns(sc.ComputedAtOnce, match=r"numpy\.median has no lazy form: .* 4\.8 MB"):
        assert float(np.median(sc.lazy(np.ones(LARGE)))) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.median(sc.lazy(X))


def test_options_are_checked() -> None:
    with pytest.raises(sc.InputError, match="workers"):
        sc.lazy(X).compute(workers=0)
    with pytest.raises(sc.InputError, match="schedule"):
        sc.lazy(X).compute(schedule="fast")  # type: ignore[arg-type]


def test_a_file_that_has_changed_is_described_anew(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = X
    x = sc.open(tmp_path / "in.h5") * 2
    with h5py.File(tmp_path / "in.h5", "r+") as file:
        file["x"][0] = 5
    np.testing.assert_array_equal(x.compute()[0], np.full(4, 10.0))
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = X[:2]
    with pytest.raises(sc.InputError, match=r"\(3, 4\) .* got \(2, 4\) .*: open it again"):
        x.compute()
    os.unlink(tmp_path / "in.h5")  # noqa: PTH108 - as users do
    with pytest.raises(sc.InputError, match=r"in\.h5"):
        x.compute()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: x.reshape(5, -1), r"as many elements as \(3, 4\), which has 12"),
        (lambda x: x.squeeze(0), "axes of length 1"),
        (lambda x: np.stack([x, x[0]]), r"\(3, 4\) and \(4,\)"),
        (lambda x: np.concatenate([x, x[:, 1:]]), r"\(3, 4\) and \(3, 3\)"),
        (lambda x: np.concatenate([]) if x is None else np.concatenate([x, x[0]]), "along axis 0"),
        (lambda x: np.average(x, axis=0, weights=[1, 2]), r"weights: .* got \(2,\)"),
        (lambda x: np.broadcast_to(x, (3, 5)), r"\(3, 4\) broadcasts to, got \(3, 5\)"),
        (lambda x: x.mean(where=X), "where: expected an array of bool"),
        (lambda x: x[:0].max(axis=0), "max of no elements"),
        (lambda x: x.transpose(0, 0), "repeated axis"),
    ],
)
def test_wrong_arguments_are_errors_before_anything_is_computed(make: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        make(sc.lazy(X))


def test_wrong_axes_are_numpys_errors() -> None:
    for make in (lambda x: x.mean(axis=2), lambda x: x.swapaxes(0, 5), lambda x: x.cumsum(axis=3)):
        with pytest.raises(np.exceptions.AxisError):
            make(sc.lazy(X))
