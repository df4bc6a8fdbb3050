"""Maps of rows to centres agree with NumPy, and have the same bits on every team."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import sharedcompute as sc

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(301, 5, 2))
CENTERS = RANDOM.normal(size=(7, 5, 2))


def distances(x, centers):
    """A row for each row of `x`, a column for each centre."""
    apart = x.reshape(len(x), 1, -1).astype(np.float64) - centers.reshape(1, len(centers), -1)
    return np.sqrt(np.square(apart).sum(axis=2))


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.sample(1)
def test_rows_are_measured_from_centres_and_labelled_by_the_nearest(dtype):
    x, centers = X.astype(dtype), CENTERS.astype(dtype)
    far = sc.map("center_distances", x, centers=centers, engine="serial", block_rows=3)
    near = sc.map("nearest_center", x, centers=centers, engine="serial", block_rows=3)
    want = distances(x, centers)
    np.testing.assert_allclose(far, want, rtol=1e-6 if dtype == "f4" else 1e-13)
    np.testing.assert_array_equal(near, want.argmin(axis=1))
    assert (far.dtype, near.dtype) == (np.dtype(dtype), np.dtype(np.int32))


@pytest.mark.parametrize("name", ["nearest_center", "center_distances"])
@pytest.mark.sample(1)
def test_maps_to_centres_have_the_same_bits_on_every_team(name, teams):
    want = sc.map(name, X, centers=CENTERS, engine="serial", block_rows=301)
    shared = sc.asarray(X)
    for team in teams.values():
        got = sc.map(name, shared, centers=CENTERS, team=team, block_rows=7)
        np.testing.assert_array_equal(got, want, strict=True)


@pytest.mark.parametrize("name", ["nearest_center", "center_distances"])
def test_centres_of_another_shape_are_refused(name):
    with pytest.raises(sc.InputError, match=rf"{name} needs centres of shape \(k, 5, 2\), got"):
        sc.map(name, X, centers=CENTERS[:, :4])


def test_labels_go_from_file_to_file_by_the_address_of_centres(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"], file["fit/cluster_centers"] = X, CENTERS
    source, output = tmp_path / "in.h5", f"{tmp_path / 'out.h5'}::/labels"
    got = sc.map(
        "nearest_center", f"{source}::/x", output, centers=f"{source}::/fit/cluster_centers"
    )
    np.testing.assert_array_equal(got, sc.map("nearest_center", X, centers=CENTERS), strict=True)


def test_rows_with_nan_are_nowhere_and_labelled_by_the_first_centre():
    x = X.copy()
    x[5, 0, 0] = np.nan
    far, near = (sc.map(n, x, centers=CENTERS) for n in ("center_distances", "nearest_center"))
    assert np.isnan(far[5]).all()
    assert not np.isnan(np.delete(far, 5, axis=0)).any()
    assert near[5] == 0


def test_a_row_that_is_a_centre_has_no_distance_and_equal_centres_go_by_their_order():
    centers = np.concatenate([X[:2], X[:2]])
    far, near = (sc.map(n, X, centers=centers) for n in ("center_distances", "nearest_center"))
    assert far[0, 0] == far[1, 3] == 0
    assert near.max() == 1
