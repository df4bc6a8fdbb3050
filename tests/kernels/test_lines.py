from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from sharedcompute.kernels import lines as kernels
from sharedcompute.rows import MODES, extension

from . import naive

# One line, a few side by side, none, and more than a panel holds, in both directions.
SHAPES = [(3, 20, 1), (2, 9, 3), (1, 1, 4), (2, 0, 5), (1, 100, 200)]
DTYPES = naive.dtypes("f4", "u2")

SYMMETRIC = np.array([0.3, -0.7, 0.1, 2.1, 0.1, -0.7, 0.3])
WEIGHTS = {
    "one": np.array([1.7]),
    "symmetric": SYMMETRIC,
    "long": np.resize(np.pi * SYMMETRIC, 23) + np.resize(np.pi * SYMMETRIC, 23)[::-1],
    "antisymmetric": np.array([-0.9, -0.2, -0.4, -0.1, -0.3, 0.0, 0.3, 0.1, 0.4, 0.2, 0.9]),
    "neither": np.array([0.1, 0.9, 0.3, -2.0, 0.7]),
    "zero": np.zeros(3),
}
# There gcc fuses no multiplication with an addition in SciPy's wheels; elsewhere it may.
SAME_BITS = platform.machine() == "x86_64"

every_mode = pytest.mark.parametrize("mode", MODES)
every_weights = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def correlate(x: naive.Array, out: naive.Array, weights: naive.Array, mode: Any) -> naive.Array:
    r, n = weights.size // 2, x.shape[1]
    table = extension(-r, n + r, n, mode) if n else np.empty(2 * r, np.int64)
    kernels.correlate_lines(x, out, weights, table, 1.5)
    return out


