"""What the models find is what scikit-learn's of the same name find, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import cluster, decomposition, linear_model
from sklearn.datasets import make_blobs, make_regression
from sklearn.exceptions import ConvergenceWarning

import sharedcompute as sc
from sharedcompute import learn

Array = np.ndarray[Any, Any]

BLOBS, _ = make_blobs(400, 4, centers=5, cluster_std=2.0, random_state=1)
NEW = np.random.default_rng(2).normal(size=(37, 4)) * 5
START = BLOBS[:5].copy()


def close(got: Any, want: Any, rtol: float = 1e-9) -> None:
    """Of one shape, and equal to rounding."""
    assert np.shape(got) == np.shape(want)
    size = np.abs(want).max() if np.size(want) else 0
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * size)


def alike(got: Any, want: Any, names: tuple[str, ...], rtol: float = 1e-9) -> None:
    for name in names:
        close(getattr(got, name), getattr(want, name), rtol)


@pytest.mark.sample(1)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_kmeans_from_given_centres(dtype: str) -> None:
    x, rtol = BLOBS.astype(dtype), 1e-9 if dtype == "f8" else 1e-4
    params: dict[str, Any] = {"n_clusters": 5, "init": START.astype(dtype)}
    got = learn.KMeans(**params).fit(x)
    want = cluster.KMeans(n_init=1, **params).fit(x)
    alike(got, want, ("cluster_centers_", "labels_", "inertia_", "n_iter_", "n_features_in_"), rtol)
    assert got.cluster_centers_.dtype == got.transform(x).dtype == x.dtype
    new = NEW.astype(dtype)
    np.testing.assert_array_equal(got.predict(new), want.predict(new))
    close(got.transform(new), want.transform(new), rtol)
    close(got.score(new), want.score(new), rtol)
    np.testing.assert_array_equal(got.fit_predict(x), want.fit_predict(x))
    close(got.fit_transform(x), want.fit_transform(x), rtol)
    assert got.get_feature_names_out().tolist() == want.get_feature_names_out().tolist()


def test_kmeans_scores_fewer_rows_than_clusters() -> None:
    model = learn.KMeans(5).fit(BLOBS)
    close(model.score(NEW[:2]), -np.square(model.transform(NEW[:2]).min(axis=1)).sum())


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("n_components", [None, 2, 0.9])
def test_pca_by_the_covariance(n_components: float | None, whiten: bool) -> None:
    params: dict[str, Any] = {"n_components": n_components, "whiten": whiten}
    got = learn.PCA(**params).fit(BLOBS)
    want = decomposition.PCA(svd_solver="covariance_eigh", **params).fit(BLOBS)
    names = ("components_", "explained_variance_", "explained_variance_ratio_", "mean_")
    rest = ("singular_values_", "noise_variance_", "n_components_", "n_samples_", "n_features_in_")
    alike(got, want, (*names, *rest))
    close(got.transform(NEW), want.transform(NEW))
    close(got.inverse_transform(got.transform(NEW)), want.inverse_transform(want.transform(NEW)))
    close(got.fit_transform(BLOBS), want.fit_transform(BLOBS))
    assert got.get_feature_names_out().tolist() == want.get_feature_names_out().tolist()


def test_pca_from_random_directions() -> None:
    x = np.random.default_rng(0).normal(size=(300, 40)) * np.arange(40, 0, -1) ** 2
    got = learn.PCA(3, svd_solver="randomized", iterated_power=20).fit(x)
    want = decomposition.PCA(3, svd_solver="covariance_eigh").fit(x)
    alike(got, want, ("components_", "explained_variance_", "mean_", "noise_variance_"), 1e-6)
    every = learn.PCA(svd_solver="randomized").fit(x)
    assert every.n_components_ == 40


def test_whitening_what_does_not_vary_gives_numbers() -> None:
    x = np.column_stack([BLOBS, np.ones(len(BLOBS))])
    assert np.isfinite(learn.PCA(whiten=True).fit_transform(x)).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("targets", [0, 1, 3])
@pytest.mark.parametrize("name", ["LinearRegression", "Ridge"])
def test_regressions(name: str, targets: int, fit_intercept: bool) -> None:
    x, y = make_regression(120, 7, n_targets=max(targets, 1), noise=5.0, bias=3, random_state=0)
    y = y.reshape(120, targets) if targets else y
    params: dict[str, Any] = {"fit_intercept": fit_intercept}
    if name == "Ridge":
        params["alpha"] = 2.5
    got = getattr(learn, name)(**params).fit(x, y)
    want = getattr(linear_model, name)(**params).fit(x, y)
    if name == "LinearRegression":
        alike(got, want, ("rank_", "singular_"))
    elif targets == 1:
        # Here scikit-learn's drops the axis that its LinearRegression keeps.
        want.coef_ = want.coef_[None]
    alike(got, want, ("coef_", "intercept_", "n_features_in_"))
    close(got.predict(x[::-1]), want.predict(x[::-1]))
    assert got.predict(x).shape == y.shape
    close(got.score(x, y), want.score(x, y))


def test_the_score_of_a_constant_target() -> None:
    x, y = BLOBS, np.full(len(BLOBS), 2.0)
    for value in (2.0, 3.0):
        target = np.full(len(BLOBS), value)
        got, want = learn.Ridge().fit(x, y), linear_model.Ridge().fit(x, y)
        assert got.score(x, target) == want.score(x, target)


def test_single_precision_stays_single() -> None:
    x = BLOBS.astype("f4")
    assert learn.PCA().fit_transform(x).dtype == np.float32
    model = learn.PCA(2).fit(x)
    assert model.inverse_transform(model.transform(x)).dtype == np.float32
    assert learn.Ridge().fit(x, x[:, 0]).predict(x).dtype == np.float32


def results(fitted: Any) -> dict[str, Any]:
    """The results of a fit under scikit-learn's names."""
    return {f"{name}_": value for name, value in fitted.items() if "/" not in name}


