"""Without scikit-learn the models do the same: in a process that cannot import it."""

from __future__ import annotations

import subprocess
import sys

# Run before each script.
PREAMBLE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "sklearn":
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())

import pickle
import numpy as np
from sharedcompute import InputError
from sharedcompute.learn import PCA, KMeans, LinearRegression, NotFittedError, Ridge

x = np.random.default_rng(0).normal(size=(60, 3)) + 4
y = x @ [1.0, 2.0, 3.0] - 1

def refused(call, message, kind=InputError):
    try:
        call()
    except kind as problem:
        assert message in str(problem), problem
        assert "\\n" not in str(problem)
    else:
        raise AssertionError(f"expected {message!r}")
"""


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PREAMBLE + script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_models_fit_predict_and_transform() -> None:
    run("""
assert "sklearn" not in sys.modules
model = KMeans(3).fit(x)
assert (model.predict(x) == model.labels_).all()
assert (KMeans(3).fit_predict(x) == model.labels_).all()
assert model.transform(x).shape == (60, 3)
assert np.isclose(model.score(x), -model.inertia_)
assert model.get_feature_names_out().tolist() == ["kmeans0", "kmeans1", "kmeans2"]
pca = PCA()
assert np.allclose(pca.inverse_transform(pca.fit_transform(x)), x)
assert pca.fit(x.astype("f4")).transform(x.astype("f4")).dtype == np.float32
line = LinearRegression().fit(x.tolist(), y.tolist())
assert np.allclose(line.coef_, [1, 2, 3]) and np.isclose(line.score(x, y), 1)
assert Ridge(1e-9).fit(x, np.column_stack([y, y])).predict(x).shape == (60, 2)
again = pickle.loads(pickle.dumps(line))
assert (again.predict(x) == line.predict(x)).all()
""")


def test_scikit_learn_is_imported_with_the_models_and_not_before() -> None:
    script = """
import sys
import sharedcompute as sc
sc.fit, sc.map
assert "sklearn" not in sys.modules
assert issubclass(sc.learn.KMeans, sys.modules["sklearn"].base.BaseEstimator)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_parameters_have_names() -> None:
    run("""
model = KMeans(3, tol=0.5)
assert repr(model) == "KMeans(n_clusters=3, tol=0.5)"
assert model.get_params()["n_clusters"] == 3
assert model.set_params(n_clusters=4) is model and model.n_clusters == 4
refused(lambda: model.set_params(clusters=4), "KMeans has no parameter 'clusters': known: n_clus")
""")


def test_errors_are_those_of_scikit_learn_in_a_line() -> None:
    run("""
class Frame:
    def __init__(self, values, names):
        self.values, self.columns = values, names
    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

class Sparse:
    def toarray(self):
        raise AssertionError

for kind in (ValueError, AttributeError):
    refused(lambda: PCA().transform(x), "this PCA is not fitted yet: call fit first", kind)
model = PCA().fit(Frame(x, ["a", "b", "c"]))
assert model.feature_names_in_.tolist() == ["a", "b", "c"] and model.n_features_in_ == 3
refused(lambda: model.transform(Frame(x, ["a", "b", "d"])), "feature names should match")
refused(lambda: model.transform(x[:, :2]), "X has 2 features, but PCA is expecting 3 features")
assert not hasattr(model.fit(x), "feature_names_in_")
refused(lambda: model.fit(x[0]), "Expected 2D array, got 1D array instead")
refused(lambda: model.fit(x[:1]), "PCA expected at least 2 row(s) and 1 column")
refused(lambda: model.fit(x[:, :0]), "PCA expected at least 2 row(s) and 1 column")
refused(lambda: model.fit(x * np.nan), "Input X contains NaN")
refused(lambda: model.fit(x * np.inf), "Input X contains infinity")
refused(lambda: model.fit(x * 1j), "Complex data not supported")
refused(lambda: model.fit([["a", "b"]]), "expected X of numbers")
refused(lambda: model.fit(Sparse()), "X is sparse", TypeError)
refused(lambda: Ridge().fit(x, None), "requires y to be passed, but the target y is None")
refused(lambda: Ridge().fit(x, y[1:]), "Ridge expected y with 60 rows, got shape (59,)")
refused(lambda: Ridge().fit(x, y * np.inf), "Input y contains infinity")
""")


def test_fewer_distinct_rows_than_clusters_are_warned_of() -> None:
    run("""
import warnings
from sharedcompute.learn import ConvergenceWarning
assert issubclass(ConvergenceWarning, UserWarning)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    KMeans(3).fit(np.repeat(x[:2], 9, axis=0))
assert [w.category for w in said] == [ConvergenceWarning]
""")
