"""The serial engine agrees with NumPy and SciPy, and every other engine with the serial one.

The first to a stated tolerance; the second to the bit, for any number of workers and any schedule,
and where no memory is shared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute import traits
from tests.engines.cases import EMPTY, REDUCTIONS, SCANS, SHAPES, TRANSFORMS, data
from tests.operations import reference

Array = np.ndarray[Any, Any]

ROWWISE = [(name, params) for name, many in TRANSFORMS.items() for params in many]
TEAMS = [(size, schedule) for size in (1, 2, 5) for schedule in ("static", "dynamic", "guided")]
# Blocks of three rows: even the smallest data have a last block that is cut short.
BLOCK = 3


@pytest.fixture
def ways(teams: dict[int, sc.Team], apart: dict[str, Any]) -> list[dict[str, Any]]:
    """Every other way to run a job."""
    shown = {"serial", "local", apart["engine"]}
    registered = ({"engine": name} for name in traits.ENGINES if name not in shown)
    return [
        apart,
        *registered,
        *({"team": teams[size], "schedule": schedule} for size, schedule in TEAMS),
    ]


def assert_same_bits(got: Array, want: Array) -> None:
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes()


def agree(got: Array, want: Any, tolerance: float = 1e-6) -> None:
    want = np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def rowwise_reference(name: str, x: Array, params: dict[str, Any]) -> Array:
    return {**reference.MAPS, **reference.STENCILS}[name](x, **params)


@pytest.mark.parametrize(("name", "params"), ROWWISE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_map_agrees_with_its_reference(
    name: str, params: dict[str, Any], shape: tuple[int, ...]
) -> None:
    x = data(shape)
    got = sc.map(name, x, engine="serial", block_rows=BLOCK, **params)
    agree(got, rowwise_reference(name, x, params))


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("skipna", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_scan_agrees_with_its_reference(name: str, skipna: bool, shape: tuple[int, ...]) -> None:
    x = data(shape, "f8", nans=skipna)
    got = sc.scan(name, x, engine="serial", block_rows=BLOCK, skipna=skipna)
    agree(got, reference.SCANS[name](x, skipna=skipna), 1e-12)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", ["rows", "all"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4", "u2", "?"])
def test_a_reduction_agrees_with_numpy(
    name: str, axis: str, shape: tuple[int, ...], dtype: str
) -> None:
    x = data(shape, dtype)
    got = sc.reduce(name, x, axis=axis, engine="serial", block_rows=BLOCK)
    want = reference.REDUCTIONS[name](x, 0 if axis == "rows" else None)
    agree(got, want, 1e-6 if dtype == "f4" else 1e-12)


@pytest.mark.parametrize("name", [n for n in REDUCTIONS if "count" not in n])
@pytest.mark.parametrize("skipna", [False, True])
def test_a_reduction_treats_nan_as_numpy_does(name: str, skipna: bool) -> None:
    x = data((23, 7), "f8", nans=True)
    x[:, 3] = 1.0
    x[0] = 2.0
    got = sc.reduce(name, x, engine="serial", block_rows=BLOCK, skipna=skipna)
    agree(got, reference.REDUCTIONS[name](x, 0, skipna=skipna), 1e-12)


@pytest.mark.sample(9)
@pytest.mark.parametrize(("name", "params"), ROWWISE)
@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[1], SHAPES[4], SHAPES[5], SHAPES[7]], ids=str)
def test_a_map_has_the_same_bits_on_every_engine(
    name: str, params: dict[str, Any], shape: tuple[int, ...], ways: list[dict[str, Any]]
) -> None:
    x = sc.asarray(data(shape))
    want = sc.map(name, x, engine="serial", block_rows=BLOCK, **params)
    for how in ways:
        got = sc.map(name, x, block_rows=BLOCK, **how, **params)
        assert_same_bits(got, want)


@pytest.mark.sample(3)
@pytest.mark.parametrize("axis", ["rows", "all"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reductions_have_the_same_bits_on_every_engine(
    axis: str, shape: tuple[int, ...], ways: list[dict[str, Any]]
) -> None:
    x = sc.asarray(data(shape))
    want = sc.reduce(REDUCTIONS, x, axis=axis, engine="serial", block_rows=BLOCK)
    for how in ways:
        got = sc.reduce(REDUCTIONS, x, axis=axis, block_rows=BLOCK, **how)
        for name in REDUCTIONS:
            assert_same_bits(got[name], want[name])


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2], SHAPES[4], SHAPES[5]], ids=str)
def test_a_scan_has_the_same_bits_on_every_engine(
    name: str, shape: tuple[int, ...], ways: list[dict[str, Any]]
) -> None:
    x = sc.asarray(data(shape))
    want = sc.scan(name, x, engine="serial", block_rows=BLOCK)
    for how in ways:
        got = sc.scan(name, x, block_rows=BLOCK, **how)
        assert_same_bits(got, want)


@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("engine", ["serial", "local", "apart"])
def test_data_without_elements_give_results_without_elements(
    shape: tuple[int, ...], engine: str, team: sc.Team, apart: dict[str, Any]
) -> None:
    x = data(shape)
    known: dict[str, dict[str, Any]] = {
        "serial": {"engine": engine}, "local": {"team": team}, "apart": apart,
    }  # fmt: skip
    how = known[engine]
    for name in ("scale", "gaussian", "anomaly", "median"):
        params = {"sigma": 1.0} if name == "gaussian" else {}
        assert sc.map(name, x, **how, **params).shape == shape
    assert sc.scan("cumsum", x, **how).shape == shape
    np.testing.assert_array_equal(sc.reduce("sum", x, **how), x.sum(axis=0))
    assert np.isnan(sc.reduce("mean", x, axis="all", **how))
    with pytest.raises(sc.InputError, match="no elements is not defined"):
        sc.reduce("min", x, **how)


def test_a_result_does_not_depend_on_what_else_the_pass_computes() -> None:
    x = data((500, 3))
    alone = sc.reduce("mean", x, engine="serial")
    assert_same_bits(alone, sc.reduce(["std", "mean"], x, engine="serial")["mean"])


def test_the_variance_of_small_noise_on_a_large_offset_is_right(
    team: sc.Team, apart: dict[str, Any]
) -> None:
    x = 1e8 + np.random.default_rng(0).normal(size=(10_000, 3))
    x[0] = 0  # a first row that would ruin a method that shifts by it
    for how in ({"engine": "serial"}, {"team": team}, apart):
        np.testing.assert_allclose(sc.reduce("var", x, **how), x.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(sc.reduce("var", x[1:]), x[1:].var(axis=0), rtol=1e-9)


def test_single_precision_is_added_up_in_double() -> None:
    x = np.full((200_000, 2), 0.1, np.float32)
    total = sc.reduce("sum", x)
    assert total.dtype == np.float32
    np.testing.assert_allclose(total, np.float64(np.float32(0.1)) * 200_000, rtol=1e-7)
