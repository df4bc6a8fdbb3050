"""Linear regressions as models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sharedcompute.api.fitted import Fitted
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.events import Listener
from sharedcompute.learn.estimator import Estimator, in_memory
from sharedcompute.learn.foundation import RegressorMixin, Tags, check_is_fitted
from sharedcompute.operations.specs import Array
from sharedcompute.team import Team
from sharedcompute.traits import EngineName


class _Regression(RegressorMixin, Estimator):
    """What both regressions share."""

    fit_intercept: bool

    def _keep(self, found: Fitted) -> None:
        values: Mapping[str, Array] = found
        self.coef_ = values["coef"]
        self.intercept_: float | Array = values["intercept"] if self.fit_intercept else 0.0

    def predict(
        self, X: ArrayInput, *, output: AddressLike | Array | None = None, overwrite: bool = False
    ) -> Array | LazyArray:
        """Predict the targets of each row.

        Parameters
        ----------
        X : array, address, LazyArray, SharedArray or h5py.Dataset, shape (n_samples, n_features)
        output : address or ndarray, optional
            ``FILE::PATH``: the result is written there.
        overwrite : bool
            Replace what lies there.

        Returns
        -------
        ndarray or LazyArray, shape (n_samples,) or (n_samples, n_targets)
        """
        check_is_fitted(self)
        params: dict[str, object] = {"coef": self.coef_, "intercept": self.intercept_}
        return self._map("linear", X, params, output, overwrite)

    def score(self, X: ArrayInput, y: ArrayInput) -> float:
        """Return the share of the variance of `y` explained (R^2), the mean over targets."""
        predicted: Array = np.asarray(self.predict(X))
        given = np.asarray(in_memory(y), np.float64)
        apart = given - predicted.reshape(given.shape)
        residual: NDArray[np.float64] = np.square(apart).sum(axis=0)
        mean: NDArray[np.float64] = given.mean(axis=0)
        total: NDArray[np.float64] = np.square(given - mean).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            # A constant target is met or it is not.
            met = np.where(residual == 0, 1.0, 0.0)
            shares: NDArray[np.float64] = np.where(total > 0, 1 - residual / total, met)
            return float(shares.mean())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class LinearRegression(_Regression):
    """Linear regression by least squares.

    Parameters
    ----------
    fit_intercept : bool
        Add a constant to ``X @ coef_``.
    workers, threads, memory, engine, team, listen
        How to run, as in `KMeans`.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray, shape (n_targets,)
    rank_ : int
    singular_ : ndarray, shape (n_features,)
        The singular values of the rows about their means.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where the columns had names.

    Examples
    --------
    >>> import numpy as np
    from numpy.typing import NDArray
    >>> from sharedcompute.learn import LinearRegression
    >>> model = LinearRegression().fit(np.array([[0.0], [1.0], [2.0]]), [1.0, 3.0, 5.0])
    >>> model.coef_.round(6), round(model.intercept_, 6)
    (array([2.]), 1.0)
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        workers: int | None = None,
        threads: int | None = None,
        memory: int | str | None = None,
        engine: EngineName = "auto",
        team: Team | None = None,
        listen: Listener | None = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.workers = workers
        self.threads = threads
        self.memory = memory
        self.engine = engine
        self.team = team
        self.listen = listen

    def fit(self, X: ArrayInput, y: ArrayInput) -> Self:
        """Find the coefficients.

        Parameters
        ----------
        X : array, address, LazyArray, SharedArray or h5py.Dataset, shape (n_samples, n_features)
        y : the same, shape (n_samples,) or (n_samples, n_targets)
            Is held in memory.

        Raises
        ------
        InputError
            Columns depend on each other, there are fewer rows than columns, or NaN.
        """
        x, target = self._rows_and_target(X, y, least=2 if self.fit_intercept else 1)
        found = self._fit("lstsq", x, {"y": target, "fit_intercept": self.fit_intercept})
        self._keep(found)
        self.rank_: int = found["rank"]
        values: Mapping[str, Array] = found
        self.singular_ = values["singular"]
        return self


class Ridge(_Regression):
    """Linear regression with a penalty on the squares of the coefficients.

    Parameters
    ----------
    alpha : float
        Weight of the penalty, above 0.
    fit_intercept : bool
        Add a constant to ``X @ coef_``, which has no penalty.
    workers, threads, memory, engine, team, listen
        How to run, as in `KMeans`.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray, shape (n_targets,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where the columns had names.

    Examples
    --------
    >>> import numpy as np
    from numpy.typing import NDArray
    >>> from sharedcompute.learn import Ridge
    >>> Ridge(alpha=1.0).fit(np.array([[-1.0], [0.0], [1.0]]), [-3.0, 0.0, 3.0]).coef_.round(6)
    array([2.])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        workers: int | None = None,
        threads: int | None = None,
        memory: int | str | None = None,
        engine: EngineName = "auto",
        team: Team | None = None,
        listen: Listener | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.workers = workers
        self.threads = threads
        self.memory = memory
        self.engine = engine
        self.team = team
        self.listen = listen

    def fit(self, X: ArrayInput, y: ArrayInput) -> Self:
        """Find the coefficients.

        Parameters
        ----------
        X : array, address, LazyArray, SharedArray or h5py.Dataset, shape (n_samples, n_features)
        y : the same, shape (n_samples,) or (n_samples, n_targets)
            Is held in memory.

        Raises
        ------
        InputError
            There is NaN, or a parameter is out of range.
        """
        x, target = self._rows_and_target(X, y, least=1)
        params = {"y": target, "alpha": self.alpha, "fit_intercept": self.fit_intercept}
        self._keep(self._fit("ridge", x, params))
        return self
