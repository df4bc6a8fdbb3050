"""A k-means that was stopped says what its clusters are by then."""

from __future__ import annotations

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.events import Event, RoundDone

X = np.random.default_rng(0).normal(size=(3000, 4))
SEEDING = 4  # rounds, one for each centre


@pytest.mark.parametrize("last", [SEEDING + 1, SEEDING + 3])
def test_a_stopped_fit_has_the_inertia_and_sizes_of_the_labels_it_gives(last: int) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, RoundDone) and event.number == last:
            raise StopIteration

    fit = sc.fit("kmeans", X, n_clusters=4, listen=stop)
    assert not fit.converged_
    off = X - fit.cluster_centers_[fit.labels_]
    np.testing.assert_allclose(fit.inertia_, (off**2).sum(), rtol=1e-12)
    np.testing.assert_array_equal(fit.cluster_sizes_, np.bincount(fit.labels_, minlength=4))
