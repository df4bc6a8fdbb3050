from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sharedcompute.kernels import packing as kernels

from . import naive

MASKED = [tuple(pair.split()) for pair in naive.dtypes("i2 f4", "f4 f4", "i4 f8")]
UNPACKED = [tuple(t.split()) for t in naive.dtypes("i2 f4 f4", "i2 f8 f8", "f4 f4 f8", "i8 f4 f4")]
SHAPES = [(0, 3), (4, 0), (7, 33)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def apply(kernel: Any, x: naive.Array, dtype: str, *args: Any) -> naive.Array:
    out = np.empty(x.shape, dtype)
    kernel(x, out, *args)
    return out


@pytest.mark.parametrize(("dtype", "to"), MASKED)
@pytest.mark.parametrize("missing", [[], [0], [1, 0]])
@every_shape
def test_mask_replaces_the_missing_and_no_others(
    dtype: str, to: str, missing: list[int], shape: tuple[int, int]
) -> None:
    x = naive.sample(dtype, shape)
    expected = np.where(np.isin(x, missing), np.nan, x.astype(to))
    got = apply(kernels.mask, x, to, np.array(missing, dtype), np.dtype(to).type(np.nan))
    np.testing.assert_array_equal(got, expected)


def test_mask_takes_bytes_for_what_they_are_meant_as() -> None:
    x = np.array([[-1, 5, -128]], "i1")
    got = apply(kernels.mask, x, "f4", np.array([128], "u1"), np.float32(np.nan))
    np.testing.assert_array_equal(got, [[255, 5, np.nan]])
    assert apply(kernels.mask, x, "u1", np.empty(0, "u1"), np.uint8(0)).tolist() == [[255, 5, 128]]


@pytest.mark.skipif(naive.BOUNDSCHECK, reason="compiles too slowly then")
def test_complex_numbers_that_are_missing_are_nan_in_both_parts() -> None:
    x = np.array([[1 + 2j, 1 - 2j, np.inf + 0j]], "c8")
    nan = np.complex64(complex(np.nan, np.nan))
    got = apply(kernels.mask, x, "c8", np.array([1 - 2j], "c8"), nan)
    np.testing.assert_array_equal(got.view("f4"), [[1, 2, np.nan, np.nan, np.inf, 0]])


@pytest.mark.parametrize(("dtype", "to", "precise"), UNPACKED)
@every_shape
def test_unpack_rounds_after_each_step_as_numpy_in_place(
    dtype: str, to: str, precise: str, shape: tuple[int, int]
) -> None:
    x = naive.sample(dtype, shape)
    factor, offset = np.dtype(precise).type(0.01), np.dtype(precise).type(273.15)
    expected = x.astype(to)
    expected *= factor
    expected += offset
    expected[x == 1] = np.nan
    got = apply(kernels.unpack, x, to, np.array([1], dtype), factor, offset)
    np.testing.assert_array_equal(got, expected)


def test_minus_zero_added_leaves_minus_zero() -> None:
    x = np.array([[-0.0, 0.0]], "f4")
    got = apply(kernels.unpack, x, "f4", np.empty(0, "f4"), np.float32(2), np.float32(-0.0))
    assert np.signbit(got).tolist() == [[True, False]]
