"""The models go where scikit-learn's go: pipelines, searches, frames."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import cluster, linear_model
from sklearn.datasets import make_blobs, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sharedcompute as sc
from sharedcompute.learn import PCA, KMeans, Ridge

BLOBS, _ = make_blobs(200, 4, centers=3, random_state=1)


def test_a_pipeline_scales_projects_and_clusters() -> None:
    start = StandardScaler().fit_transform(BLOBS)[:3]
    ours = make_pipeline(StandardScaler(), KMeans(3, init=start)).fit(BLOBS)
    theirs = make_pipeline(StandardScaler(), cluster.KMeans(3, init=start, n_init=1)).fit(BLOBS)
    np.testing.assert_array_equal(ours.predict(BLOBS), theirs.predict(BLOBS))
    both = make_pipeline(StandardScaler(), PCA(2), KMeans(3)).fit(BLOBS)
    assert both.transform(BLOBS).shape == (200, 3)


def test_a_search_finds_the_penalty_that_scikit_learn_finds() -> None:
    x, y = make_regression(60, 20, noise=30.0, random_state=0)
    grid = {"alpha": [0.01, 1.0, 100.0]}
    ours, theirs = GridSearchCV(Ridge(), grid).fit(x, y), GridSearchCV(linear_model.Ridge(), grid)
    theirs.fit(x, y)
    assert ours.best_params_ == theirs.best_params_
    want = theirs.cv_results_["mean_test_score"]
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], want)


def test_a_search_runs_on_a_team(team: sc.Team) -> None:
    found = GridSearchCV(KMeans(team=team), {"n_clusters": [2, 3]}, cv=2).fit(BLOBS)
    assert found.best_params_ == {"n_clusters": 3}
    assert found.best_estimator_.team is team


def test_results_come_as_frames_where_that_is_asked_for() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(BLOBS, columns=list("abcd"))
    got = PCA(2).set_output(transform="pandas").fit_transform(frame)  # type: ignore[attr-defined]
    assert list(got.columns) == ["pca0", "pca1"]
