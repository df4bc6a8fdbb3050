"""Which axes a result still has is never guessed where it could be another one."""

from __future__ import annotations

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.graph import build
from sharedcompute.hdf5.format.dimensions import Axes, axes_that_stay
from sharedcompute.operations.catalogue import CATALOGUE, ITERATIVE
from sharedcompute.operations.stages import Stage
from sharedcompute.planning.axes import axes_of, axes_of_fit
from sharedcompute.planning.in_memory import ArraySource


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((4, 5), (4, 5), [0, 1]),
        ((4, 4), (4, 4), [0, 1]),
        ((4, 5), (4,), [0]),
        ((4, 5), (5,), [1]),
        ((4, 5), (3, 5), [None, 1]),
        ((4, 5), (5, 4), [None, None]),
        ((4, 4), (4,), [None]),
        ((4, 5), (3,), [None]),
        ((5,), (5, 5), [None, None]),
        ((4, 5), (4, 2, 5), [0, None, 1]),
        ((4, 5), (5, 2, 4), [None, None, None]),
        ((4, 5), (), []),
        ((), (3,), [None]),
    ],
)
def test_an_axis_stays_where_nothing_else_can_be_meant(
    before: tuple[int, ...], after: tuple[int, ...], expected: list[int | None]
) -> None:
    assert axes_that_stay(before, after) == expected


def stage(row_shape: tuple[int, ...] | None, *, new: bool = False) -> Stage:
    dtype = np.dtype(np.float64)
    return Stage("", lambda: None, (), dtype, row_shape=row_shape, new_axes=new)


def axes_after(shape: tuple[int, ...], stages: list[Stage]) -> Axes:
    source = ArraySource(np.zeros(shape))
    node = build.read(source)
    for each in stages:
        node = build.staged(each, node)
    return axes_of(node, source)


def test_axes_are_followed_through_all_stages() -> None:
    assert axes_after((6, 4, 5), [stage(None)]) == [0, 1, 2]
    assert axes_after((6, 4, 5), [stage((4,)), stage(None), stage((4, 3))]) == [0, 1, None]
    assert axes_after((6, 4, 5), [stage((3,)), stage((4,))]) == [0, None]
    assert axes_after((6, 5), [stage((5,), new=True)]) == [0, None]


def test_operations_that_make_new_axes_say_so() -> None:
    maps = [op for op in CATALOGUE.values() if isinstance(op, sc.Map) and op.row_shape]
    assert {op.name for op in maps if not op.new_axes} == {"nearest_center"}


def test_results_of_fits_are_along_the_input_only_where_the_fit_says_so() -> None:
    pca, heat = ITERATIVE["pca"], ITERATIVE["heat"]
    assert axes_of_fit(pca, "components", [0, 1], (4,), (4, 4)) == [None, 1]
    assert axes_of_fit(pca, "components", [0, 1, 2], (4, 5), (3, 20)) == [None, None]
    assert axes_of_fit(pca, "explained_variance", [0, 1], (4,), (4,)) == [None]
    assert axes_of_fit(heat, "grid", [0, 1], (4,), (6, 4)) == [0, 1]
    for fit in ITERATIVE.values():
        assert {*fit.like_row, *fit.like_input} <= {*fit.gives}
