from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from scipy.stats import chisquare
from sklearn.cluster import KMeans as Reference
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from sharedcompute.errors import InputError
from sharedcompute.operations.fits.kmeans import KMEANS
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.rowwise.centers import MAPS, comparable
from sharedcompute.operations.specs import ArraySpec

# Few rounds, and centres far away, leave clusters empty.
pytestmark = pytest.mark.filterwarnings("ignore:kmeans found")


def algorithm(x, **given):
    params = bind("kmeans", KMEANS.parameters, given)
    return KMEANS.algorithm(params, ArraySpec(x.shape, x.dtype))


class Run:
    """A fit by hand: blocks in some order, combined in a binary tree over their numbers."""

    def __init__(self, x, block_rows=100, strip=37, order=1, **given):
        self.x, self.strip, self.order = x, strip, order
        self.blocks = [(i, min(i + block_rows, len(x))) for i in range(0, len(x), block_rows)]
        # Workers get it pickled.
        self.algorithm = pickle.loads(pickle.dumps(algorithm(x, **given)))
        self.model = self._zeros(self.algorithm.model)
        self.algorithm.begin(self.model, lambda start, stop: x[start:stop])
        self.steps = []
        while not self.steps or not self.steps[-1].done:
            self.steps.append(self.algorithm.update(self.model, self.round()))
        last = self.round() if self.algorithm.needs_last else None
        self.results = self.algorithm.results(self.model, last)
        self.results["labels"] = self.labels(x)

    def _zeros(self, specs):
        return {name: np.zeros(spec.shape, spec.dtype) for name, spec in specs.items()}

    def round(self):
        states = [self._zeros(self.algorithm.state) for _ in self.blocks]
        for number, (lo, hi) in list(enumerate(self.blocks))[:: self.order]:
            self.algorithm.reset(states[number])
            for start in range(lo, hi, self.strip):
                rows = self.x[start : min(start + self.strip, hi)]
                self.algorithm.add(rows, start, number, self.model, states[number])
        step = 1
        while step < len(states):
            for at in range(0, len(states) - step, 2 * step):
                self.algorithm.combine(states[at], states[at + step])
            step *= 2
        return states[0]

    def labels(self, x):
        _, stage = self.algorithm.rows
        out = np.empty((len(x), 1), stage.dtype)
        stage.kernel(x.reshape(len(x), -1), out, *(self.model[a.name] for a in stage.args))
        return out[:, 0]

    def history(self, name):
        return np.array([step.values[name] for step in self.steps])


