"""Bounds on whole numbers are exact."""

from __future__ import annotations

import pickle

import cloudpickle
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.operations.catalogue import find
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.build import build
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.planning.job import Job, transform

NANOSECONDS = np.int64(1_700_000_000_000_000_000) + np.array([1, 50, 129])


def test_clip_keeps_all_digits_of_whole_numbers() -> None:
    upper = int(NANOSECONDS[0]) + 99
    for given in (upper, str(upper), np.int64(upper)):
        got = sc.map("clip", NANOSECONDS, upper=given)
        np.testing.assert_array_equal(got, np.clip(NANOSECONDS, None, upper))


def test_threshold_keeps_all_digits_of_whole_numbers() -> None:
    level = int(NANOSECONDS[1])
    got = sc.map("threshold", NANOSECONDS, level=level)
    np.testing.assert_array_equal(got, np.where(level < NANOSECONDS, NANOSECONDS, 0))


def test_a_threshold_between_whole_numbers_or_beyond_them_is_right() -> None:
    x = np.arange(5, dtype=np.uint8)
    assert sc.map("threshold", x, level=2.5).tolist() == [0, 0, 0, 3, 4]
    assert sc.map("threshold", x, level=-7.0).tolist() == x.tolist()
    assert sc.map("threshold", x, level=1e9).tolist() == [0] * 5


@pytest.mark.parametrize(("name", "params"), [("uniform", {"size": 1}), ("gaussian", {"sigma": 0})])
def test_a_filter_that_filters_nothing_changes_nothing(name: str, params: dict[str, int]) -> None:
    np.testing.assert_array_equal(sc.map(name, NANOSECONDS, **params), NANOSECONDS)


def test_bounds_without_a_whole_number_between_them_are_refused() -> None:
    with pytest.raises(sc.InputError, match="a whole number between them"):
        sc.map("clip", np.arange(10), lower=5.5, upper=5.6)


@pytest.mark.parametrize("name", ["median", "laplace", "gaussian", "uniform", "sobel"])
def test_plans_do_not_grow_with_the_rows(name: str) -> None:
    params = {"sigma": 1.0} if name == "gaussian" else {}
    sizes = set()
    for rows in (1000, 10_000_000):
        x = np.broadcast_to(np.float32(0), (rows, 4))
        job = Job(ArraySource(x), (transform(find(name), params, None),))
        (work,) = build(job, RunOptions(memory=10**12)).passes
        sizes.add(len(pickle.dumps(cloudpickle.dumps(work.steps))))
    # Numbers of rows take some bytes themselves.
    assert max(sizes) - min(sizes) < 64
