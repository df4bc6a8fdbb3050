"""Principal components and power iteration beside SciPy and scikit-learn."""

import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from sklearn import decomposition

from sharedcompute.errors import InputError
from sharedcompute.operations.fits import moments
from sharedcompute.operations.fits.decomposition import PCA
from sharedcompute.operations.fits.moments import TILE_ROWS
from sharedcompute.operations.fits.power import POWER
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.rowwise.projections import PROJECT
from sharedcompute.operations.specs import ArraySpec
from tests.operations.serial_rounds import algorithm_for, run_rounds, zeros


def spread(n=300, d=8, mean=3.0, dtype="f8", seed=0):
    """Columns that vary along d directions, each 1.6 times as much as the next."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(d, d)))[0]
    return (random.normal(size=(n, d)) * 1.6 ** np.arange(d) @ turn + mean).astype(dtype)


SAME = ("components", "explained_variance", "explained_variance_ratio", "singular_values", "mean")


def assert_as_scikit_learn(found, peer, rtol=1e-9):
    for name in (*SAME, "noise_variance"):
        wanted = getattr(peer, f"{name}_")
        np.testing.assert_allclose(found[name], wanted, rtol=rtol, atol=rtol, err_msg=name)
    assert found["n_samples"] == peer.n_samples_


@pytest.mark.parametrize("wanted", [None, 1, 3, 8, 0.5, 0.95])
def test_components_are_those_of_scikit_learn(wanted):
    x = spread()
    found, _ = run_rounds(PCA, x, n_components=wanted)
    assert_as_scikit_learn(found, decomposition.PCA(wanted, svd_solver="full").fit(x))


def test_components_are_the_eigenvectors_of_the_covariance():
    x = spread()
    found, _ = run_rounds(PCA, x)
    values, _ = scipy.linalg.eigh(np.cov(x.T))
    np.testing.assert_allclose(found["explained_variance"], values[::-1], rtol=1e-12)
    diagonal = found["components"] @ np.cov(x.T) @ found["components"].T
    np.testing.assert_allclose(diagonal, np.diag(values[::-1]), atol=1e-10)


def test_a_large_mean_costs_no_digits():
    x = spread(mean=0.0)
    # Whole multiples of a power of two: the mean is added without rounding.
    x = np.round(x * 2**20) / 2**20
    near, _ = run_rounds(PCA, x)
    far, _ = run_rounds(PCA, x + 2.0**30)
    np.testing.assert_allclose(far["explained_variance"], near["explained_variance"], rtol=1e-11)
    np.testing.assert_allclose(far["components"], near["components"], atol=1e-11)
    peer = decomposition.PCA(svd_solver="covariance_eigh").fit(x + 2.0**30)
    worst = np.abs(peer.explained_variance_ / near["explained_variance"] - 1).max()
    assert worst > 1e-3, "scikit-learn keeps the digits too: nothing is shown here"


def test_rows_in_order_of_size_cost_no_digits():
    x = spread(200, 3)
    x[:, 0] += np.linspace(0, 1e9, len(x))
    state, origin = zeros(moments.scatter_state(3)), moments.near(x)
    for at in range(0, len(x), 30):
        moments.add_rows(x[at : at + 30], x.dtype, origin, state)
    exact = [[Fraction(v) for v in row] for row in x.T.tolist()]
    means = [sum(row) / len(x) for row in exact]
    for i, j in ((0, 0), (0, 1), (1, 1), (1, 2)):
        wanted = sum(
            (a - means[i]) * (b - means[j]) for a, b in zip(exact[i], exact[j], strict=True)
        )
        found = moments.scatter_matrix(state)[i, j]
        size = np.sqrt(float(x[:, i].var() * x[:, j].var())) * len(x)
        assert abs(found - float(wanted)) < 1e-13 * size


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_single_precision_is_as_good_as_scikit_learns(mean):
    x = spread(2000, 12, mean=mean, dtype="f4")
    exact, _ = run_rounds(PCA, x.astype("f8"))
    found, _ = run_rounds(PCA, x, block=1000, strip=500)
    peer = decomposition.PCA(svd_solver="covariance_eigh").fit(x)
    ours = np.abs(found["explained_variance"] - exact["explained_variance"]).max()
    theirs = np.abs(peer.explained_variance_ - exact["explained_variance"]).max()
    assert ours <= theirs
    assert ours <= 1e-6 * exact["explained_variance"][0]


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "f4"])
def test_numbers_of_every_kind(dtype):
    x = np.random.default_rng(0).integers(0, 2, (100, 4)).astype(dtype)
    found, _ = run_rounds(PCA, x)
    peer = decomposition.PCA(svd_solver="full").fit(x.astype("f8"))
    assert_as_scikit_learn(found, peer, rtol=1e-5 if dtype == "f4" else 1e-9)


@pytest.mark.parametrize("solver", ["covariance", "randomized"])
def test_the_bits_do_not_depend_on_the_order_of_blocks(solver):
    x = spread()
    straight, _ = run_rounds(PCA, x, solver=solver, n_components=3)
    shuffled, _ = run_rounds(PCA, x, order=[3, 0, 7, 5, 1, 2, 6, 4], solver=solver, n_components=3)
    for name, values in straight.items():
        np.testing.assert_array_equal(shuffled[name], values, err_msg=name, strict=True)


def test_strips_longer_than_a_tile():
    x = spread(TILE_ROWS + 500, 3)
    found, _ = run_rounds(PCA, x, block=len(x), strip=len(x))
    assert_as_scikit_learn(found, decomposition.PCA(svd_solver="full").fit(x))


@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_random_directions_find_the_leading_components(mean):
    x = spread(400, 40, mean=mean)
    found, steps = run_rounds(PCA, x, solver="randomized", n_components=5, random_state=3)
    assert len(steps) == 5
    assert steps[-1].converged
    assert_as_scikit_learn(found, decomposition.PCA(5, svd_solver="full").fit(x), rtol=1e-7)


@pytest.mark.parametrize("iterations", [0, 2])
def test_rounds_project_on_the_range_that_power_iterations_reach(iterations):
    x = np.random.default_rng(0).normal(size=(500, 60)) * np.arange(1, 61) ** -0.5
    found, steps = run_rounds(
        PCA, x, solver="randomized", n_components=5, n_iter=iterations, random_state=3
    )
    assert len(steps) == iterations + 1
    about = x - x.mean(axis=0)
    reached = about @ np.random.Generator(np.random.PCG64(3)).standard_normal((60, 15))
    for _ in range(iterations):
        reached = about @ (about.T @ reached)
    sigma = np.linalg.svd(np.linalg.qr(reached)[0].T @ about)[1][:5]
    np.testing.assert_allclose(found["singular_values"], sigma, rtol=1e-10)


def test_more_rounds_explain_more():
    x = np.random.default_rng(0).normal(size=(300, 60))
    _, steps = run_rounds(PCA, x, solver="randomized", n_components=4, n_iter=6)
    explained = [step.values["explained"] for step in steps]
    assert explained == sorted(explained)
    assert explained[-1] > explained[0]


def test_random_directions_of_data_of_low_rank():
    x = spread(200, 30)[:, :2] @ np.random.default_rng(1).normal(size=(2, 30))
    found, _ = run_rounds(PCA, x, solver="randomized", n_components=4)
    peer = decomposition.PCA(2, svd_solver="full").fit(x)
    np.testing.assert_allclose(found["components"][:2], peer.components_, atol=1e-9)
    np.testing.assert_allclose(found["explained_variance"][2:], 0, atol=1e-9)
    gram = found["components"] @ found["components"].T
    np.testing.assert_allclose(gram, np.eye(4), atol=1e-9)


@pytest.mark.parametrize("solver", ["covariance", "randomized"])
def test_rows_that_are_all_the_same_have_no_variance(solver):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, steps = run_rounds(PCA, np.ones((50, 3)), solver=solver, n_components=2)
    assert (found["explained_variance"] == 0).all()
    assert np.isnan(found["explained_variance_ratio"]).all()
    np.testing.assert_allclose(found["components"] @ found["components"].T, np.eye(2), atol=1e-12)
    assert steps[-1].values == {"explained": 0.0}


def test_fewer_rows_than_columns():
    x = spread(5, 8)
    found, _ = run_rounds(PCA, x)
    peer = decomposition.PCA(svd_solver="full").fit(x)
    assert found["components"].shape == (5, 8)
    np.testing.assert_allclose(found["explained_variance"], peer.explained_variance_, atol=1e-9)
    np.testing.assert_allclose(found["components"][:4], peer.components_[:4], atol=1e-9)


def test_frames_are_rows_of_pixels():
    x = spread(60, 12)
    flat, _ = run_rounds(PCA, x)
    frames, _ = run_rounds(PCA, x.reshape(60, 3, 4))
    np.testing.assert_array_equal(frames["components"], flat["components"])


@pytest.mark.parametrize(
    ("shape", "params", "message"),
    [
        ((1, 3), {}, "at least 2 rows, got 1"),
        ((5, 3), {"n_components": 4}, "at most 3 for shape .5, 3., got 4"),
        ((2, 3), {"n_components": 3}, "at most 2"),
        ((9, 3), {"n_components": 0}, "at least 1, or a fraction"),
        ((9, 3), {"n_components": 1.5}, "at least 1, or a fraction"),
        ((9, 3), {"n_components": "many"}, "expected a number"),
        ((9, 3), {"solver": "randomized"}, "expected a number of components"),
        ((9, 3), {"solver": "randomized", "n_components": 0.5}, "number of components"),
        ((9, 3), {"solver": "arpack"}, "one of covariance, randomized"),
        ((9, 20000), {}, "solver='randomized'"),
        ((9, 0), {}, "no elements"),
    ],
)
def test_what_cannot_be_fitted_is_said(shape, params, message):
    spec = ArraySpec(shape, np.dtype("f8"))
    with pytest.raises(InputError, match=message):
        PCA.algorithm(bind("pca", PCA.parameters, params), spec)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid:RuntimeWarning")
@pytest.mark.parametrize("solver", ["covariance", "randomized"])
def test_squares_beyond_all_numbers_are_refused(solver):
    with pytest.raises(InputError, match="scale the data"):
        run_rounds(PCA, spread() * 1e200, solver=solver, n_components=2)


def test_an_algorithm_travels_to_workers():
    x = spread()
    rounds = algorithm_for(PCA, x, solver="randomized", n_components=2)
    assert pickle.loads(pickle.dumps(rounds)) == rounds


def stage_of(operation, x, **params):
    bound = bind(operation.name, operation.parameters, params)
    return operation.stages(bound, ArraySpec(x.shape, x.dtype))[0]


def apply(operation, x, **params):
    stage = stage_of(operation, x, **params)
    out = np.empty((len(x), *stage.row_shape), stage.dtype)
    stage.kernel(x.reshape(len(x), -1), out.reshape(len(x), -1), *stage.args)
    return out


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_scores_are_those_of_scikit_learn(dtype):
    x = (spread(mean=50.0) * 10).astype(dtype)
    peer = decomposition.PCA(3, whiten=True).fit(x.astype("f8"))
    scores = apply(
        PROJECT, x, components=peer.components_, mean=peer.mean_, variance=peer.explained_variance_
    )
    assert scores.dtype == ("f4" if dtype == "f4" else "f8")
    np.testing.assert_allclose(scores, peer.transform(x.astype("f8")), atol=1e-5)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_a_rows_scores_do_not_depend_on_its_neighbours(k):
    x = spread(23, 8)
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0][:k]
    together = apply(PROJECT, x, components=components)
    for start, stop in ((0, 1), (1, 4), (4, 9), (9, 23)):
        alone = apply(PROJECT, x[start:stop], components=components)
        np.testing.assert_array_equal(alone, together[start:stop])


def test_components_of_other_columns_are_refused():
    with pytest.raises(InputError, match="expected components of 8 columns"):
        stage_of(PROJECT, spread(), components=np.eye(3))
    with pytest.raises(InputError, match="expected 8 numbers as mean, got 2"):
        stage_of(PROJECT, spread(), components=np.eye(8), mean=[1.0, 2.0])
    with pytest.raises(InputError, match="variances above 0"):
        stage_of(PROJECT, spread(), components=np.eye(8), variance=np.zeros(8))


def symmetric(n=50, seed=0):
    a = np.random.default_rng(seed).normal(size=(n, n))
    return a @ a.T


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_the_dominant_eigenvector_is_that_of_scipy(dtype):
    a = symmetric().astype(dtype)
    found, steps = run_rounds(POWER, a, block=8, strip=3, max_iter=5000, tol=1e-12)
    values, vectors = scipy.linalg.eigh(a.astype("f8"))
    wanted = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    assert steps[-1].converged
    assert found["eigenvalue"] == pytest.approx(values[-1], rel=1e-6 if dtype == "f4" else 1e-12)
    np.testing.assert_allclose(found["eigenvector"], wanted, atol=1e-5 if dtype == "f4" else 1e-9)
    assert found["residual"] <= 1e-12 * values[-1]


def test_a_negative_eigenvalue_may_dominate():
    found, steps = run_rounds(POWER, np.diag([1.0, -5.0, 2.0]), tol=1e-10)
    assert steps[-1].converged
    assert found["eigenvalue"] == pytest.approx(-5)
    np.testing.assert_allclose(found["eigenvector"], [0, 1, 0], atol=1e-9)


def test_a_matrix_need_not_be_symmetric():
    a = np.random.default_rng(0).uniform(size=(30, 30))
    found, steps = run_rounds(POWER, a, block=7, strip=4)
    values = scipy.linalg.eigvals(a)
    assert steps[-1].converged
    assert found["eigenvalue"] == pytest.approx(values[np.abs(values).argmax()].real, rel=1e-7)
    assert (found["eigenvector"] > 0).all(), "Perron and Frobenius say so"


def test_what_does_not_converge_is_reported():
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    found, steps = run_rounds(POWER, turn, max_iter=7)
    assert len(steps) == 7
    assert steps[-1].done
    assert not steps[-1].converged
    assert found["residual"] == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_the_scale_of_a_matrix_does_not_matter(scale):
    found, steps = run_rounds(POWER, np.diag([1.0, 3.0]) * scale)
    assert steps[-1].converged
    assert found["eigenvalue"] == pytest.approx(3 * scale)


def test_a_matrix_of_zeros_has_the_eigenvalue_zero():
    found, steps = run_rounds(POWER, np.zeros((4, 4), "i4"))
    assert len(steps) == 1
    assert steps[0].converged
    assert found["eigenvalue"] == 0
    assert np.linalg.norm(found["eigenvector"]) == pytest.approx(1)


def test_the_bits_of_power_iteration_depend_on_neither_blocks_nor_strips():
    a = symmetric()
    one, _ = run_rounds(POWER, a, block=50, strip=50, max_iter=20)
    other, _ = run_rounds(POWER, a, block=9, strip=4, order=[5, 2, 0, 1, 4, 3], max_iter=20)
    for name, values in one.items():
        np.testing.assert_array_equal(other[name], values, strict=True)


@pytest.mark.parametrize("shape", [(3, 4), (9,), (3, 3, 3)])
def test_power_iteration_wants_a_square_matrix(shape):
    with pytest.raises(InputError, match="square matrix"):
        algorithm_for(POWER, np.zeros(shape))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_products_beyond_all_numbers_are_refused():
    with pytest.raises(InputError, match="scale it"):
        run_rounds(POWER, np.full((4, 4), 1e308), random_state=1)


@pytest.mark.parametrize("fit", [PCA, POWER], ids=lambda fit: fit.name)
def test_what_a_block_left_does_not_show_in_the_next(fit):
    x = symmetric(12)
    rounds = algorithm_for(fit, x)
    model, fresh, used = zeros(rounds.model), zeros(rounds.state), zeros(rounds.state)
    rounds.begin(model, lambda start, stop: x[start:stop])
    rounds.add(x[6:], 6, 1, model, used)
    for state in (fresh, used):
        rounds.reset(state)
        rounds.add(x[:6], 0, 0, model, state)
        empty = zeros(rounds.state)
        rounds.reset(empty)
        rounds.combine(state, empty)
    step, again = rounds.update(dict(model), fresh), fresh
    assert step.values
    if fit is PCA:
        for name, values in again.items():
            np.testing.assert_array_equal(used[name], values)
    else:
        np.testing.assert_array_equal(used["product"][:6], fresh["product"][:6])
        np.testing.assert_array_equal(used["range"], [0, 6])
