"""Moments of small integers are those of Python's integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sharedcompute.kernels import variances

from . import naive

DTYPES = naive.dtypes("u2", "i2", "u1", "i1", "?")


def moments(x: naive.Array, cuts: tuple[int, ...] = ()) -> tuple[naive.Array, ...]:
    cols = x.shape[1]
    count, total = np.zeros(1, np.int64), np.zeros(cols, naive.wide(x.dtype))
    squares, m2 = np.zeros(cols, np.uint64), np.empty(cols)
    for strip in naive.strips(naive.frozen(x), cuts):
        variances.exact_moments(strip, False, count, total, squares)
    variances.deviations(count, total, squares, m2)
    return count, total, squares, m2


def exact_m2(column: naive.Array) -> float:
    values = [int(v) for v in column]
    mean = Fraction(sum(values), max(len(values), 1))
    return float(sum((v - mean) ** 2 for v in values))


@settings(max_examples=60 if naive.JIT else 10, deadline=None)
@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
    )
)
def test_they_are_those_of_whole_numbers(x: naive.Array) -> None:
    count, total, squares, m2 = moments(x)
    assert count[0] == len(x)
    assert total.tolist() == [sum(map(int, column)) for column in x.T]
    assert squares.tolist() == [sum(int(v) ** 2 for v in column) for column in x.T]
    np.testing.assert_allclose(m2, [exact_m2(column) for column in x.T], rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cuts_and_tiles_do_not_change_a_bit(dtype: str) -> None:
    x = naive.sample(dtype, (11, 530))
    for a, b in zip(moments(x), moments(x, (1, 3, 3, 8)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_constant_columns_do_not_deviate() -> None:
    x = np.repeat(np.array([[0, 1, 65534, 65535]], np.uint16), 7, axis=0)
    assert moments(x)[3].tolist() == [0, 0, 0, 0]


def test_small_noise_on_a_large_offset_loses_nothing() -> None:
    x = (65000 + np.arange(50)[:, None] % 2).astype(np.uint16)
    assert moments(x)[3].tolist() == [12.5]


def test_squares_that_wrap_still_give_the_deviations() -> None:
    # As of 2 ** 33 values of 60000 and as many of 60002: squares are 3.4 times 2 ** 64.
    n, mean = 2**34, 60001
    squares = np.array([(n * (mean**2 + 1)) % 2**64], np.uint64)
    m2 = np.empty(1)
    variances.deviations(np.array([n]), np.array([n * mean], np.uint64), squares, m2)
    assert m2.tolist() == [n]


def test_no_values_deviate_by_nothing() -> None:
    assert moments(np.zeros((0, 2), np.uint8))[3].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["f8", "c16"])
@pytest.mark.parametrize("each", [False, True])
def test_merged_moments_are_those_of_all_values(dtype: str, each: bool) -> None:
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(9, 600)) + 1e6).astype(dtype)
    x = x + 1j * rng.normal(size=x.shape) if dtype == "c16" else x
    states = []
    for part in (x[:0], x[:4], x[4:]):
        size = 600 if each else 1
        kind = naive.float_wide(dtype)
        state = np.zeros(size, np.int64), np.zeros(600, kind), np.zeros(600, kind), np.zeros(600)
        variances.moments(naive.frozen(part), False, *state)
        states.append(state)
    first, *others = states
    for other in others:
        variances.merge_moments(*first, *other)
    assert set(first[0].tolist()) == {9}
    np.testing.assert_allclose(first[1], x.sum(axis=0), rtol=1e-14)
    np.testing.assert_allclose(first[3], naive.squared_deviations(x - x[:1], False), rtol=1e-12)
