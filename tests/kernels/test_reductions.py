from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sharedcompute.kernels import extrema, variances
from sharedcompute.kernels import reductions as kernels

from . import naive

SHAPES = [(0, 3), (4, 0), (1, 1), (6, 5), (11, 530)]
CUTS = [(), (1, 3, 3, 8)]
ALL = naive.dtypes("f4", "i2", "f8", "u8", "?", "c8")
REAL = naive.dtypes("f4", "i2", "f8", "?")

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_cut = pytest.mark.parametrize("cuts", CUTS, ids=["whole", "strips"])
with_and_without_nan = pytest.mark.parametrize("skipna", [False, True], ids=["na", "skipna"])


def fold(kernel: Any, x: naive.Array, cuts: tuple[int, ...], *args: Any) -> None:
    for strip in naive.strips(x, cuts):
        kernel(strip, *args)


def assert_same(a: naive.Array, b: naive.Array) -> None:
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ALL)
@every_shape
def test_counts_are_of_values_that_are_not_nan(dtype: str, shape: tuple[int, int]) -> None:
    x = naive.sample(dtype, shape)
    count = np.full(shape[1], 2)
    fold(kernels.counts, x, (2,), count)
    assert_same(count, 2 + naive.known(x).sum(axis=0))


@pytest.mark.parametrize("dtype", ALL)
@every_shape
@every_cut
@with_and_without_nan
def test_sums_are_those_of_the_rows(
    dtype: str, shape: tuple[int, int], cuts: tuple[int, ...], skipna: bool
) -> None:
    x = naive.sample(dtype, shape)
    count, total = np.zeros(shape[1], np.int64), np.zeros(shape[1], naive.wide(dtype))
    fold(kernels.sums, x, cuts, skipna, count, total)
    expected = naive.running(x, total.dtype, skipna)[-1]
    assert total.dtype == expected.dtype
    # Rows are added up in fours, each strip by itself; NumPy adds one after the other here.
    near = 0 if total.dtype.kind in "iu" else 1e-13
    np.testing.assert_allclose(total, expected, rtol=near, atol=near)
    expected = naive.known(x).sum(axis=0) if skipna else np.full(shape[1], shape[0])
    assert_same(count, expected.astype(np.int64))


def test_integers_may_be_summed_in_float64() -> None:
    x = naive.sample("i2", (6, 5))
    count, total = np.zeros(5, np.int64), np.zeros(5)
    kernels.sums(x, False, count, total)
    assert_same(total, x.sum(axis=0, dtype=np.float64))


def test_integer_sums_wrap() -> None:
    x = naive.frozen(np.full((3, 2), np.iinfo(np.int64).max))
    total = np.zeros(2, np.int64)
    kernels.sums(x, False, np.zeros(2, np.int64), total)
    assert_same(total, x.sum(axis=0))


@pytest.mark.parametrize("dtype", ALL)
@every_shape
@with_and_without_nan
def test_products_are_multiplied_row_by_row(
    dtype: str, shape: tuple[int, int], skipna: bool
) -> None:
    x = naive.sample(dtype, shape, special=dtype != "c8")
    total = np.ones(shape[1], naive.wide(dtype))
    fold(kernels.products, x, (2,), skipna, total)
    expected = naive.running(x, total.dtype, skipna, product=True)[-1]
    # NumPy and LLVM may order the four products of a complex one differently.
    np.testing.assert_allclose(total, expected, rtol=1e-12 if dtype == "c8" else 0)


def state(columns: int, dtype: Any = np.float64) -> tuple[naive.Array, ...]:
    """The moments of no rows: count, total, rest, m2."""
    return (
        np.zeros(columns, np.int64),
        np.zeros(columns, dtype),
        np.zeros(columns, dtype),
        np.zeros(columns),
    )


