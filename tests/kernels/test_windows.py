from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from sharedcompute.kernels import windows as kernels

from . import naive

DTYPES = naive.dtypes("f4", "i2")
SIZES = [(1,), (3,), (4,), (3, 3), (2, 5), (1, 3, 2)]


def rank_window(padded: naive.Array, size: tuple[int, ...], rank: int) -> naive.Array:
    strides = np.array(padded.strides, np.int64) // padded.itemsize
    steps = np.indices(size).reshape(len(size), -1)
    shape = [n - k + 1 for n, k in zip(padded.shape, size, strict=True)]
    out = np.empty(math.prod(shape), padded.dtype)
    kernels.rank_window(
        padded.reshape(-1), out, strides @ steps, np.array(shape, np.int64), strides, rank
    )
    return out.reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_rank_of_every_window(dtype: str, size: tuple[int, ...]) -> None:
    shape = tuple(k + 3 + 4 * i for i, k in enumerate(size))
    padded = naive.sample(dtype, (1, math.prod(shape))).reshape(shape)
    for rank in range(math.prod(size)):
        np.testing.assert_array_equal(
            rank_window(padded, size, rank), naive.ranked(padded, size, rank)
        )


@pytest.mark.parametrize("size", [(3,), (3, 3), (5, 2)], ids=str)
def test_medians_are_those_of_scipy(size: tuple[int, ...]) -> None:
    x = naive.sample("f4", (11, 7), special=False)
    x = x if len(size) == 2 else x.reshape(-1)
    edges = [(k // 2, k - k // 2 - 1) for k in size]
    padded = naive.frozen(np.pad(x, edges, mode="symmetric"))
    median = rank_window(padded, size, math.prod(size) // 2)
    np.testing.assert_array_equal(median, ndimage.median_filter(x, size, mode="reflect"))


@pytest.mark.parametrize("nans", [0, 5, 200, 300])
@pytest.mark.parametrize("rank", [0, 1, 144, 287, 288])
def test_large_windows_are_selected_from_one_by_one(nans: int, rank: int) -> None:
    padded = naive.sample("f4", (18, 19), special=False).copy()
    padded.flat[np.random.default_rng(1).permutation(padded.size)[:nans]] = np.nan
    padded, size = naive.frozen(padded), (17, 17)
    assert math.prod(size) > kernels.PASSES
    np.testing.assert_array_equal(rank_window(padded, size, rank), naive.ranked(padded, size, rank))


def test_lines_longer_than_the_buffer_are_cut() -> None:
    padded = naive.sample("f4", (1, 1100), special=False)[0]
    np.testing.assert_array_equal(rank_window(padded, (3,), 1), naive.ranked(padded, (3,), 1))


def test_steps_may_be_wider_than_one_element() -> None:
    padded = naive.sample("f4", (1, 30), special=False)[0]
    out = np.empty(10, np.float32)
    kernels.rank_window(padded, out, np.arange(3), np.array([10]), np.array([3]), 2)
    np.testing.assert_array_equal(out, padded.reshape(10, 3).max(axis=1))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_no_outputs_need_no_windows(shape: tuple[int, int]) -> None:
    padded = naive.frozen(np.ones((shape[0] + 2) * shape[1], np.float32))
    out = np.empty(0, np.float32)
    kernels.rank_window(padded, out, np.arange(3), np.array(shape), np.array([shape[1], 1]), 1)