def uniform(x: naive.Array, out: naive.Array, size: int, mode: Any) -> naive.Array:
    first, n = -(size // 2), x.shape[1]
    table = extension(first, first + n + size - 1, n, mode) if n else np.empty(size - 1, np.int64)
    kernels.uniform_lines(x, out, size, table, 1.5)
    return out


def assert_as_scipy(ours: naive.Array, scipys: naive.Array) -> None:
    if SAME_BITS:
        np.testing.assert_array_equal(ours, scipys)
    else:
        np.testing.assert_allclose(ours, scipys, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@every_shape
@every_weights
def test_correlation_has_the_bits_of_scipy(
    dtype: str, shape: tuple[int, ...], weights: naive.Array
) -> None:
    x = naive.sample(dtype, shape, special=False)
    ours = correlate(x, np.empty(shape, np.float32), weights, "constant")
    scipys = np.empty(shape, np.float32)
    if x.size:
        ndimage.correlate1d(x, weights, 1, scipys, mode="constant", cval=1.5)
    assert_as_scipy(ours, scipys)


@every_mode
@every_weights
@pytest.mark.parametrize("shape", [(2, 9, 3), (2, 2, 1)], ids=str)
def test_edges_are_those_of_scipy(mode: Any, weights: naive.Array, shape: tuple[int, ...]) -> None:
    x = naive.sample("f4", shape, special=False)
    scipys = ndimage.correlate1d(x, weights, 1, mode=mode, cval=1.5)
    assert_as_scipy(correlate(x, np.empty_like(x), weights, mode), scipys)
    for size in (1, 2, 5):
        scipys = ndimage.uniform_filter1d(x, size, 1, mode=mode, cval=1.5)
        ours = uniform(x, np.empty_like(x), size, mode)
        np.testing.assert_allclose(ours, scipys, rtol=1e-6, atol=1e-6)


def test_integer_outputs_are_cut_as_by_scipy() -> None:
    x = naive.sample("u2", (2, 30, 3), special=False)
    x = naive.frozen(x * np.uint16(57))
    weights = WEIGHTS["neither"]
    scipys = ndimage.correlate1d(x, weights, 1, np.int32, mode="reflect")
    assert_as_scipy(correlate(x, np.empty(x.shape, np.int32), weights, "reflect"), scipys)


def test_gaussian_filters_are_those_of_scipy() -> None:
    x = naive.sample("f4", (2, 50, 3), special=False)
    at = np.arange(-8, 9)
    weights = np.exp(-0.5 / 2.0**2 * at**2)
    ours = correlate(x, np.empty_like(x), weights / weights.sum(), "mirror")
    assert_as_scipy(ours, ndimage.gaussian_filter1d(x, 2.0, 1, mode="mirror"))


@every_weights
def test_correlation_is_the_sum_written_out(weights: naive.Array) -> None:
    x = naive.sample("f8", (2, 9, 3), special=False)
    table = np.array([3, -1, 8, *range(9), 0, -1, *([2] * 22)])[: 9 + weights.size - 1]
    out = np.empty((2, 9, 3))
    kernels.correlate_lines(x, out, weights, table, -2.5)
    np.testing.assert_allclose(out, naive.correlate(x, weights, table, -2.5), atol=1e-13)


def test_nan_and_infinities_pass_through_correlation() -> None:
    x = np.zeros((1, 12, 2))
    x[0, 4, 0], x[0, 7, 1] = np.nan, np.inf
    x = naive.frozen(x)
    out = correlate(x, np.empty_like(x), SYMMETRIC, "nearest")
    np.testing.assert_array_equal(out, ndimage.correlate1d(x, SYMMETRIC, 1, mode="nearest"))


@pytest.mark.parametrize("dtype", DTYPES)
@every_shape
@pytest.mark.parametrize("size", [1, 2, 3, 6, 13])
def test_uniform_is_the_mean_of_the_window(dtype: str, shape: tuple[int, ...], size: int) -> None:
    x = naive.sample(dtype, shape, special=False)
    ours = uniform(x, np.empty(shape, np.float32), size, "constant")
    scipys = np.empty(shape, np.float32)
    if x.size:
        ndimage.uniform_filter1d(x, size, 1, scipys, mode="constant", cval=1.5)
    np.testing.assert_allclose(ours, scipys, rtol=1e-6, atol=1e-6)


def test_nan_touches_only_the_windows_that_hold_it() -> None:
    x = np.arange(20.0).reshape(1, 20, 1)
    x[0, 6] = np.nan
    x = naive.frozen(x)
    out = uniform(x, np.empty_like(x), 4, "reflect")
    assert np.flatnonzero(np.isnan(out)).tolist() == [5, 6, 7, 8]


@pytest.mark.skipif(naive.REDUCED, reason="60,000 elements are slow without the compiler")
@pytest.mark.parametrize("width", [1, 3])
def test_long_lines_are_filtered_in_panels(width: int) -> None:
    x = naive.sample("f8", (1, 20_000, width), special=False)
    weights = WEIGHTS["long"]
    scipys = ndimage.correlate1d(x, weights, 1, mode="wrap")
    assert_as_scipy(correlate(x, np.empty_like(x), weights, "wrap"), scipys)
    scipys = ndimage.uniform_filter1d(x, 100, 1, mode="wrap")
    np.testing.assert_allclose(uniform(x, np.empty_like(x), 100, "wrap"), scipys, atol=1e-11)


@settings(max_examples=25 if naive.JIT else 5, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(1, 12),
    st.sampled_from([1, 3]),
    st.integers(1, 9),
    st.sampled_from(list(WEIGHTS)),
)
def test_cutting_the_lines_does_not_change_a_bit(
    start: int, m: int, inner: int, size: int, name: str
) -> None:
    x, weights = naive.sample("f8", (2, 42, inner), special=False), WEIGHTS[name]
    whole = correlate(x, np.empty_like(x), weights, "reflect")
    r = weights.size // 2
    part = np.empty((2, m, inner))
    table = extension(start - r, start + m + r, 42, "reflect")
    kernels.correlate_lines(x, part, weights, table, 0.0)
    np.testing.assert_array_equal(part, whole[:, start : start + m])
    whole = uniform(x, np.empty_like(x), size, "reflect")
    first = start - size // 2
    kernels.uniform_lines(x, part, size, extension(first, first + m + size - 1, 42, "reflect"), 0.0)
    np.testing.assert_array_equal(part, whole[:, start : start + m])
