"""Lazy arrays in files, and large ones in memory, run as jobs: to the bits of small ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc

RNG = np.random.default_rng(5)
SHAPE = (60, 9, 8)
U = RNG.normal(size=SHAPE).astype("f4")
V = RNG.integers(-50, 50, SHAPE, "i2")
MAP = RNG.random(SHAPE[1:])
Make = Callable[[Any, Any], Any]

EXPRESSIONS: dict[str, Make] = {
    "speed": lambda u, v: np.sqrt(u**2 + v**2),
    "chosen": lambda u, v: np.where(u > v, u - v, (u + v) / 2),
    "with a map and a column": lambda u, v: (u * MAP + v[:, :1]) / (1 + np.abs(u)),
    "anomaly": lambda u, v: (u - u.mean(axis=0)) * 2,
    "of a mean along an axis": lambda u, v: u - u.mean(axis=1, keepdims=True),
    "spread of an anomaly": lambda u, v: (u * 2 - u.mean(axis=0)).std(axis=(0, 2)),
    "a mean of all": lambda u, v: (u + v).mean(),
    "a mean along the last axis": lambda u, v: (u + v).mean(axis=-1),
    "whole numbers": lambda u, v: (v * 3).sum(axis=(0, 1)),
    "a window": lambda u, v: (u + v)[10:40, :, ::2],
    "differences": lambda u, v: v[1:] - v[:-1],
    "differences of squares": lambda u, v: np.diff(u**2, axis=0),
    "in another order": lambda u, v: np.transpose(u * 2, (0, 2, 1)),
    "side by side": lambda u, v: np.concatenate([u, v], axis=2),
    "in another shape": lambda u, v: (u + 1).reshape(60, -1),
    "a running sum": lambda u, v: np.cumsum(u + v, axis=0),
    "columns first": lambda u, v: (u + v).T,
    "one after the other": lambda u, v: np.concatenate([u * 2, v], axis=0),
    "a product": lambda u, v: (u + 0.5) @ np.ones((8, 3)),
    "a number beside rows": lambda u, v: u / np.abs(u).max(),
}


@pytest.fixture(scope="module", params=["gzip", "contiguous"])
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[sc.LazyArray, sc.LazyArray]:
    path = tmp_path_factory.mktemp("jobs") / "in.h5"
    gzip = {"compression": "gzip"} if request.param == "gzip" else {}
    with h5py.File(path, "w") as file:
        file.create_dataset("u", data=U, chunks=(7, 9, 8) if gzip else None, **gzip)
        file.create_dataset("v", data=V, chunks=(11, 4, 8) if gzip else None, **gzip)
    return sc.open(f"{path}::/u"), sc.open(f"{path}::/v")


@pytest.fixture(scope="module")
def team() -> Iterator[sc.Team]:
    made = sc.Team(workers=2)
    with made:
        yield made


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_of_files_are_numpys(
    name: str, opened: tuple[sc.LazyArray, sc.LazyArray], team: sc.Team
) -> None:
    made = EXPRESSIONS[name](*opened)
    expected = EXPRESSIONS[name](U, V)
    found = made.compute()
    assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(made.compute(team=team), found)
    np.testing.assert_array_equal(made.compute(team=team, schedule="static"), found)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_small_arrays_have_the_bits_of_jobs(name: str) -> None:
    made = EXPRESSIONS[name](sc.lazy(U), sc.lazy(V))
    at_once, by_a_job = made.compute(), made.compute(engine="serial")
    assert at_once.dtype == by_a_job.dtype
    np.testing.assert_array_equal(at_once, by_a_job)


def test_operations_are_lazy(opened: tuple[sc.LazyArray, sc.LazyArray]) -> None:
    u, _ = opened
    smooth = sc.ops.gaussian(u, sigma=1.5)
    assert isinstance(smooth, sc.LazyArray)
    np.testing.assert_array_equal(smooth.compute(), sc.ops.gaussian(U, sigma=1.5))
    found = (u - smooth)[5:50].std(axis=0).compute()
    np.testing.assert_allclose(found, (U - sc.ops.gaussian(U, sigma=1.5))[5:50].std(axis=0), 1e-4)
    assert sc.ops.mean(u).shape == (9, 8)
    assert sc.ops.mean(u, axis="all").shape == ()
    assert isinstance(sc.ops.mean(u, workers=1), np.ndarray)
    with pytest.raises(sc.InputError, match="did you mean 'sigma'"):
        sc.ops.gaussian(u, sigmma=2)  # type: ignore[call-overload]


def test_functions_take_expressions(opened: tuple[sc.LazyArray, sc.LazyArray]) -> None:
    u, v = opened
    np.testing.assert_allclose(sc.reduce("mean", u + v), (U + V).mean(axis=0), 1e-5, 1e-5)
    np.testing.assert_allclose(sc.map("scale", u * 2, factor=2.0), U * 4)
    np.testing.assert_array_equal(sc.reduce("max", u[5:9]), U[5:9].max(axis=0))


def test_a_dataset_is_stored(opened: tuple[sc.LazyArray, sc.LazyArray], tmp_path: Path) -> None:
    u, v = opened
    made = (u * v).store(f"{tmp_path}/out.h5::/uv", filter="gzip:1", chunks=(10, 9, 8))
    assert (made.shape, made.chunks) == (SHAPE, (10, 9, 8))
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["uv"][()], U * V)
    with pytest.raises(sc.OutputExists):
        (u * v).store(f"{tmp_path}/out.h5::/uv")
    (u * v * 2).store(f"{tmp_path}/out.h5::/uv", overwrite=True)
    np.testing.assert_array_equal(made.compute(), U * V * 2)


def test_several_are_stored_together(
    opened: tuple[sc.LazyArray, sc.LazyArray], tmp_path: Path
) -> None:
    u, v = opened
    out = f"{tmp_path}/out.h5"
    made = sc.store({f"{out}::/a": u + v, f"{out}::/of/mean": (u + v).mean(axis=0)})
    assert list(made) == [f"{out}::/a", f"{out}::/of/mean"]
    np.testing.assert_array_equal(made[f"{out}::/a"].compute(), U + V)
    np.testing.assert_allclose(made[f"{out}::/of/mean"], (U + V).mean(axis=0), 1e-5, 1e-5)


def test_single_numbers_are_stored_beside_others(
    opened: tuple[sc.LazyArray, sc.LazyArray], tmp_path: Path
) -> None:
    u, _ = opened
    out, less = f"{tmp_path}/out.h5", u - u.mean(axis=0)
    made = sc.store({f"{out}::/less": less, f"{out}::/spread": less.std(), f"{out}::/one": u.max()})
    spread, most = sc.compute(less.std(), u.max())
    with h5py.File(out) as file:
        assert (file["spread"][()], file["one"][()]) == (spread, most)
    assert float(made[f"{out}::/spread"]) == spread
    assert float(u.max().store(f"{tmp_path}/most.h5::/most")) == most


def test_what_cannot_be_stored_is_refused_before_anything_runs(
    opened: tuple[sc.LazyArray, sc.LazyArray], tmp_path: Path
) -> None:
    u, _ = opened
    with pytest.raises(sc.InputError, match="FILE::PATH"):
        u.store(tmp_path / "out.h5")
    with pytest.raises(sc.InputError, match="one file"):
        sc.store({f"{tmp_path}/a.h5::/x": u, f"{tmp_path}/b.h5::/x": u})
    with pytest.raises(sc.InputError, match="a dict of arrays"):
        sc.store({})
    with pytest.raises(sc.InputError, match="in each other's way"):
        sc.store({f"{tmp_path}/a.h5::/x": u, f"{tmp_path}/a.h5::/x/y": u})
    for overwrite in (False, True):
        with pytest.raises((sc.InputError, sc.OutputExists), match=r"in\.h5"):
            (u * 2).store(f"{u.source.file}::/u", overwrite=overwrite)
    assert not list(tmp_path.iterdir())


def test_several_computed_together_are_read_once(
    opened: tuple[sc.LazyArray, sc.LazyArray],
) -> None:
    u, v = opened
    events: list[Any] = []
    mean, most = sc.compute((u + v).mean(axis=0), u.max(), listen=events.append)
    np.testing.assert_allclose(mean, (U + V).mean(axis=0), rtol=1e-5, atol=1e-6)
    assert most == U.max()
    assert sum(type(event).__name__ == "PassStarted" for event in events) == 1
