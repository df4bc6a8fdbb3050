"""Principal components as a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np

from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.learn.estimator import Estimator
from sharedcompute.learn.foundation import (
    ClassNamePrefixFeaturesOutMixin,
    Tags,
    TransformerMixin,
    check_is_fitted,
)
from sharedcompute.operations.specs import Array
from sharedcompute.team import Team
from sharedcompute.traits import EngineName

SOLVERS = {"covariance_eigh": "covariance", "randomized": "randomized"}


class PCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Principal components.

    Parameters
    ----------
    n_components : int, float or None
        How many, or the fraction of the variance that they are to explain; None: all.
    whiten : bool
        Divide coordinates by their standard deviations.
    svd_solver : {"covariance_eigh", "randomized"}
        Exact; or for very many columns.
    iterated_power : int or "auto"
        Power iterations (randomized).
    n_oversamples : int
        Additional directions (randomized).
    random_state : int
        Seed of the random numbers (randomized).
    workers, threads, memory, engine, team, listen
        How to run, as in `KMeans`.

    Attributes
    ----------
    components_ : ndarray, shape (n_components, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : ndarray, (n_components,)
    mean_ : ndarray, shape (n_features,)
    noise_variance_ : float
    n_components_, n_samples_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where the columns had names.

    Examples
    --------
    >>> import numpy as np
    >>> from sharedcompute.learn import PCA
    >>> model = PCA(n_components=1).fit(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]))
    >>> model.components_.round(3)
    array([[0.6, 0.8]])
    >>> model.transform(np.array([[6.0, 8.0]])).round(3)
    array([[5.]])
    """

    def __init__(
        self,
        n_components: float | None = None,
        *,
        whiten: bool = False,
        svd_solver: str = "covariance_eigh",
        iterated_power: int | str = "auto",
        n_oversamples: int = 10,
        random_state: int = 0,
        workers: int | None = None,
        threads: int | None = None,
        memory: int | str | None = None,
        engine: EngineName = "auto",
        team: Team | None = None,
        listen: Listener | None = None,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.iterated_power = iterated_power
        self.n_oversamples = n_oversamples
        self.random_state = random_state
        self.workers = workers
        self.threads = threads
        self.memory = memory
        self.engine = engine
        self.team = team
        self.listen = listen

    def fit(self, X: ArrayInput, y: ArrayInput | None = None) -> Self:
        """Find the components.

        Parameters
        ----------
        X : array, address, LazyArray, SharedArray or h5py.Dataset, shape (n_samples, n_features)
        y : ignored

        Raises
        ------
        InputError
            There are fewer rows or columns than components, NaN, or a parameter out of range.
        """
        del y
        x = self._rows(X, least=2)
        found = self._fit("pca", x, self._params(x.shape))
        arrays: Mapping[str, Array] = found
        self.components_ = arrays["components"]
        self.explained_variance_ = arrays["explained_variance"]
        self.explained_variance_ratio_ = arrays["explained_variance_ratio"]
        self.singular_values_ = arrays["singular_values"]
        self.mean_ = arrays["mean"]
        self.noise_variance_: float = found["noise_variance"]
        self.n_samples_: int = found["n_samples"]
        self.n_components_: int = len(self.components_)
        return self

    def _params(self, shape: tuple[int, ...]) -> dict[str, object]:
        solver = SOLVERS.get(self.svd_solver)
        if solver is None:
            raise InputError(
                f"svd_solver: expected one of {', '.join(SOLVERS)}, got {self.svd_solver!r}"
            )
        every = min(shape) if solver == "randomized" else None
        return {
            "n_components": every if self.n_components is None else self.n_components,
            "solver": solver,
            "n_oversamples": self.n_oversamples,
            "n_iter": None if self.iterated_power == "auto" else self.iterated_power,
            "random_state": self.random_state,
        }

    def transform(
        self, X: ArrayInput, *, output: AddressLike | Array | None = None, overwrite: bool = False
    ) -> Array | LazyArray:
        """Compute the coordinates of rows along the components.

        Parameters
        ----------
        X : array, address, LazyArray, SharedArray or h5py.Dataset, shape (n_samples, n_features)
        output : address or ndarray, optional
            ``FILE::PATH``: the result is written there.
        overwrite : bool
            Replace what lies there.

        Returns
        -------
        ndarray or LazyArray, shape (n_samples, n_components)
        """
        check_is_fitted(self)
        params: dict[str, object] = {"components": self.components_, "mean": self.mean_}
        if self.whiten:
            params["variance"] = self._scale() ** 2
        return self._map("project", X, params, output, overwrite)

    def inverse_transform(self, X: ArrayInput) -> Array:
        """Return the rows that have the coordinates `X`, shape (n_samples, n_components)."""
        check_is_fitted(self)
        x: Array = np.asarray(X)
        if x.ndim != 2 or x.shape[1] != self.n_components_:
            raise InputError(
                f"expected coordinates of shape (n_samples, {self.n_components_}), got {x.shape}"
            )
        spread = self._scale()[:, None] if self.whiten else 1
        rows: Array = x @ (spread * self.components_) + self.mean_
        return rows.astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)

    def _scale(self) -> Array:
        """Return standard deviations; as scikit-learn's where there is no variance."""
        return np.maximum(np.sqrt(self.explained_variance_), np.finfo(np.float64).eps)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
