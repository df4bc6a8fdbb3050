from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.vq import vq
from scipy.spatial.distance import cdist

from sharedcompute.kernels import clustering as kernels
from sharedcompute.operations.rowwise.centers import comparable

SHAPES = [(1, 1, 1), (63, 1, 3), (64, 4, 4), (65, 5, 7), (200, 17, 33), (130, 3, 1)]


def made(rows, features, clusters, dtype="f8"):
    random = np.random.default_rng(rows * features)
    x = random.normal(size=(rows, features)).astype(dtype)
    return x, random.normal(size=(clusters, features)).astype(dtype)


def labels(x, centres):
    out = np.full((len(x), 1), -1, np.int32)
    kernels.nearest(x, out, *comparable(centres))
    return out[:, 0]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_nearest_centre_is_that_of_scipy(shape, dtype):
    x, centres = made(*shape, dtype)  # type: ignore[call-arg]
    assert np.array_equal(labels(x, centres), vq(x, centres)[0])


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "?"])
def test_whole_numbers_are_compared_in_double_precision(dtype):
    random, top = np.random.default_rng(0), 2 if dtype == "?" else 100
    x = random.integers(0, top, (70, 6)).astype(dtype)
    centres = random.uniform(0, top - 1, (5, 6))
    assert np.array_equal(labels(x, centres), vq(x.astype("f8"), centres)[0])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_labels_do_not_depend_on_how_rows_are_cut(dtype):
    x, _ = made(150, 7, 1, dtype)
    # Rows between two centres: the last bit decides.
    centres = np.stack([x[0], -x[0], x[1], -x[1], x[0]])
    x[2:50] = (x[2:50] * np.float32(1e-4)).astype(dtype)
    whole = labels(x, centres)
    for cut in (1, 7, 64, 90):
        parts = [labels(x[:cut], centres), labels(x[cut:], centres)]
        assert np.array_equal(np.concatenate(parts), whole)
    alone = [labels(x[i : i + 1], centres)[0] for i in range(0, 150, 13)]
    assert np.array_equal(alone, whole[::13])


def test_of_equally_near_centres_the_first_is_taken():
    x, centres = made(80, 5, 6)
    assert labels(x, np.repeat(centres, 2, axis=0)).max() % 2 == 0
    assert not (labels(x, np.repeat(centres, 2, axis=0)) % 2).any()


def test_single_precision_keeps_its_digits_far_from_zero():
    x, centres = made(300, 4, 5)
    far = np.float32(10_000)
    x, centres = (x.astype("f4") + far), (centres.astype("f4") + far)
    assert np.array_equal(labels(x, centres), cdist(x, centres).argmin(axis=1))


def test_centres_that_are_not_there_yet_are_nearest_to_no_row():
    x, centres = made(90, 3, 6)
    centres[[0, 4]] = np.nan
    assert set(labels(x, centres)) <= {1, 2, 3, 5}
    centres[:] = np.nan
    assert not labels(x, centres).any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["f4", "f8", "u1"])
def test_rows_are_added_to_the_clusters_of_their_labels(shape, dtype):
    x, centres = made(*shape)
    x, centres = (x * 20 + 60).astype(dtype), (centres * 20 + 60)
    if dtype == "f4":
        centres = centres.astype("f4")
    label = np.empty(len(x), np.int32)
    count, total = np.ones(len(centres), np.int64), np.ones(centres.shape)
    kernels.assign(x, label, *comparable(centres), count, total)
    assert np.array_equal(label, labels(x, centres))
    assert np.array_equal(count, 1 + np.bincount(label, minlength=len(centres)))
    want = np.ones(centres.shape)
    np.add.at(want, label, x.astype("f8"))
    assert np.array_equal(total, want)


@pytest.mark.parametrize("shape", SHAPES)
def test_distances_are_those_of_scipy(shape):
    x, centres = made(*shape)
    want = cdist(x, centres)
    out = np.empty(want.shape)
    kernels.distances(x, out, centres)
    np.testing.assert_allclose(out, want, rtol=1e-13)
    label = want.argmin(axis=1).astype(np.int32)
    square = np.empty(len(x))
    kernels.squares(x, centres, label, square)
    np.testing.assert_allclose(square, want.min(axis=1) ** 2, rtol=1e-13)


def test_a_row_that_is_a_centre_has_no_distance():
    x = (np.random.default_rng(0).normal(size=(30, 9)) * 1e3 + 1e6).astype("f4")
    square = np.ones(30)
    kernels.squares(x, x, np.arange(30, dtype=np.int32), square)
    assert not square.any()
