"""Maps that give any number of rows for those that they get: events, peaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numba
import numpy as np
import pytest
from scipy.signal import find_peaks

import sharedcompute as sc

X = np.random.default_rng(0).normal(size=(40, 30))


def peaks(x: Any, height: float, first: int) -> Iterator[Any]:
    for i, row in enumerate(x):
        at, found = find_peaks(row, height=height)
        yield np.stack([np.full(len(at), first + i), at], axis=1), found["peak_heights"]


PEAKS = sc.Map(
    "peaks",
    peaks,
    parameters=(sc.Parameter("height", float, "of a peak at least", 1.0),),
    outputs=2,
    rows=True,
    variable=True,
    units="own",
)


@numba.njit
def numbers_above(x, least, first):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(x.shape[0]):
        count += x[i, 0] > least
    found = np.empty(count, np.int64)
    count = 0
    for i in range(x.shape[0]):
        if x[i, 0] > least:
            found[count] = first + i
            count += 1
    return found


ABOVE = sc.Map(
    "above",
    numbers_above,
    parameters=(sc.Parameter("least", float, "below it none"),),
    rows=True,
    variable=True,
)


def expected_peaks(height: float = 1.0) -> tuple[Any, Any]:
    places, heights = zip(*peaks(X, height, 0), strict=True)
    return np.concatenate(places), np.concatenate(heights)


def same(ours: Any, theirs: Any) -> None:
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def field(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(4, 30), compression="gzip")
        file["x"].attrs["units"] = "V"
    return tmp_path


@pytest.mark.sample(4)
@pytest.mark.parametrize("block_rows", [1, 3, 7, None])
@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_rows_come_in_the_order_of_the_input(
    teams: dict[int, sc.Team], workers: int, block_rows: int | None
) -> None:
    how: dict[str, Any] = {"team": teams[workers]} if workers else {"engine": "serial"}
    places, heights = sc.map(PEAKS, X, height=0.5, block_rows=block_rows, **how)
    same(places, expected_peaks(0.5)[0])
    same(heights, expected_peaks(0.5)[1])
    same(sc.map(ABOVE, X, least=0, block_rows=block_rows, **how), np.flatnonzero(X[:, 0] > 0))


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_rows_go_to_datasets_that_can_grow(field: Path, team: sc.Team, engine: str) -> None:
    how: dict[str, Any] = {"team": team} if engine == "local" else {"engine": engine}
    out = field / "out.h5"
    places = [f"{out}::/at", f"{out}::/height"]
    made = sc.map(PEAKS, field / "in.h5::/x", places, block_rows=4, filter="gzip:4", **how)
    same(made[0][...], expected_peaks()[0])
    same(made[1][...], expected_peaks()[1])
    with h5py.File(out) as file:
        assert file["at"].maxshape == (None, 2)
        assert file["at"].compression == "gzip"
        assert "units" not in file["at"].attrs


def test_a_function_may_return_nothing_or_empty_lists() -> None:
    def last(x: Any, row: int) -> Any:
        found = [(row + i, 1.5) for i in range(len(x)) if row + i in (30, 37)]
        return found or None

    op = sc.Map("last", last, rows=True, variable=True)
    for block_rows in (1, 7, None):
        same(
            sc.map(op, X, engine="serial", block_rows=block_rows), np.array([[30, 1.5], [37, 1.5]])
        )
    empty = sc.map(PEAKS, X, height=1e9)
    assert [rows.shape for rows in empty] == [(0, 2), (0,)]
    assert sc.map(ABOVE, X[:0], least=0).shape == (0,)


def test_what_is_declared_needs_no_rows_that_show_it() -> None:
    op = sc.Map(
        "none",
        lambda x: iter(()),
        variable=True,
        dtype=lambda *_: np.dtype("f4"),
        row_shape=lambda *_: (3,),
    )
    same(sc.map(op, X), np.empty((0, 3), "f4"))


def test_rows_that_are_yielded_may_lie_in_what_is_read_next(field: Path) -> None:
    op = sc.Map("some", lambda x: (row[None] for row in x if row[0] > 0), variable=True)
    same(sc.map(op, field / "in.h5::/x", block_rows=4, engine="serial"), X[X[:, 0] > 0])


def test_a_kernel_sees_the_rows_around(team: sc.Team) -> None:
    def crossings(x: Any, first: int) -> Any:
        return first + np.flatnonzero((x[1:-1, 0] > 0) & (x[:-2, 0] <= 0))

    op = sc.Map("crossings", crossings, halo=1, rows=True, variable=True, mode="nearest")
    above = X[:, 0] > 0
    expected = 1 + np.flatnonzero(above[1:] & ~above[:-1])
    for block_rows in (1, 3, 7, None):
        same(sc.map(op, X, team=team, block_rows=block_rows), expected)


def test_it_may_be_the_last_step_of_a_job(field: Path) -> None:
    (field / "own_peaks.py").write_text(
        "import sharedcompute as sc\n"
        "large = sc.Map('large', lambda x: x[x[:, 0] > 1], variable=True)\n"
    )
    steps = (
        'input = "in.h5::/x"\noutput = "out.h5"\n'
        '[[steps]]\nop = "scale"\nparams = {factor = 2}\nsave = "/twice"\n'
        '[[steps]]\nop = "mean"\nsave = "/all"\n'
        '[[steps]]\nop = "anomaly"\n'
        '[[steps]]\nop-from = "own_peaks.py:large"\nsave = "/large"\n'
    )
    (field / "job.toml").write_text(steps)
    sc.run(field / "job.toml", engine="serial", block_rows=4)
    anomaly = sc.map("anomaly", sc.map("scale", X, factor=2))
    with h5py.File(field / "out.h5") as file:
        np.testing.assert_allclose(file["large"][...], anomaly[anomaly[:, 0] > 1])
        same(file["twice"][...], X * 2)
    (field / "job.toml").write_text(steps + '[[steps]]\nop = "clip"\nparams = {lower = 0}\n')
    with pytest.raises(
        sc.InputError, match="large gives a variable number of rows: expected it as"
    ):
        sc.run(field / "job.toml", overwrite=True)


def test_a_stopped_map_ends_in_the_same_bytes(field: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: Any) -> None:
        if type(event).__name__ == "BlockDone" and event.block == 3:
            raise Stop

    how: dict[str, Any] = {"block_rows": 4, "engine": "serial", "least": 0}
    sc.map(ABOVE, field / "in.h5::/x", field / "whole.h5::/y", **how)
    with pytest.raises(Stop):
        sc.map(ABOVE, field / "in.h5::/x", field / "out.h5::/y", listen=stop, **how)
    sc.map(ABOVE, field / "in.h5::/x", field / "out.h5::/y", resume=True, **how)
    assert (field / "out.h5").read_bytes() == (field / "whole.h5").read_bytes()


def variable(f: Any, **fields: Any) -> sc.Map:
    return sc.Map("f", f, variable=True, **fields)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (variable(lambda x: 3), "f gave a single value: expected an array of rows"),
        (variable(lambda x: None), "f gave no rows for the first 40, which show what they are"),
        (variable(lambda x: (x, x)), "f returned 2 results: expected 1"),
        (variable(lambda x: x, outputs=2), "f returned 1 results: expected 2"),
        (variable(lambda x, row: x[:, row:], rows=True), r"f gave rows of shape \(\d+,\)"),
        (variable(lambda x, i: x if i < 3 else x * 1j, rows=True), "dtype complex128: expected"),
        (variable(lambda x: np.array(["a"])), "f returned <U1: expected arrays of numbers"),
    ],
)
def test_what_a_function_must_not_give_is_named(op: sc.Map, text: str) -> None:
    with pytest.raises(sc.InputError, match=text):
        sc.map(op, X, engine="serial", block_rows=3)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(sc.InputError, match="f: expected variable without ratio and build"):
        variable(lambda x: x, ratio=(1, 2))
    with pytest.raises(
        sc.InputError, match=r"output: expected FILE::PATH, or none, .* got an array"
    ):
        sc.map(ABOVE, X, np.empty(3), least=0)
    with pytest.raises(sc.InputError, match=r"output: expected FILE::PATH, or none, .* got arrays"):
        sc.map(PEAKS, X, [np.empty((3, 2)), np.empty(3)])


def test_a_plan_says_what_is_gathered(field: Path) -> None:
    shown = str(sc.plan("map", PEAKS, field / "in.h5::/x"))
    assert "peaks -> any number of rows of 2 int64" in shown
    assert "peaks -> any number of rows of a number float64" in shown
