"""`sc.map` with several inputs and outputs, and with functions that return their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numba
import numpy as np
import pytest
from scipy import ndimage

import sharedcompute as sc

U = np.random.default_rng(0).normal(size=(23, 4))
V = np.random.default_rng(1).normal(size=(23, 4)).astype("f4")


@numba.njit
def fill_polar(u, v, speed, direction, factor):  # type: ignore[no-untyped-def]
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            speed[i, j] = factor * np.hypot(u[i, j], v[i, j])
            direction[i] = u[i, 0] > v[i, 0]


WIND = sc.Map(
    "wind",
    fill_polar,
    parameters=(sc.Parameter("factor", float, "multiplies the speed", 1.0),),
    inputs=2,
    outputs=2,
    dtype=lambda dtypes, _: (np.result_type(*dtypes), np.dtype(bool)),
    row_shape=lambda _, specs: (specs[0].shape[1:], ()),
)


def fill_gradient(u: Any, v: Any, along: Any, both: Any) -> None:
    along[...] = (u[2:] - u[:-2]) / 2
    both[...] = (v[2:] - v[:-2]) / 2 + u[1:-1]


GRADIENT = sc.Map("gradient", fill_gradient, inputs=2, outputs=2, halo=1, mode="nearest")


def same(ours: Any, theirs: Any) -> None:
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("u", data=U, chunks=(4, 4), compression="gzip")
        file["v"] = V
        file["few"] = V[:20]
    return tmp_path


@pytest.mark.sample(4)
@pytest.mark.parametrize("block_rows", [1, 3, 7, None])
@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_a_kernel_fills_several_outputs_from_several_inputs(
    teams: dict[int, sc.Team], workers: int, block_rows: int | None
) -> None:
    how: dict[str, Any] = {"team": teams[workers]} if workers else {"engine": "serial"}
    speed, direction = sc.map(WIND, [U, V], factor=2, block_rows=block_rows, **how)
    same(speed, 2 * np.hypot(U, V.astype("f8")))
    same(direction, U[:, 0] > V[:, 0])
    along, both = sc.map(GRADIENT, (U, V), block_rows=block_rows, **how)
    expected = ndimage.correlate1d(U, [-0.5, 0, 0.5], axis=0, mode="nearest")
    np.testing.assert_allclose(along, expected, rtol=1e-13)
    padded = np.pad(V, ((1, 1), (0, 0)), "edge")
    same(both, (padded[2:] - padded[:-2]) / 2 + U)


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_results_go_to_datasets_of_one_file(files: Path, team: sc.Team, engine: str) -> None:
    out = files / "out.h5"
    with h5py.File(out, "w") as file:
        file["other"] = 1
    how: dict[str, Any] = {"team": team} if engine == "local" else {"engine": engine}
    places = [f"{out}::/wind/speed", f"{out}::/wind/direction"]
    inputs = [f"{files / 'in.h5'}::/u", f"{files / 'in.h5'}::/v"]
    made = sc.map(WIND, inputs, places, block_rows=3, **how)
    same(made[0][...], np.hypot(U, V.astype("f8")))
    same(made[1][...], U[:, 0] > V[:, 0])
    with h5py.File(out) as file:
        assert sorted(file) == ["other", "wind"]
        assert file["wind/speed"].chunks == (4, 4)
    with pytest.raises(sc.OutputExists):
        sc.map(WIND, inputs, places, **how)


def test_one_result_of_a_kernel_can_be_wanted_in_an_array(files: Path) -> None:
    outs = [np.empty(U.shape), np.empty(len(U), bool)]
    made = sc.map(WIND, [files / "in.h5::/u", V], outs)
    assert made[0] is outs[0]
    same(outs[1], U[:, 0] > V[:, 0])


def test_functions_return_what_numpy_would(team: sc.Team) -> None:
    x = np.arange(6, dtype="u1").reshape(3, 2)
    same(sc.map(lambda a: a * 2, x), x * 2)
    same(sc.map(lambda a: a / 2, x, team=team), x / 2)
    same(sc.map(np.hypot, [U, V], team=team), np.hypot(U, V))
    same(
        sc.map(lambda u, v: (u + v).max(axis=1), [U, V], block_rows=3, engine="serial"),
        (U + V).max(axis=1),
    )
    mean, above = sc.map(lambda u: (u.mean(axis=1), u > 0), U, team=team)
    same(mean, U.mean(axis=1))
    same(above, U > 0)
    same(sc.map(numba.njit(lambda a: a + 1), U), U + 1)


def test_a_function_that_returns_goes_from_file_to_file(files: Path) -> None:
    with h5py.File(files / "in.h5", "a") as file:
        file["u"].attrs["units"] = "m/s"
    made = sc.map(lambda a: a * 2, files / "in.h5::/u", files / "out.h5::/y")
    same(made[...], U * 2)
    with h5py.File(files / "out.h5") as file:
        assert file["y"].attrs["units"] == "m/s"
    shown = sc.map(
        lambda u, v: u > v, [files / "in.h5::/u", files / "in.h5::/v"], files / "o.h5::/z"
    )
    same(shown[...], U > V)


def test_a_function_fills_arrays_of_any_rows(team: sc.Team) -> None:
    def f(u: Any, v: Any, low: Any, both: Any) -> None:
        low[...] = u.min(axis=1)
        both[:, 0], both[:, 1] = u[:, 0], v[:, 0]

    outs = [np.empty(23, "f4"), np.empty((23, 2))]
    sc.map(f, [U, V], outs, team=team, block_rows=7)
    same(outs[0], U.min(axis=1).astype("f4"))
    same(outs[1], np.stack([U[:, 0], V[:, 0]], axis=1))


@pytest.mark.parametrize("block_rows", [1, 3, 7])
def test_a_kernel_gets_the_number_of_its_first_row(team: sc.Team, block_rows: int) -> None:
    def numbered(x: Any, out: Any, factor: Any, first: Any) -> None:
        out[...] = factor * (first + np.arange(len(out)))

    by = (sc.Parameter("factor", float, "multiplies the number"),)
    for halo in (0, 2):
        op = sc.Map("numbered", numbered, parameters=by, rows=True, halo=halo)
        same(sc.map(op, U[:, 0], factor=3, team=team, block_rows=block_rows), 3.0 * np.arange(23))
    returning = sc.Map("n", lambda x, first: first + np.arange(len(x)), rows=True)
    same(sc.map(returning, U, team=team, block_rows=block_rows), np.arange(23))


def test_one_call_gives_all_results_of_a_strip() -> None:
    calls = []

    def counted(x: Any, low: Any, high: Any) -> None:
        calls.append(len(x))
        low[...], high[...] = x - 1, x + 1

    sc.map(sc.Map("counted", counted, outputs=2), U, engine="serial", block_rows=23)
    assert calls[0] == 23
    assert calls.count(23) == 1


def test_a_matrix_kernel_of_several_arrays_gets_matrices() -> None:
    def f(x: Any, y: Any, out: Any, low: Any) -> None:
        assert x.ndim == y.ndim == out.ndim == low.ndim == 2
        out[...] = x * y
        low[...] = x.min(axis=1, keepdims=True)

    op = sc.Map(
        "f", f, inputs=2, outputs=2, matrix=True, row_shape=lambda _, s: (s[0].shape[1:], ())
    )
    x = U[:20].reshape(20, 2, 2)
    out, low = sc.map(op, [x, x])
    same(out, x * x)
    same(low, x.min(axis=(1, 2)))


WRONG: list[tuple[Any, Any, Any, str]] = [
    (WIND, U, None, "wind takes 2 inputs, got 1"),
    (WIND, [U, V, V], None, "wind takes 2 inputs, got 3"),
    (WIND, [U, V[:20]], None, r"same number of rows, got shapes \(23, 4\) and \(20, 4\)"),
    (WIND, [U, V], ["o.h5::/a"], "wind gives 2 results, got 1 place"),
    (WIND, [U, V], "o.h5::/a", "wind gives 2 results, got 1 place"),
    (WIND, [U, V], ["o.h5::/a", "p.h5::/b"], "expected outputs in one file, got o.h5 and p.h5"),
    (WIND, [U, V], ["o.h5::/a", "o.h5::/a/b"], "stand in each other's way"),
    (WIND, [U, V], ["o.h5", "o.h5::/b"], "expected FILE::PATH, the address of a dataset, got o.h5"),
    (WIND, [U, V], ["o.h5::/a", np.empty(23)], "got some of each"),
    (
        WIND,
        [U, V],
        [np.empty((23, 4)), np.empty(23)],
        r"output has shape \(23,\) and dtype float64",
    ),
    (lambda u, v: u[:2], [U, V], None, r"returned 2: expected \d+ rows"),
    (lambda u, v: None, [U, V], None, "returned None"),
    (
        lambda u, v: (u, v),
        [U, V],
        ["o.h5::/a", "o.h5::/b", "o.h5::/c"],
        "returned 2 results: expected 3",
    ),
    (lambda u, v: u, [U, V[:20]], None, "same number of rows"),
]


@pytest.mark.parametrize(("op", "inputs", "outputs", "text"), WRONG)
def test_what_does_not_fit_is_refused_in_one_line(
    op: Any, inputs: Any, outputs: Any, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(sc.InputError, match=text) as caught:
        sc.map(op, inputs, outputs, engine="serial")
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_declarations_are_refused() -> None:
    with pytest.raises(sc.InputError, match="expected inputs to be a whole number from 1 on"):
        sc.Map("f", fill_gradient, inputs=0)
    with pytest.raises(sc.InputError, match="got build: give a kernel"):
        sc.Map("f", build=lambda p, s: (), outputs=2)
    for what, given in (("dtype", lambda *_: np.dtype("f4")), ("row_shape", lambda *_: (2,))):
        op = sc.Map("f", fill_gradient, inputs=2, outputs=2, **{what: given})  # type: ignore[arg-type]
        with pytest.raises(sc.InputError, match=f"f: expected {what} to give a tuple of 2"):
            sc.map(op, [U, V])


def test_an_output_that_is_left_as_it_was_is_named() -> None:
    def forgets(u: Any, v: Any, a: Any, b: Any) -> None:
        a[...] = u
        b[1:] = v[1:]

    with pytest.raises(sc.InputError, match=r"forgets: output 2: left out\[0, 0\] as it was"):
        sc.map(sc.Map("forgets", forgets, inputs=2, outputs=2), [U, V], engine="serial")


def test_a_stopped_map_of_several_goes_on_to_the_same_bytes(files: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: Any) -> None:
        if type(event).__name__ == "BlockDone" and event.block == 3:
            raise Stop

    inputs = [files / "in.h5::/u", files / "in.h5::/v"]
    how: dict[str, Any] = {"block_rows": 4, "engine": "serial"}

    def places(name: str) -> list[str]:
        return [f"{files / name}::/speed", f"{files / name}::/direction"]

    sc.map(WIND, inputs, places("whole.h5"), **how)
    with pytest.raises(Stop):
        sc.map(WIND, inputs, places("out.h5"), listen=stop, **how)
    seen: list[Any] = []
    sc.map(WIND, inputs, places("out.h5"), resume=True, listen=seen.append, **how)
    assert any(type(event).__name__ == "BlocksRestored" for event in seen)
    assert (files / "out.h5").read_bytes() == (files / "whole.h5").read_bytes()


def test_several_maps_can_be_planned(files: Path) -> None:
    planned = sc.plan("map", WIND, [files / "in.h5::/u", V], ["o.h5::/a", "o.h5::/b"])
    assert "t2 = wind(x0, x1)[1] -> bool" in str(planned)
    assert planned.to_dict()["passes"] == ["wind"]
