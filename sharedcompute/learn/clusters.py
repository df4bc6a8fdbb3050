"""k-means as a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.events import Listener
from sharedcompute.kernels import clustering as kernels
from sharedcompute.learn.estimator import Estimator, opened
from sharedcompute.learn.foundation import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    Tags,
    TransformerMixin,
)
from sharedcompute.operations.specs import Array
from sharedcompute.team import Team
from sharedcompute.traits import EngineName

SCORED_ROWS = 1 << 16
"""Rows that `KMeans.score` reads at a time."""


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Estimator):
    """Clusters around centres, by Lloyd's algorithm.

    Parameters
    ----------
    n_clusters : int
    init : {"k-means++", "random"} or array of shape (n_clusters, n_features)
        How the first centres are chosen.
    max_iter : int
        Most rounds of moving the centres.
    tol : float
        Done at this squared shift of the centres, by the mean variance of the features.
    random_state : int
        Seed of the random numbers. The same seed has the same bits, everywhere.
    workers, threads : int, optional
        Processes, and threads of each; as many as there are cores where it pays.
    memory : int or str, optional
        For all of them together: ``"4 GB"``.
    engine : str
        As of `sharedcompute.fit`.
    team : sharedcompute.Team, optional
        Run on it. A pickle of the model has none.
    listen : callable, optional
        Gets the events of each run; raising StopIteration ends a fit with the best so far.

    Attributes
    ----------
    cluster_centers_ : ndarray, shape (n_clusters, n_features)
    labels_ : ndarray of int32, shape (n_samples,)
    inertia_ : float
        The sum of squared distances of rows to their centres.
    n_iter_ : int
    history_ : dict of ndarray
        ``inertia`` and ``shift`` of each round, those that seed the centres included.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where the columns had names.

    Examples
    --------
    >>> import numpy as np
    >>> from sharedcompute.learn import KMeans
    >>> x = np.array([[0.0, 0.0], [0.0, 2.0], [8.0, 8.0], [8.0, 6.0]])
    >>> model = KMeans(n_clusters=2).fit(x)
    >>> np.sort(model.cluster_centers_, axis=0)
    array([[0., 1.],
           [8., 7.]])
    >>> bool(model.predict([[9.0, 9.0]])[0] == model.labels_[2])
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | ArrayLike = "k-means++",
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int = 0,
        workers: int | None = None,
        threads: int | None = None,
        memory: int | str | None = None,
        engine: EngineName = "auto",
        team: Team | None = None,
        listen: Listener | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.workers = workers
        self.threads = threads
        self.memory = memory
        self.engine = engine
        self.team = team
        self.listen = listen

    def fit(self, X: ArrayInput, y: ArrayInput | None = None) -> Self:
        """Find the centres.

        Parameters
        ----------
        X : array, address, LazyArray, SharedArray or h5py.Dataset, shape (n_samples, n_features)
        y : ignored

        Raises
        ------
        InputError
            There are fewer rows than clusters, NaN among them, or a parameter out of range.
        """
        del y
        x = self._rows(X, least=1)
        params: dict[str, object] = {
            "n_clusters": self.n_clusters,
            "init": self.init,
            "max_iter": self.max_iter,
            "tol": self.tol,
            "random_state": self.random_state,
        }
        found = self._fit("kmeans", x, params)
        arrays: Mapping[str, Array] = found
        self.cluster_centers_ = arrays["cluster_centers"]
        self.labels_ = arrays["labels"]
        self.inertia_: float = found["inertia"]
        self.n_iter_: int = found["n_iter"]
        self.history_ = found.history
        return self

    def predict(
        self, X: ArrayInput, *, output: AddressLike | Array | None = None, overwrite: bool = False
    ) -> Array | LazyArray:
        """Find the nearest centre of each row.

        Parameters
        ----------
        X : array, address, LazyArray, SharedArray or h5py.Dataset, shape (n_samples, n_features)
        output : address or ndarray, optional
            ``FILE::PATH``: the result is written there.
        overwrite : bool
            Replace what lies there.

        Returns
        -------
        ndarray or Dataset of int32, shape (n_samples,)
        """
        return self._map("nearest_center", X, self._centers(), output, overwrite)

    def transform(
        self, X: ArrayInput, *, output: AddressLike | Array | None = None, overwrite: bool = False
    ) -> Array | LazyArray:
        """Compute the distance of each row to each centre, shape (n_samples, n_clusters)."""
        return self._map("center_distances", X, self._centers(), output, overwrite)

    def score(self, X: ArrayInput, y: ArrayInput | None = None) -> float:
        """Return the negative sum of squared distances of rows to their nearest centres."""
        del y
        labels = self.predict(X)
        there = opened(X)
        rows = self._checked(X) if there is None else there
        parts: list[float] = []
        for start in range(0, len(labels), SCORED_ROWS):
            some = slice(start, start + SCORED_ROWS)
            square = np.empty(len(labels[some]))
            x = np.ascontiguousarray(rows[some])
            kernels.squares(x, self.cluster_centers_, np.asarray(labels[some]), square)
            parts.append(float(square.sum()))
        return -math.fsum(parts)

    def _centers(self) -> dict[str, object]:
        # Asked for before it is known whether there are any.
        return {"centers": getattr(self, "cluster_centers_", None)}

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
