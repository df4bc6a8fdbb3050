from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from sharedcompute.kernels import elementwise as kernels

from . import naive

SHAPES = [(0, 3), (4, 0), (1, 1), (7, 33)]
# Input and output dtypes.
REAL = [tuple(pair.split()) for pair in naive.dtypes("f4 f4", "i2 f8", "f8 f4", "u8 f8", "? f4")]
ALL = [*REAL, *([] if naive.BOUNDSCHECK else [("c8", "c16")])]
# Conversions that C defines for every value of the sample without NaN.
CASTS = [*ALL, ("f4", "i4"), ("i4", "i1"), ("u1", "?")]

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def apply(kernel: Any, x: naive.Array, dtype: str, *args: Any) -> naive.Array:
    out = np.empty(x.shape, dtype)
    kernel(x, out, *args)
    return out


def rows(shape: tuple[int, int], *values: float) -> list[naive.Array]:
    return [np.arange(shape[1]) % 5 * value for value in values]


@pytest.mark.parametrize(("dtype", "to"), CASTS)
@every_shape
def test_cast_converts_as_astype(dtype: str, to: str, shape: tuple[int, int]) -> None:
    x = naive.sample(dtype, shape, special=naive.JIT and to != "i4")
    np.testing.assert_array_equal(apply(kernels.cast, x, to), x.astype(to))


@pytest.mark.parametrize("to", ["u4", "u8"])
@pytest.mark.parametrize("count", [1, 37])
def test_wrap_is_modulo_a_power_of_two(to: str, count: int) -> None:
    bits = 8 * np.dtype(to).itemsize
    values = [-(2.0**31), -3.9, -1.0, -0.5, -0.0, 0.0, 2.9, 2.0**31, 2.0**32 - 1, 2.0**bits * 0.75]
    for dtype in ("f4", "f8"):
        x = naive.frozen([values] * count, dtype)
        want = [[int(v) % 2**bits for v in row] for row in x.tolist()]
        assert apply(kernels.wrap, x, to).tolist() == want


def test_constant_columns_have_no_score() -> None:
    x = naive.frozen(np.full((9, 2), (0.1, 0.0)))
    z = apply(kernels.standardise, x, "f8", np.array([0.1 + 1e-17, 0.0]), np.array([2e-17, 0.0]))
    assert np.isnan(z).all()


@pytest.mark.parametrize(("dtype", "to"), ALL)
@every_shape
def test_scale_is_done_in_float64(dtype: str, to: str, shape: tuple[int, int]) -> None:
    x = naive.sample(dtype, shape)
    expected = (x.astype(naive.float_wide(dtype)) * 1.1 + 0.3).astype(to)
    np.testing.assert_array_equal(apply(kernels.scale, x, to, 1.1, 0.3), expected)


@pytest.mark.parametrize("dtype", [dtype for dtype, _ in REAL])
@every_shape
@pytest.mark.parametrize(("lower", "upper"), [(0, 2), (2, 1)])
def test_clip_is_that_of_numpy(
    dtype: str, shape: tuple[int, int], lower: float, upper: float
) -> None:
    x = naive.sample(dtype, shape)
    bounds = x.dtype.type(lower), x.dtype.type(upper)
    np.testing.assert_array_equal(apply(kernels.clip, x, dtype, *bounds), np.clip(x, *bounds))


@pytest.mark.parametrize("dtype", [dtype for dtype, _ in REAL])
@every_shape
def test_threshold_keeps_what_is_above_it_and_nan(dtype: str, shape: tuple[int, int]) -> None:
    x = naive.sample(dtype, shape)
    level, value = x.dtype.type(1), x.dtype.type(2)
    expected = np.where(x <= level, value, x)
    np.testing.assert_array_equal(apply(kernels.threshold, x, dtype, level, value), expected)


@pytest.mark.parametrize(("dtype", "to"), ALL)
@every_shape
def test_a_row_is_subtracted_from_every_row(dtype: str, to: str, shape: tuple[int, int]) -> None:
    x = naive.sample(dtype, shape)
    (row,) = rows(shape, 0.7)
    row = row.astype(naive.float_wide(dtype))
    np.testing.assert_array_equal(apply(kernels.subtract_row, x, to, row), (x - row).astype(to))


@pytest.mark.parametrize(("dtype", "to"), ALL)
@every_shape
def test_flatfield_takes_the_dark_from_the_gain(
    dtype: str, to: str, shape: tuple[int, int]
) -> None:
    x = naive.sample(dtype, shape, special=dtype != "c8")
    dark, gain = rows(shape, 0.7, 1.3)
    expected = ((x - dark) * gain).astype(to)
    np.testing.assert_array_equal(apply(kernels.flatfield, x, to, dark, gain), expected)


@pytest.mark.parametrize(("dtype", "to"), REAL)
@every_shape
def test_standardise_divides_as_numpy(dtype: str, to: str, shape: tuple[int, int]) -> None:
    x = naive.sample(dtype, shape)
    mean, std = rows(shape, 0.7, 1.3)
    expected = ((x - mean) / np.where(std > 0, std, np.nan)).astype(to)
    np.testing.assert_array_equal(apply(kernels.standardise, x, to, mean, std), expected)


def test_standardise_is_the_z_score() -> None:
    x = naive.sample("f8", (9, 4), special=False)
    z = apply(kernels.standardise, x, "f8", x.mean(axis=0), x.std(axis=0))
    np.testing.assert_array_equal(z, stats.zscore(x))
