"""Sums, means and deviations beside exact rationals: no worse than four times NumPy's."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc

Array = np.ndarray[Any, Any]

NAMES = ("sum", "mean", "var", "std")

SHAPES = [(3, 1), (3000, 1), (3000, 3), (700, 9), (40, 600), (2, 1500)]
SPREADS = [(0.0, 1.0), (1e6, 1e-6), (-1e9, 1e-3), (1e15, 8.0), (300.0, 10.0)]
BLOCKS = [None, 1, 7, 1000]


def exact(column: list[float]) -> dict[str, Fraction]:
    """The rationals that the reductions of a column are, the variance as such also for std."""
    whole = [Fraction(v) for v in column]
    n = len(whole)
    # In whole numbers: rationals are brought to lowest terms at each addition.
    scale = max(v.denominator for v in whole)
    values = [int(v * scale) for v in whole]
    first, second = sum(values), sum(v * v for v in values)
    total = Fraction(first, scale)
    spread = Fraction(n * second - first * first, n * n * scale * scale)
    return {
        "size": sum(map(abs, whole)),  # type: ignore[dict-item]
        "n": Fraction(n),
        "sum": total,
        "mean": total / n,
        "var": spread,
        "std": spread,
    }


def error(name: str, got: Any, want: Fraction, size: float) -> float:
    """Relative: of sums and means to the `size` of what is added, as about zero they are luck."""
    found = Fraction(float(got))
    if name == "std":
        return float(abs(found * found - want) / want) / 2 if want else float(found)
    return float(abs(found - want)) / (size if name in ("sum", "mean") else float(want) or 1.0)


def numpys(name: str, x: Array, axis: int | None, skipna: bool) -> Array:
    return np.atleast_1d(getattr(np, f"nan{name}" if skipna else name)(x, axis=axis)).reshape(-1)


def check(many: list[Array], blocks: list[int | None], skipna: bool = False) -> None:
    """The worst column of ours beside the worst of NumPy's, along rows and over all.

    Of several arrays: about zero a sum's error is luck.
    """
    for axis in (0, None):
        wanted = [[exact(c) for c in _columns(x, axis)] for x in many]
        worst = _worst([[numpys(n, x, axis, skipna) for n in NAMES] for x in many], wanted)
        for rows in blocks:
            how: dict[str, Any] = {} if rows is None else {"block_rows": rows}
            how |= {"engine": "serial", "skipna": skipna, "axis": "rows" if axis == 0 else "all"}
            got = [sc.reduce(NAMES, x, **how) for x in many]
            one = 2 * max(np.finfo(g["var"].dtype).eps for g in got)
            ours = _worst([[np.atleast_1d(g[n]).reshape(-1) for n in NAMES] for g in got], wanted)
            for name in NAMES:
                assert ours[name] <= max(4 * worst[name], one), (name, axis, rows)


def _columns(x: Array, axis: int | None) -> list[list[float]]:
    columns = x.reshape(len(x), -1).T if axis == 0 else x.reshape(1, -1)
    return [[v for v in c.tolist() if v == v] for c in columns]


def _worst(found: list[list[Array]], wanted: list[list[dict[str, Fraction]]]) -> dict[str, float]:
    errors: dict[str, list[float]] = {name: [0.0] for name in NAMES}
    for arrays, columns in zip(found, wanted, strict=True):
        for name, values in zip(NAMES, arrays, strict=True):
            for value, want in zip(values, columns, strict=True):
                size = float(want["size"]) / (1 if name == "sum" else float(want["n"]))
                errors[name].append(error(name, value, want[name], size))
    return {name: max(values) for name, values in errors.items()}


def data(shape: tuple[int, int], mean: float, spread: float, dtype: str, seed: int = 0) -> Array:
    rng = np.random.default_rng([seed, *shape])
    x = mean + spread * rng.normal(size=shape)
    if np.dtype(dtype).kind == "f":
        return x.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(mean + 1000 * spread * rng.normal(size=shape)), limits.min / 2,
                   limits.max / 2).astype(dtype)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "spread"), SPREADS)
def test_no_error_is_above_four_times_that_of_numpy(mean: float, spread: float) -> None:
    for shape in ((3, 1), (1000, 1), (300, 3), (6, 600)):
        many = [data(shape, mean, spread, "f8", seed) for seed in range(6)]
        check(many, [None] if shape[1] != 3 else [None, 7])  # type: ignore[comparison-overlap]


@pytest.mark.sample(1)
@pytest.mark.parametrize("dtype", ["f4", "i2", "i4", "i8"])
def test_nor_that_of_other_dtypes(dtype: str) -> None:
    for mean, spread in ((0.0, 1.0), (1e4, 0.5)):
        check([data((300, 3), mean, spread, dtype, seed) for seed in range(4)], [None, 100])


def with_nan(x: Array, seed: int) -> Array:
    x[np.random.default_rng(seed).random(x.shape) < 0.3] = np.nan
    x[: len(x) // 3] = np.nan
    return x


def test_nor_where_nan_is_left_out() -> None:
    many = [with_nan(data((1000, 2), 1e6, 1e-6, "f8", seed), seed) for seed in range(4)]
    check(many, [None, 100], skipna=True)


@pytest.mark.faults
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4", "i8"])
@pytest.mark.parametrize(("mean", "spread"), SPREADS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_error_of_any_kind_is(
    shape: tuple[int, int], mean: float, spread: float, dtype: str
) -> None:
    many = [data(shape, mean, spread, dtype, seed) for seed in range(8)]
    check(many, BLOCKS)
    if np.dtype(dtype).kind == "f" and shape[0] > 9:
        check([with_nan(x, seed) for seed, x in enumerate(many)], BLOCKS, skipna=True)


@pytest.mark.faults
@pytest.mark.parametrize("rows", [None, 1_500_000])
def test_nor_of_many_numbers(rows: int | None) -> None:
    """A block of many strips."""
    check([data((1_500_000, 1), 0.0, 1.0, "f8", seed) for seed in range(6)], [rows])


def test_a_narrow_column_far_from_zero_has_all_digits(teams: dict[int, sc.Team]) -> None:
    x = 1e6 + 1e-6 * np.random.default_rng(0).normal(size=(3000, 1))
    want = exact(x[:, 0].tolist())["std"]
    found = [sc.reduce("std", x, engine="serial", block_rows=100)]
    found += [sc.reduce("std", x, team=team, block_rows=100) for team in teams.values()]
    assert error("std", found[0][0], want, 0) < 1e-15
    assert len({f.tobytes() for f in found}) == 1


@pytest.mark.parametrize("name", ["var", "std"])
def test_too_few_values_for_the_degrees_of_freedom_are_nan_where_nan_is_left_out(
    name: str,
) -> None:
    x = np.array([[1.0, np.nan, 1.0, 5.0], [2.0, 3.0, 1.0, 6.0], [4.0, np.nan, 1.0, 9.0]])
    for ddof in (0, 1, 2, 3, 4, 2.5):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            want = getattr(np, f"nan{name}")(x, axis=0, ddof=ddof)
            plain = getattr(np, name)(x, axis=0, ddof=ddof)
        np.testing.assert_allclose(sc.reduce(name, x, skipna=True, ddof=ddof), want, rtol=1e-15)
        np.testing.assert_allclose(sc.reduce(name, x, ddof=ddof), plain, rtol=1e-15)