@pytest.mark.parametrize("dtype", naive.dtypes("f4", "i2", "f8", "?", "c8"))
@every_shape
@every_cut
@with_and_without_nan
def test_moments_are_those_of_a_two_pass_sum(
    dtype: str, shape: tuple[int, int], cuts: tuple[int, ...], skipna: bool
) -> None:
    x = naive.sample(dtype, shape, special=dtype != "c8")
    kind = naive.float_wide(dtype)
    count, total, rest, m2 = state(shape[1], kind)
    fold(variances.moments, x, cuts, skipna, count, total, rest, m2)
    count_of_sums, total_of_sums = np.zeros_like(count), np.zeros_like(total)
    fold(kernels.sums, x, cuts, skipna, count_of_sums, total_of_sums)
    assert_same(count, count_of_sums)
    assert_same(total, total_of_sums)
    np.testing.assert_allclose(m2, naive.squared_deviations(x, skipna), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cuts", [(), (10, 25, 31), tuple(range(40))])
@with_and_without_nan
def test_moments_are_stable_far_from_zero(cuts: tuple[int, ...], skipna: bool) -> None:
    x = naive.frozen(1e8 + 1e-4 * np.random.default_rng(3).standard_normal((40, 6)))
    count, total, rest, m2 = state(6)
    fold(variances.moments, x, cuts, skipna, count, total, rest, m2)
    # About a number of the column nothing is rounded.
    apart = x - x[:1]
    np.testing.assert_allclose(m2, naive.squared_deviations(apart, False), rtol=1e-14)
    np.testing.assert_allclose((total * (1 / 40) - x[0]) + rest, apart.mean(axis=0), rtol=1e-12)


def test_moments_that_overflow_are_infinite() -> None:
    found = state(1)
    variances.moments(naive.frozen([[1e200], [-1e200], [0.0]]), False, *found)
    assert found[3][0] == np.inf


def test_moments_pass_over_a_strip_that_holds_only_nan() -> None:
    x = naive.frozen([[1.0], [np.nan], [np.nan], [4.0]])
    found = state(1)
    fold(variances.moments, x, (1, 3), True, *found)
    assert [float(a[0]) for a in found] == [2, 5.0, 0.0, 4.5]


def beginning(dtype: str, skipna: bool, greatest: bool) -> Any:
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.bool_(not greatest)
    if kind.kind == "f":
        return kind.type(np.nan if skipna else (-np.inf if greatest else np.inf))
    return np.iinfo(kind).min if greatest else np.iinfo(kind).max


@pytest.mark.parametrize("dtype", REAL)
@every_shape
@every_cut
@with_and_without_nan
def test_extremes_are_those_of_numpy(
    dtype: str, shape: tuple[int, int], cuts: tuple[int, ...], skipna: bool
) -> None:
    x = naive.sample(dtype, shape)
    for greatest in (False, True):
        value = np.full(shape[1], beginning(dtype, skipna, greatest), dtype)
        rules = (np.fmin, np.fmax) if skipna else (np.minimum, np.maximum)
        expected = rules[greatest].reduce(np.vstack([value, x]), axis=0)
        fold(extrema.maximum if greatest else extrema.minimum, x, cuts, skipna, value)
        assert_same(value, expected)


@pytest.mark.parametrize("dtype", naive.dtypes("f4", "i2", "f8"))
@every_shape
@every_cut
@with_and_without_nan
def test_the_first_extreme_is_found(
    dtype: str, shape: tuple[int, int], cuts: tuple[int, ...], skipna: bool
) -> None:
    x = naive.sample(dtype, shape)
    for greatest in (False, True):
        value, index = np.zeros(shape[1], dtype), np.full(shape[1], -1)
        row = 0
        for strip in naive.strips(x, cuts):
            kernel = extrema.argmax if greatest else extrema.argmin
            kernel(strip, skipna, row, 1, max(shape[1], 1), value, index)
            row += len(strip)
        expected = [naive.first_extreme(column, skipna, greatest) for column in x.T]
        assert index.tolist() == expected
        found = index >= 0
        assert_same(value[found], x[index[found], np.flatnonzero(found)])


def test_rows_of_folded_arrays_are_counted_through_lanes() -> None:
    x = naive.sample("f4", (24, 3), special=False)
    value, index = np.zeros(12, np.float32), np.full(12, -1)
    extrema.argmin(x.reshape(6, 12), False, 100, 4, 3, value, index)
    for lane in range(4):
        expected = 100 + lane + 4 * x[lane::4].argmin(axis=0)
        assert index[lane * 3 : lane * 3 + 3].tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", ALL)
@every_shape
@with_and_without_nan
def test_truth_is_that_of_numpy(dtype: str, shape: tuple[int, int], skipna: bool) -> None:
    x = naive.sample(dtype, shape)
    counted = naive.known(x) if skipna else np.ones(shape, bool)
    found, all_of_them = np.zeros(shape[1], bool), np.ones(shape[1], bool)
    fold(extrema.any_true, x, (2,), skipna, found)
    fold(extrema.all_true, x, (2,), skipna, all_of_them)
    assert_same(found, (x.astype(bool) & counted).any(axis=0))
    assert_same(all_of_them, (x.astype(bool) | ~counted).all(axis=0))


floats = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))


@settings(max_examples=40 if naive.JIT else 10, deadline=None)
@given(floats, st.lists(st.integers(0, 9), max_size=3), st.booleans())
def test_cuts_change_no_count_and_no_place(x: naive.Array, cuts: list[int], skipna: bool) -> None:
    # Sums are added up strip by strip, and strips come from the data.
    x = naive.frozen(x)
    with np.errstate(all="ignore"):
        cols = x.shape[1]
        for pieces in ((), tuple(cuts)):
            count, total = np.zeros(cols, np.int64), np.zeros(cols)
            fold(kernels.sums, x, pieces, skipna, count, total)
            value, index = np.zeros(cols), np.full(cols, -1)
            row = 0
            for strip in naive.strips(x, pieces):
                extrema.argmin(strip, skipna, row, 1, cols, value, index)
                row += len(strip)
            if pieces == ():
                whole = count, index
        for a, b in zip(whole, (count, index), strict=True):
            assert_same(a, b)
