from __future__ import annotations

import numpy as np
import pytest

from sharedcompute.kernels import scans as kernels

from . import naive

SHAPES = [(0, 3), (4, 0), (1, 1), (9, 5), (5, 1030)]
SUMS = naive.dtypes("f4", "i2", "f8", "u8", "?", "c8")
REAL = naive.dtypes("f4", "i2", "f8", "?")

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
with_and_without_nan = pytest.mark.parametrize("skipna", [False, True], ids=["na", "skipna"])


def scan(
    kernel: object, x: naive.Array, carry: naive.Array, skipna: bool, to: object
) -> naive.Array:
    """The scan of `x` in three strips, which the carry joins."""
    out = np.empty(x.shape, to)  # type: ignore[call-overload]
    for strip, here in zip(naive.strips(x, (1, 4)), naive.strips(out, (1, 4)), strict=True):
        kernel(strip, here, carry, skipna)  # type: ignore[operator]
    return out


@pytest.mark.parametrize("dtype", SUMS)
@every_shape
@with_and_without_nan
def test_cumsum_adds_row_by_row(dtype: str, shape: tuple[int, int], skipna: bool) -> None:
    x = naive.sample(dtype, shape)
    kind = naive.wide(dtype)
    carry = np.zeros(shape[1], kind)
    states = naive.running(x, kind, skipna)
    np.testing.assert_array_equal(scan(kernels.cumsum, x, carry, skipna, kind), states[1:])
    np.testing.assert_array_equal(carry, states[-1])


@pytest.mark.parametrize("dtype", REAL)
@every_shape
@with_and_without_nan
def test_cumprod_multiplies_row_by_row(dtype: str, shape: tuple[int, int], skipna: bool) -> None:
    x = naive.sample(dtype, shape)
    kind = naive.wide(dtype)
    carry = np.ones(shape[1], kind)
    states = naive.running(x, kind, skipna, product=True)
    np.testing.assert_array_equal(scan(kernels.cumprod, x, carry, skipna, kind), states[1:])
    np.testing.assert_array_equal(carry, states[-1])


def test_cumulative_sums_of_floats_are_those_of_numpy() -> None:
    x = naive.sample("f8", (9, 5))
    for kernel, skipna, expected in [
        (kernels.cumsum, False, np.cumsum(x, axis=0)),
        (kernels.cumsum, True, np.nancumsum(x, axis=0)),
        (kernels.cumprod, False, np.cumprod(x, axis=0)),
        (kernels.cumprod, True, np.nancumprod(x, axis=0)),
    ]:
        carry = np.full(5, 1.0 if kernel is kernels.cumprod else 0.0)
        np.testing.assert_array_equal(scan(kernel, x, carry, skipna, x.dtype), expected)


def test_sums_are_carried_in_float64_and_stored_in_the_dtype_of_out() -> None:
    x = np.full((4, 1), 0.1, np.float32)
    carry = np.zeros(1)
    out = scan(kernels.cumsum, x, carry, False, np.float32)
    np.testing.assert_array_equal(out, np.cumsum(x, axis=0, dtype=np.float64).astype(np.float32))
    assert carry[0] == np.float64(np.float32(0.1)) * 4


@pytest.mark.parametrize("dtype", REAL)
@every_shape
@with_and_without_nan
def test_cummax_is_that_of_numpy(dtype: str, shape: tuple[int, int], skipna: bool) -> None:
    x = naive.sample(dtype, shape)
    least = False if dtype == "?" else (-np.inf if x.dtype.kind == "f" else np.iinfo(dtype).min)
    carry = np.full(shape[1], np.nan if skipna and x.dtype.kind == "f" else least, dtype)
    rule = np.fmax if skipna else np.maximum
    states = rule.accumulate(np.vstack([carry, x]), axis=0)
    np.testing.assert_array_equal(scan(kernels.cummax, x, carry, skipna, dtype), states[1:])
    np.testing.assert_array_equal(carry, states[-1])
