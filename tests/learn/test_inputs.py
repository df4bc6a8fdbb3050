"""Models take rows from files and shared memory, and write what they say of them to files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.base import clone

import sharedcompute as sc
from sharedcompute.learn import PCA, KMeans, LinearRegression, NotFittedError, Ridge

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(500, 4)) * [1, 2, 3, 4] + 5
Y = X @ [1.0, -2.0, 3.0, 0.5] + 7

MODELS: list[Any] = [KMeans(3), PCA(2), LinearRegression(), Ridge()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "in.h5", "w") as made:
        made.create_dataset("x", data=X, chunks=(64, 4), compression="gzip")
        made.create_dataset("y", data=Y)
        made.create_dataset("wide", data=np.zeros((10, 5)))
        made.create_dataset("cube", data=np.zeros((10, 2, 2)))
        made.create_dataset("nan", data=np.full((10, 4), np.nan))
    return tmp_path / "in.h5"


def learned(model: Any) -> dict[str, Any]:
    """What a fit has left in the model."""
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


def same(got: Any, want: Any) -> None:
    assert got.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_equal(got[name], value, err_msg=name)


def said(model: Any, x: Any, **output: Any) -> Any:
    return (model.transform if isinstance(model, PCA) else model.predict)(x, **output)


@pytest.mark.sample(1)
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_model_is_the_same_wherever_its_rows_lie(model: Any, file: Path) -> None:
    want = clone(model).fit(X, Y)
    with h5py.File(file, "r") as opened:
        shared = sc.asarray(X), sc.asarray(Y)
        addresses = f"{file}::/x", f"{file}::/y"
        datasets = sc.open(addresses[0]), sc.open(addresses[1])
        for x, y in (shared, addresses, datasets, (opened["x"], opened["y"])):
            got = clone(model).fit(x, y)
            same(learned(got), learned(want))
            np.testing.assert_array_equal(said(got, x), said(want, X))
            if not isinstance(model, PCA):
                assert got.score(x, y) == want.score(X, Y)


@pytest.mark.sample(2)
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_results_go_from_file_to_file(model: Any, file: Path, tmp_path: Path) -> None:
    fitted = clone(model).fit(f"{file}::/x", f"{file}::/y")
    address = f"{tmp_path / 'out.h5'}::/said"
    got = said(fitted, f"{file}::/x", output=address)
    assert isinstance(got, sc.LazyArray)
    np.testing.assert_array_equal(got[...], said(fitted, X))
    with pytest.raises(sc.OutputExists):
        said(fitted, X, output=address)
    assert said(fitted, X[:3], output=address, overwrite=True).shape[0] == 3


def test_distances_to_centres_go_to_a_file(file: Path, tmp_path: Path) -> None:
    model = KMeans(3).fit(X)
    got = model.transform(f"{file}::/x", output=f"{tmp_path / 'out.h5'}::/far")
    np.testing.assert_array_equal(got, model.transform(X))


def test_whole_numbers_in_a_file_are_not_cast(tmp_path: Path) -> None:
    small = RANDOM.integers(0, 255, (300, 4)).astype("u1")
    with h5py.File(tmp_path / "in.h5", "w") as made:
        made["x"] = small
    got, want = PCA().fit(f"{tmp_path / 'in.h5'}::/x"), PCA().fit(small)
    np.testing.assert_allclose(got.components_, want.components_, atol=1e-12)


@pytest.mark.sample(2)
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_rows_that_do_not_suit_are_refused(model: Any, file: Path) -> None:
    with pytest.raises(sc.InputError, match=r"sharedcompute\.fit takes rows of any shape"):
        clone(model).fit(f"{file}::/cube", np.zeros(10))
    with pytest.raises(sc.InputError, match=r"finite|NaN"):
        clone(model).fit(f"{file}::/nan", np.zeros(10))
    with pytest.raises(NotFittedError):
        said(clone(model), f"{file}::/x")
    fitted = clone(model).fit(X, Y)
    with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 4 features"):
        said(fitted, f"{file}::/wide")
    with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 4 features"):
        said(fitted, np.zeros((2, 5)))


@pytest.mark.parametrize("model", [LinearRegression(), Ridge()], ids=repr)
def test_a_regression_wants_a_target(model: Any, file: Path) -> None:
    for x in (X, f"{file}::/x"):
        with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
            clone(model).fit(x, None)
    with pytest.raises(sc.InputError, match="a row for each"):
        clone(model).fit(f"{file}::/x", Y[:-1])


def test_few_rows_in_a_file_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as made:
        made["x"], made["none"] = X[:1], X[:0]
    for model in (PCA(), LinearRegression(), KMeans(2)):
        with pytest.raises(sc.InputError, match=r"at least 2 rows, got 1|n_samples=1 and"):
            model.fit(f"{tmp_path / 'in.h5'}::/x", Y[:1])
    with pytest.raises(sc.InputError, match="at least 1 rows, got 0"):
        Ridge().fit(f"{tmp_path / 'in.h5'}::/none", Y[:0])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (KMeans(501), "n_samples=500 and n_clusters=501"),
        (KMeans(8, init=X[:3]), "got 3 and n_clusters 8: make them as many"),
        (KMeans(random_state=None), "random_state"),
        (PCA(5), "n_components of at most 4"),
        (PCA(svd_solver="full"), "svd_solver: expected one of covariance_eigh, randomized"),
        (Ridge(alpha=-1), "alpha"),
        (KMeans(engine="cloud"), "engine"),
    ],
    ids=repr,
)
def test_parameters_out_of_range_are_refused_by_the_fit(model: Any, message: str) -> None:
    with pytest.raises(sc.InputError, match=message):
        model.fit(X, Y)


def test_a_model_runs_on_a_team_and_so_do_its_clones_but_not_its_pickles(team: sc.Team) -> None:
    model = KMeans(3, team=team).fit(sc.asarray(X))
    assert clone(model).team is team
    same(learned(model), learned(KMeans(3).fit(X)))
    again = pickle.loads(pickle.dumps(model))
    assert again.team is None
    np.testing.assert_array_equal(again.predict(X), model.predict(sc.asarray(X)))


def test_a_listener_hears_of_rounds_and_can_stop_them() -> None:
    heard = []

    def listen(event: Any) -> None:
        heard.append(type(event).__name__)
        if heard[-1] == "RoundDone" and heard.count("RoundDone") == 4:
            raise StopIteration

    model = KMeans(3, tol=0.0, init=X[:3], listen=listen).fit(X)
    assert model.n_iter_ == 4
    assert model.history_["inertia"].shape == (4,)


def test_feature_names_are_forgotten_with_rows_that_have_none(file: Path) -> None:
    pandas = pytest.importorskip("pandas")
    model = PCA().fit(pandas.DataFrame(X, columns=list("abcd")))
    assert model.feature_names_in_.tolist() == list("abcd")  # type: ignore[attr-defined]
    model.fit(f"{file}::/x")
    assert not hasattr(model, "feature_names_in_")