def reference(x, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Reference(algorithm="lloyd", n_init=1, **given).fit(x)


def blobs(rows=900, features=5, centers=7, dtype="f8", seed=3):
    x, _ = make_blobs(rows, features, centers=centers, random_state=seed)
    return x.astype(dtype)


def assert_same(run, other, rtol=1e-6):
    found = run.results
    assert np.array_equal(found["labels"], other.labels_)
    scale = np.abs(other.cluster_centers_).max()
    np.testing.assert_allclose(
        found["cluster_centers"], other.cluster_centers_, rtol=rtol, atol=rtol * scale
    )
    np.testing.assert_allclose(found["inertia"], other.inertia_, rtol=100 * rtol)
    assert found["n_iter"] == other.n_iter_
    k = len(other.cluster_centers_)
    assert np.array_equal(found["cluster_sizes"], np.bincount(other.labels_, minlength=k))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1"])
@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_from_the_same_centres_it_goes_the_way_of_scikit_learn(dtype, max_iter):
    x = (blobs() * 5 + 100).astype(dtype)
    run = Run(x, init=x[:7], max_iter=max_iter, tol=0)
    other = reference(x, n_clusters=7, init=x[:7].astype("f8"), max_iter=max_iter, tol=0)
    assert_same(run, other)
    assert run.results["cluster_centers"].dtype == ("f4" if dtype == "f4" else "f8")
    assert run.steps[-1].converged == (run.history("shift")[-1] == 0)


@pytest.mark.parametrize("tol", [0, 1e-4, 1e-2])
def test_it_has_converged_when_scikit_learn_has(tol):
    x = blobs(seed=5, centers=4)
    run = Run(x, init=x[:6], tol=tol)
    assert_same(run, reference(x, n_clusters=6, init=x[:6], tol=tol))
    assert run.steps[-1].converged
    assert len(run.steps) == run.results["n_iter"] > 1


def test_the_inertia_falls_in_every_round_to_that_of_the_last_centres():
    x = blobs(seed=5, centers=4) + 1e4
    run = Run(x, init=x[:6], tol=0)
    inertia = run.history("inertia")
    # The rounds between work it out from sums; the last one measures it.
    np.testing.assert_allclose(inertia[-1], run.results["inertia"], rtol=1e-9)
    assert (np.diff(inertia) <= 1e-9 * inertia[0]).all()
    centres, labels = run.results["cluster_centers"], run.results["labels"]
    np.testing.assert_allclose(run.results["inertia"], ((x - centres[labels]) ** 2).sum())


@pytest.mark.parametrize("init", ["k-means++", "random", "given"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_order_of_blocks_does_not_change_a_bit(init, dtype):
    x = blobs(centers=20, dtype=dtype)
    init = x[:12] if init == "given" else init
    one, other = (Run(x, order=o, n_clusters=12, init=init, random_state=4) for o in (1, -1))
    for name, values in one.results.items():
        assert np.array_equal(values, other.results[name]), name
    assert np.array_equal(one.history("inertia"), other.history("inertia"))


def test_seeding_does_not_depend_on_blocks():
    x = blobs(centers=20)
    runs = [Run(x, block_rows=b, strip=s, n_clusters=9) for b, s in ((100, 37), (900, 900))]
    assert np.array_equal(runs[0].results["labels"], runs[1].results["labels"])


def test_seeds_give_different_centres_and_the_same_seed_the_same():
    x = blobs(centers=30, seed=8)
    first = [Run(x, n_clusters=5, random_state=s, max_iter=1).results for s in (0, 1, 0)]
    assert np.array_equal(first[0]["cluster_centers"], first[2]["cluster_centers"])
    assert not np.array_equal(first[0]["cluster_centers"], first[1]["cluster_centers"])


def test_well_separated_blobs_are_found_from_any_seed():
    x = blobs(rows=600, features=3, centers=[[0, 0, 0], [50, 0, 0], [0, 50, 0], [0, 0, 50]])
    for seed in range(8):
        assert sorted(Run(x, n_clusters=4, random_state=seed).results["cluster_sizes"]) == [150] * 4


@pytest.mark.slow
def test_seeding_is_as_good_as_that_of_scikit_learn():
    x = blobs(rows=800, features=2, centers=40, seed=1)
    ours = [Run(x, n_clusters=25, random_state=s).results["inertia"] for s in range(8)]
    theirs = [reference(x, n_clusters=25, random_state=s).inertia_ for s in range(8)]
    assert np.median(ours) < 1.1 * np.median(theirs)


def first_picks(x, seeds):
    """The row that is picked first by each seed, where row 0 is the first centre."""
    for seed in range(seeds):
        rounds = algorithm(x, n_clusters=2, random_state=seed)
        model, state = (
            {name: np.zeros(spec.shape, spec.dtype) for name, spec in specs.items()}
            for specs in (rounds.model, rounds.state)
        )
        rounds.begin(model, lambda _start, _stop: x[:1])
        rounds.reset(state)
        rounds.add(x[:100], 0, 0, model, state)
        rounds.add(x[100:], 100, 0, model, state)
        assert np.array_equal(x[state["row"]], state["x"])
        yield state["row"][0]


@pytest.mark.slow
def test_rows_are_picked_in_proportion_to_their_squared_distance():
    x = np.repeat([0.0, 1.0, 2.0, 3.0], [400, 40, 20, 10])[:, None]
    weights = np.square(x[:, 0])
    picked = np.bincount(list(first_picks(x, 5000)), minlength=len(x))
    assert not picked[weights == 0].any()
    # Of each row, and of rows at the same distance together. The seeds are not chosen: a sound
    # sampler passes for 499 of 500 sets of them (the first 1,500 have p = 0.005, 16,500 p = 0.4).
    for group in (np.arange(70), np.repeat([0, 1, 2], [40, 20, 10])):
        found = np.bincount(group, weights=picked[400:])
        want = np.bincount(group, weights=weights[400:]) / weights.sum() * 5000
        assert chisquare(found, want).pvalue > 1e-3


@pytest.mark.parametrize("far", [1, 3])
def test_an_empty_cluster_gets_the_farthest_row(far):
    x = blobs(rows=500, features=2, centers=3)
    init = np.concatenate((x[:3], [[1e3 + i, 1e3] for i in range(far)]))
    run = Run(x, init=init, tol=0)
    assert_same(run, reference(x, n_clusters=len(init), init=init, tol=0))
    assert run.results["cluster_sizes"].all()


def test_a_cluster_that_becomes_empty_later_gets_the_farthest_row():
    # The middle cluster loses its rows to its neighbours in the second round.
    x = np.array([0.0, 0.0, 0.0, 4.4, 5.6, 10.0, 10.0, 10.0, 20.0])[:, None]
    init = np.array([[3.0], [5.0], [6.8], [5.0]])
    run = Run(x, init=init, tol=0, block_rows=4, strip=2)
    assert_same(run, reference(x, n_clusters=4, init=init, tol=0))


def test_more_clusters_than_can_be_filled_at_once_are_filled_in_time():
    x = blobs(rows=400, centers=3)
    init = np.full((60, 5), 1e3) + np.arange(60)[:, None]
    init[0] = x[0]
    run = Run(x, init=init)
    assert run.results["cluster_sizes"].all()


def test_as_many_clusters_as_rows():
    x = blobs(rows=20)
    results = Run(x, n_clusters=20, block_rows=7).results
    assert results["inertia"] == 0
    assert sorted(results["labels"]) == list(range(20))


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_fewer_distinct_rows_than_clusters(init):
    x = np.repeat([[1.0, 2.0], [5.0, 6.0]], 30, axis=0)
    with pytest.warns(ConvergenceWarning, match="found 2 distinct clusters, fewer than the 5"):
        results = Run(x, n_clusters=5, init=init).results
    assert results["inertia"] == 0
    assert np.isfinite(results["cluster_centers"]).all()
    assert sorted(results["cluster_sizes"]) == [0, 0, 0, 30, 30]


def test_random_centres_are_rows_all_different():
    x = np.arange(30.0)[:, None]
    rounds = algorithm(x, n_clusters=30, init="random")
    model = {n: np.zeros(s.shape, s.dtype) for n, s in rounds.model.items()}
    rounds.begin(model, lambda start, stop: x[start:stop])
    assert sorted(model["centers"][:, 0]) == list(range(30))


def test_one_cluster_is_the_mean():
    x = blobs()
    results = Run(x, n_clusters=1).results
    np.testing.assert_allclose(results["cluster_centers"][0], x.mean(axis=0))
    np.testing.assert_allclose(results["inertia"], x.var(axis=0).sum() * len(x))


@pytest.mark.parametrize("shape", [(900,), (100, 3, 3)])
def test_rows_of_any_shape_have_centres_of_that_shape(shape):
    x = blobs(features=1, centers=5).reshape(shape)
    run = Run(x, n_clusters=4)
    flat = Run(x.reshape(len(x), -1), n_clusters=4)
    assert run.results["cluster_centers"].shape == (4, *shape[1:])
    assert np.array_equal(run.results["labels"], flat.results["labels"])


def test_the_labels_of_the_last_model_are_those_of_its_centres():
    x = blobs(dtype="f4", centers=20)
    run = Run(x, n_clusters=9)
    spec = ArraySpec(x.shape, x.dtype)
    near, far = (m.stages({"centers": run.results["cluster_centers"]}, spec)[0] for m in MAPS)
    out = np.empty((len(x), 1), near.dtype)
    near.kernel(x, out, *near.args)
    assert near.row_shape == ()
    assert np.array_equal(out[:, 0], run.results["labels"])
    out = np.empty((len(x), 9), far.dtype)
    far.kernel(x, out, *far.args)
    assert far.row_shape == (9,)
    assert np.array_equal(out.argmin(axis=1), run.results["labels"])


def test_stopped_while_it_seeds_it_gives_the_centres_so_far():
    x = blobs()
    run = Run(x, n_clusters=6, max_iter=1)
    rounds = run.algorithm
    rounds.begin(run.model, lambda start, stop: x[start:stop])
    run.model["chosen"][0] = 0
    for _ in range(3):
        rounds.update(run.model, run.round())
    centres = rounds.results(run.model, None)["cluster_centers"]
    assert np.isfinite(centres).all(axis=1).tolist() == [True] * 3 + [False] * 3
    assert set(run.labels(x)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"n_clusters": 31}, "n_samples=30 and n_clusters=31"),
        ({"n_clusters": 0}, "at least 1"),
        ({"n_clusters": 3, "init": np.zeros((2, 4))}, "got 2 and n_clusters 3"),
        ({"init": np.zeros((2, 5))}, r"shape \(k, 4\), got \(2, 5\)"),
        ({"init": np.zeros(4)}, r"shape \(k, 4\), got \(4,\)"),
        ({"init": np.zeros((0, 4))}, r"got \(0, 4\)"),
        ({"init": np.full((2, 4), np.nan)}, "finite centres"),
        ({"init": "kmeans++"}, "k-means\\+\\+, random, an array or an address"),
        ({"max_iter": 0}, "at least 1"),
        ({"tol": -1}, "at least 0"),
        ({"random_state": -1}, "at least 0"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(given, told):
    with pytest.raises(InputError, match=told) as caught:
        algorithm(np.zeros((30, 4)), **given)
    assert "\n" not in str(caught.value)


def test_centres_are_comparable_wherever_they_lie():
    centres = np.random.default_rng(0).normal(size=(6, 3)) + 1e6
    scaled, norms, origin = comparable(centres)
    x = centres + 0.1
    left = norms + (np.pad(x - origin, ((0, 0), (0, 1))) @ scaled.T)
    assert np.array_equal(left.argmin(axis=1), np.arange(6))
    assert np.isinf(norms[6:]).all()
