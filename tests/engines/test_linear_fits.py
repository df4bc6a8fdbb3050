"""Fits of linear algebra, and the maps of what they give, on every team."""

import numpy as np
import pytest

import sharedcompute as sc

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(500, 12)) * np.arange(1, 13) + 5
Y = X @ np.arange(12) + RANDOM.normal(size=500)


def test_scores_and_predictions_have_the_same_bits_on_every_team(teams):
    pca, line = sc.fit("pca", X, n_components=3), sc.fit("lstsq", X, y=Y)
    maps = [
        ("project", {"components": pca["components"], "mean": pca["mean"]}),
        ("linear", {"coef": line["coef"], "intercept": line["intercept"]}),
    ]
    shared = sc.asarray(X)
    for name, params in maps:
        alone = sc.map(name, X, engine="serial", block_rows=500, **params)
        for team in teams.values():
            together = sc.map(name, shared, team=team, block_rows=7, **params)
            np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(alone, X @ line["coef"] + line["intercept"])


def test_results_in_a_file_are_what_maps_are_given(tmp_path):
    source, fitted = tmp_path / "in.h5", tmp_path / "fit.h5"
    scores = tmp_path / "scores.h5"
    import h5py

    with h5py.File(source, "w") as file:
        file["x"], file["y"] = X, Y
    sc.fit("pca", f"{source}::/x", f"{fitted}::/pca", n_components=2)
    params = {"components": f"{fitted}::/pca/components", "mean": f"{fitted}::/pca/mean"}
    sc.map("project", f"{source}::/x", f"{scores}::/scores", **params)
    with h5py.File(scores) as file:
        got = file["scores"][...]
    whole = sc.fit("pca", X, n_components=2)
    np.testing.assert_allclose(got, (X - whole["mean"]) @ whole["components"].T, atol=1e-9)
    line = sc.fit("lstsq", f"{source}::/x", y=f"{source}::/y")
    np.testing.assert_allclose(line["coef"], np.arange(12), atol=0.2)


def test_a_singular_system_is_an_error_and_the_team_goes_on(teams):
    team = max(teams.items())[1]
    twice = sc.asarray(np.concatenate([X, X], axis=1))
    with pytest.raises(sc.InputError, match="rank 12 of 24: leave some out, or use ridge"):
        sc.fit("lstsq", twice, y=Y, team=team)
    assert sc.fit("ridge", twice, y=Y, team=team)["coef"].shape == (24,)