@pytest.mark.parametrize("targets", [(), (1,), (3,)])
@pytest.mark.parametrize("name", ["lstsq", "ridge"])
def test_the_results_of_fits_have_the_names_and_shapes_of_scikit_learn(
    name: str, targets: tuple[int, ...]
) -> None:
    x, y = make_regression(60, 4, n_targets=3, noise=5.0, bias=3, random_state=0)
    y = y[:, 0] if not targets else y[:, : targets[0]]
    peer = {"lstsq": linear_model.LinearRegression, "ridge": linear_model.Ridge}[name]().fit(x, y)
    found = results(sc.fit(name, x, y=y))
    same_as(found, peer, ignored={"n_iter_", "solver_"} | ({"coef_"} if targets == (1,) else set()))
    assert found["coef_"].shape == (*targets, 4)


def test_so_have_those_of_components_and_clusters() -> None:
    x = BLOBS
    found = results(sc.fit("pca", x, n_components=2))
    same_as(found, decomposition.PCA(2, svd_solver="covariance_eigh").fit(x), ignored=set())
    found = results(sc.fit("kmeans", x, init=x[:4]))
    same_as(found, cluster.KMeans(4, init=x[:4], n_init=1, tol=1e-4).fit(x), ignored={"labels_"})
    assert found["labels_"].shape == (len(x),)


def same_as(found: dict[str, Any], peer: Any, ignored: set[str]) -> None:
    for name, want in vars(peer).items():
        if name.endswith("_") and not name.startswith("_") and name not in ignored:
            if name in ("n_features_in_", "feature_names_in_"):
                continue
            assert name in found, f"scikit-learn has {name}"
            assert np.shape(found[name]) == np.shape(want), name
            np.testing.assert_allclose(found[name], want, rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("params", [{}, {"n_components": 2}, {"n_components": 0.5}])
def test_components_of_constant_data_are_those_of_scikit_learn(params: dict[str, Any]) -> None:
    """Of no variance each explains no share that could be told: NaN."""
    x = np.full((20, 3), 4.0)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        peer = decomposition.PCA(**params, svd_solver="covariance_eigh").fit(x)
    same_as(results(sc.fit("pca", x, **params)), peer, ignored={"components_"})


def test_fewer_distinct_rows_than_clusters_are_warned_of_as_by_scikit_learn() -> None:
    x = np.repeat([[1.0, 2.0], [5.0, 6.0]], 30, axis=0)
    for call in (
        lambda: cluster.KMeans(3, n_init=1).fit(x),
        lambda: learn.KMeans(3).fit(x),
        lambda: sc.fit("kmeans", x, n_clusters=3),
    ):
        with pytest.warns(ConvergenceWarning, match="distinct clusters"):
            call()
