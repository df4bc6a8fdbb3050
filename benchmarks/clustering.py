"""k-means: rounds over rows in shared memory and in a compressed file, beside scikit-learn's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np

import sharedcompute as sc
from benchmarks.timing import Row, at_most_times, medians, ratio
from sharedcompute.planning.budget import staging

Array = np.ndarray[Any, Any]
CLUSTERS = 16
FEATURES = 16
ITERATIONS = 10


def blobs(rows: int) -> tuple[Array, Array]:
    """Well separated clusters, in an order without order, and a row of each."""
    random = np.random.default_rng(0)
    centres = random.uniform(-10, 10, (CLUSTERS, FEATURES)).astype("f4")
    x = random.normal(size=(rows, FEATURES)).astype("f4")
    cluster = random.integers(0, CLUSTERS, rows)
    x += centres[cluster]
    return x, x[np.unique(cluster, return_index=True)[1]]


def sklearn_kmeans(x: Array, init: Array, threads: int) -> Array:
    """Lloyd's algorithm from the same centres, for the same iterations."""
    import threadpoolctl
    from sklearn.cluster import KMeans

    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(threads):
        warnings.simplefilter("ignore")
        fitted = KMeans(
            len(init), init=init, n_init=1, max_iter=ITERATIONS, tol=0, algorithm="lloyd"
        ).fit(x)
    labels: Array = fitted.labels_
    return labels


def clustering(team: sc.Team, folder: Path, repeats: int, rows: int = 1_000_000) -> list[Row]:
    """k-means of 1,000,000 x 16, k = 16."""
    x, separate = blobs(rows)
    # From a row of each cluster it would be done after two iterations.
    init = x[:CLUSTERS].copy()
    shared = sc.asarray(x)

    def ours(source: Any, init: Array = init) -> Any:
        return sc.fit("kmeans", source, init=init, max_iter=ITERATIONS, tol=0, team=team)

    other = int((ours(shared, separate).labels_ != sklearn_kmeans(x, separate, 2)).sum())
    in_memory = medians(
        {
            "sharedcompute": lambda: ours(shared),
            "scikit-learn, 2 threads": lambda: sklearn_kmeans(x, init, 2),
        },
        repeats,
    )
    what = f"k-means of {rows:,} x {FEATURES} f4, k = {CLUSTERS}, {ITERATIONS} iterations"
    return [
        ratio(what, in_memory, "scikit-learn, 2 threads", 1),
        Row("labels that are not scikit-learn's", str(other), "0", other == 0),
        *compressed(what, x, init, team, folder, repeats),
    ]


def compressed(
    what: str, x: Array, init: Array, team: sc.Team, folder: Path, repeats: int
) -> list[Row]:
    """The same from gzip, decoded once and held, or in each pass as if it were too large for that.

    Passes are the iterations, one more for the inertia of the result, and one for the labels.
    """
    file = folder / "blobs.h5"
    with h5py.File(file, "w") as made:
        made.create_dataset("x", data=x, chunks=(8192, FEATURES), compression=4, shuffle=True)
    address = f"{file}::/x"

    def ours(**limits: Any) -> Any:
        return sc.fit("kmeans", address, init=init, max_iter=ITERATIONS, tol=0, team=team, **limits)

    def streamed() -> Any:
        # What it takes without room for the rows.
        with mock.patch.object(staging, "choose_load", return_value=None):
            return ours()

    seconds = medians(
        {"held": ours, "streamed": streamed, "once": lambda: sc.reduce("max", address, team=team)},
        repeats,
    )
    file.unlink()
    passes, once = ITERATIONS + 2, seconds["once"]
    each = {"sharedcompute": seconds["streamed"], "decoding it as often": passes * once}
    whole = {"sharedcompute": seconds["held"], "decoding it once": once}
    return [
        at_most_times(f"{what}, gzip 4 decoded in each pass", each, "decoding it as often", 1.3),
        at_most_times(f"{what}, gzip 4 decoded once", whole, "decoding it once", None),
    ]
