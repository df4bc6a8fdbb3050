"""The models are estimators in scikit-learn's sense: its own checks of that hold."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from sharedcompute.learn import PCA, KMeans, LinearRegression, Ridge


@parametrize_with_checks(
    [KMeans(), PCA(), PCA(n_components=2, svd_solver="randomized"), LinearRegression(), Ridge()]
)
def test_it_is_an_estimator(estimator: Any, check: Any) -> None:
    check(estimator)
