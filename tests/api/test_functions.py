"""map, reduce, scan, stats and run from Python: any source, any kind of numbers, any place to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numba
import numpy as np
import pytest
from scipy import ndimage

import sharedcompute as sc

Array = np.ndarray[Any, Any]
X = np.random.default_rng(3).normal(size=(30, 4, 5)).astype("f4")
SMOOTH = ndimage.gaussian_filter(X, 1.5)

SOURCES: dict[str, Callable[[h5py.File], Any]] = {
    "address": lambda f: f"{f.filename}::/x",
    "path": lambda f: Path(f"{f.filename}::/x"),
    "dataset of h5py": lambda f: f["x"],
    "packed dataset": lambda f: f["packed"],
    "lazy dataset": lambda f: sc.open(f"{f.filename}::/x"),
    "ndarray": lambda _: X,
    "list": lambda _: X.astype("f8").tolist(),
    "shared array": lambda _: sc.asarray(X),
    "view of a shared array": lambda _: sc.asarray(np.concatenate([X, X]))[:30],
    "big-endian": lambda _: X.astype(">f4"),
    "Fortran order": lambda _: np.asfortranarray(X),
    "every other row": lambda _: np.repeat(X, 2, axis=0)[::2],
    "rows backwards": lambda _: X[::-1].copy()[::-1],
    "read-only": lambda _: np.frombuffer(X.tobytes(), "f4").reshape(X.shape),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("api") / "in.h5"
    with h5py.File(path, "w") as made:
        made["x"] = X
        made.create_dataset("packed", data=X, chunks=(7, 4, 5), compression="gzip")
        made["dark"] = np.full((3, 4, 5), 0.5)
    with h5py.File(path) as opened:
        yield opened


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("how", ["serial", "team"])
def test_every_kind_of_source_gives_the_same_result(
    file: h5py.File, team: sc.Team, source: str, how: str
) -> None:
    x = SOURCES[source](file)
    where: dict[str, Any] = {"team": team} if how == "team" else {"engine": "serial"}
    got = sc.map("gaussian", x, sigma=1.5, block_rows=8, **where)
    np.testing.assert_allclose(got, SMOOTH, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sc.reduce("mean", x, **where), X.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(sc.scan("cummax", x, **where), np.maximum.accumulate(X), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["?", "i2", "u8", "f2", "f8", "c8"])
def test_every_kind_of_numbers_is_added_up_as_numpy_does(dtype: str) -> None:
    x = (np.abs(X) * 10).astype(dtype)
    wide = {"f": np.float64, "c": np.complex128}.get(x.dtype.kind)
    got = sc.reduce(["sum", "mean"], x)
    single = x.dtype.itemsize <= (8 if x.dtype.kind == "c" else 4)
    tolerance = 1e-6 if single else 1e-13
    np.testing.assert_allclose(got["sum"], x.sum(axis=0, dtype=wide), rtol=tolerance)
    np.testing.assert_allclose(got["mean"], x.mean(axis=0, dtype=wide), rtol=tolerance)
    if dtype != "f2":
        assert got["sum"].dtype == x.sum(axis=0).dtype
        assert got["mean"].dtype == x.mean(axis=0).dtype


def test_half_precision_is_computed_and_returned_in_single() -> None:
    x = X.astype("f2")
    got = sc.map("scale", x, factor=3)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, x.astype("f4") * 3)


def test_one_name_gives_an_array_and_several_a_dict() -> None:
    assert isinstance(sc.reduce("mean", X), np.ndarray)
    assert list(sc.reduce(("max", "min"), X)) == ["max", "min"]
    assert list(sc.reduce(["max"], X)) == ["max"]
    assert sc.reduce("max", X, axis="all").shape == ()


def test_stats_are_those_of_numpy() -> None:
    found = sc.stats(X)
    want = {"count": X.size, "nan_count": 0, "mean": X.mean(dtype="f8"), "std": X.std(dtype="f8"),
            "min": X.min(), "max": X.max()}  # fmt: skip
    assert list(found) == list(want)
    for name, value in want.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
    np.testing.assert_array_equal(sc.stats(X, axis="rows")["max"], X.max(axis=0))


def test_a_team_reduces_as_numpy_does(team: sc.Team) -> None:
    np.testing.assert_allclose(team.reduce("mean", X.astype("f8")), X.mean(axis=0, dtype="f8"))
    several = team.reduce(["min", "argmax"], X, axis="all")
    assert (several["min"], several["argmax"].shape) == (X.min(), ())


@pytest.mark.parametrize("how", ["serial", "team"])
@pytest.mark.parametrize("shared", [False, True])
def test_an_array_can_take_the_result(team: sc.Team, how: str, shared: bool) -> None:
    out = sc.empty(X.shape, X.dtype) if shared else np.empty_like(X)
    where: dict[str, Any] = {"team": team} if how == "team" else {"engine": "serial"}
    assert sc.map("gaussian", X, out, sigma=1.5, **where) is out
    np.testing.assert_allclose(out, SMOOTH, rtol=1e-5, atol=1e-6)


def test_the_input_may_take_the_result_of_a_stencil(team: sc.Team) -> None:
    for how in ({"engine": "serial"}, {"team": team}):
        x = sc.asarray(X)
        sc.map("gaussian", x, x, sigma=1.5, block_rows=4, **how)
        np.testing.assert_allclose(x, SMOOTH, rtol=1e-5, atol=1e-6)


def test_inputs_are_never_changed(team: sc.Team) -> None:
    x = sc.asarray(X)
    for how in ({"engine": "serial"}, {"team": team}):
        sc.map("anomaly", x, **how)
        sc.reduce(["std", "argmin"], x, **how)
        sc.scan("cumsum", x, **how)
    np.testing.assert_array_equal(x, X)
    assert x.flags.writeable


def test_a_result_in_a_file_comes_back_as_a_lazy_look(tmp_path: Path) -> None:
    stored: dict[str, Any] = {"filter": "gzip:1", "chunks": (5, 4, 5)}
    made = sc.map("scale", X, f"{tmp_path}/out.h5::/y", factor=2.0, **stored)
    assert isinstance(made, sc.LazyArray)
    assert (made.shape, made.chunks) == (X.shape, (5, 4, 5))
    np.testing.assert_array_equal(made[3:9], X[3:9] * 2)
    sc.reduce(["mean"], made, f"{tmp_path}/stats.h5::/of/y")
    with h5py.File(tmp_path / "stats.h5") as opened:
        np.testing.assert_allclose(opened["of/y/mean"], 2 * X.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_a_plain_function_is_a_kernel(team: sc.Team) -> None:
    for how in ({"engine": "serial"}, {"team": team}):
        got = sc.map(lambda x, out: np.square(x, out=out), X, **how)
        np.testing.assert_array_equal(got, X**2)


@numba.njit(nogil=True)
def negate(x: Array, out: Array) -> None:
    for i in range(x.shape[0]):
        out[i] = -x[i]


def test_a_numba_function_is_a_kernel(team: sc.Team) -> None:
    x = X.reshape(-1)
    for how in ({"engine": "serial"}, {"team": team}):
        np.testing.assert_array_equal(sc.map(negate, x, **how), -x)


def test_what_a_kernel_raises_comes_back(team: sc.Team) -> None:
    def fail(x: Array, _out: Array) -> None:
        raise ArithmeticError("no luck")

    for how in ({"engine": "serial"}, {"team": team}):
        with pytest.raises(ArithmeticError, match="no luck"):
            sc.map(fail, X, **how)


def test_parameters_may_be_arrays_and_addresses(file: h5py.File) -> None:
    dark, flat = np.full((4, 5), 0.5), np.full((4, 5), 2.5)
    flat[0, 0] = 4.5
    for given in (dark, f"{file.filename}::/dark"):
        got = sc.map("flatfield", X, dark=given, flat=flat)
        want = (X - dark) / (flat - dark) * (flat - dark).mean()
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    got = sc.map("gaussian", X, sigma=np.array([1.0, 2.0]), axes=range(1, 3))
    want = ndimage.gaussian_filter(X, (1, 2), axes=(1, 2))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_a_listener_hears_of_every_row() -> None:
    heard: list[Any] = []
    sc.reduce("sum", X, block_rows=7, listen=heard.append)
    blocks = [e for e in heard if type(e).__name__ == "BlockDone"]
    assert [type(e).__name__ for e in (heard[0], heard[-1])] == ["PassStarted", "JobFinished"]
    assert sum(e.nbytes for e in blocks) == X.nbytes


def test_a_job_file_gives_its_results_by_step(file: h5py.File, tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(
        f'input = "{file.filename}::/x"\noutput = "out.h5"\n'
        '[[steps]]\nop = "scale"\nparams = { factor = 2 }\nsave = "/y"\n'
        '[[steps]]\nop = ["max"]\naxis = "all"\n'
    )
    rows, found = sc.run(tmp_path / "job.toml")
    assert rows is None
    assert isinstance(found, dict)
    assert found["max"] == X.max() * 2
    np.testing.assert_array_equal(sc.open(tmp_path / "out.h5::/y"), X * 2)
