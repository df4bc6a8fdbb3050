"""Sweeps over a grid, whole and in pieces, against scipy.ndimage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from sharedcompute.kernels.sweeps import SEGMENT, relax

from . import naive

# A row is a segment, a line, a plane: the first has two segments and a bit.
SHAPES = [(2 * SEGMENT + 3,), (9, 11), (1, 5), (2, 2), (5, 1), (7, 5, 6), (3, 1, 2)]

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_dtype = pytest.mark.parametrize("dtype", ["f4", "f8"])
both_edges = pytest.mark.parametrize("insulated", [False, True], ids=["fixed", "insulated"])


def pair(shape: tuple[int, ...], dtype: str = "f8") -> naive.Array:
    """Two equal grids."""
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    return np.stack([x, x])


def rows(shape: tuple[int, ...], insulated: bool) -> tuple[int, int]:
    """The rows that change."""
    if len(shape) == 1:
        return 0, -(-shape[0] // SEGMENT)
    return (0, shape[0]) if insulated else (1, max(1, shape[0] - 1))


def sweep(
    grids: naive.Array,
    count: int,
    insulated: bool = False,
    region: tuple[int, int, int, int] | None = None,
    force: naive.Array | None = None,
) -> naive.Array:
    """Sweep and return what each row changed by."""
    shape = grids.shape[1:]
    none = np.empty((0,) * len(shape), grids.dtype)
    changes = np.zeros(-(-shape[0] // SEGMENT) if len(shape) == 1 else shape[0])
    weight = grids.dtype.type(0.125)
    region = region or (*rows(shape, insulated), 0, 0)
    relax(grids, 0, none if force is None else force, weight, insulated, region, count, changes)
    return changes


@every_shape
@every_dtype
@both_edges
def test_a_sweep_adds_a_part_of_the_laplacian(
    shape: tuple[int, ...], dtype: str, insulated: bool
) -> None:
    grids = pair(shape, dtype)
    before, wide = grids[0].copy(), grids[0].astype("f8")
    expected = wide + 0.125 * ndimage.laplace(wide, mode="nearest")
    if not insulated:
        inner = (slice(1, -1),) * len(shape)
        wide[inner] = expected[inner]
        expected = wide
    sweep(grids, 1, insulated)
    np.testing.assert_allclose(grids[1], expected, rtol=1e-5 if dtype == "f4" else 1e-13, atol=1e-6)
    np.testing.assert_array_equal(grids[0], before)


@every_shape
@every_dtype
@both_edges
def test_many_sweeps_at_once_are_the_same_bits(
    shape: tuple[int, ...], dtype: str, insulated: bool
) -> None:
    for count in range(1, 8):
        at_once, one_by_one = pair(shape, dtype), pair(shape, dtype)
        changes = sweep(at_once, count, insulated)
        for _ in range(count):
            expected = sweep(one_by_one, 1, insulated)
            one_by_one = one_by_one[::-1].copy()
        if count % 2:
            one_by_one = one_by_one[::-1]
        np.testing.assert_array_equal(at_once, one_by_one)
        np.testing.assert_array_equal(changes, expected)


@pytest.mark.parametrize("shape", [(40, 7), (40, 3, 4), (40 * SEGMENT - 5,)], ids=str)
@both_edges
def test_two_parts_that_shrink_and_the_triangle_between_them_are_the_same_bits(
    shape: tuple[int, ...], insulated: bool
) -> None:
    first, end = rows(shape, insulated)
    for count in (1, 2, 5, 10):
        for cut in (first + 2 * count, 20, end - 2 * count):
            whole, parts = pair(shape), pair(shape)
            expected = sweep(whole, count, insulated)
            changes = sweep(parts, count, insulated, (first, cut, 0, -1))
            changes += sweep(parts, count, insulated, (cut, end, 1, 0))
            changes += sweep(parts, count, insulated, (cut, cut, -1, 1))
            np.testing.assert_array_equal(parts, whole)
            np.testing.assert_array_equal(changes, expected)


@every_shape
def test_a_force_is_added_in_each_sweep(shape: tuple[int, ...]) -> None:
    grids, force = pair(shape), pair(shape)[0] + 1
    sweep(grids, 3, True, force=force)
    expected = pair(shape)[0]
    for _ in range(3):
        expected += 0.125 * ndimage.laplace(expected, mode="nearest") + force
    np.testing.assert_allclose(grids[1], expected, rtol=1e-13)


@every_shape
@every_dtype
def test_changes_are_the_largest_of_each_row(shape: tuple[int, ...], dtype: str) -> None:
    grids = pair(shape, dtype)
    changes = sweep(grids, 1, True)
    difference = np.abs(grids[1] - grids[0])
    if len(shape) == 1:
        expected = [difference[at : at + SEGMENT].max() for at in range(0, shape[0], SEGMENT)]
    else:
        expected = difference.reshape(shape[0], -1).max(axis=1)
    np.testing.assert_array_equal(changes, expected)


def test_a_change_to_nan_is_nan() -> None:
    grids = pair((8, 700))
    grids[:, 3, 600] = np.nan
    np.testing.assert_array_equal(np.isnan(sweep(grids, 1)), [0, 0, 1, 1, 1, 0, 0, 0])


def test_an_even_field_stays_as_it_is_to_the_bit() -> None:
    for ndim in (1, 2, 3):
        for dtype in ("f4", "f8"):
            grids = np.full((2, *(9,) * ndim), 0.3, dtype)
            assert sweep(grids, 4, True).max() == 0
            assert (grids == grids.dtype.type(0.3)).all()
