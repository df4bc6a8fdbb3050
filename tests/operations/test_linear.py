"""Linear regression beside NumPy, SciPy and scikit-learn."""

import pickle

import numpy as np
import pytest
import scipy.linalg
from sklearn import linear_model

from sharedcompute.errors import InputError
from sharedcompute.operations.fits.linear import LSTSQ, RIDGE
from sharedcompute.operations.fits.moments import TILE_ROWS
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.rowwise.projections import LINEAR
from sharedcompute.operations.specs import ArraySpec
from tests.operations.serial_rounds import algorithm_for, run_rounds


def problem(n=300, d=5, targets=None, mean=4.0, noise=0.1, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) + mean
    coef = random.normal(size=d if targets is None else (d, targets))
    y = x @ coef + 2.5
    return x, y + noise * random.normal(size=y.shape)


@pytest.mark.parametrize("targets", [None, 1, 3])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
def test_coefficients_are_those_of_scikit_learn(fit, intercept, targets):
    x, y = problem(targets=targets)
    params = {} if fit is LSTSQ else {"alpha": 3.0}
    found, steps = run_rounds(fit, x, y=y, fit_intercept=intercept, **params)
    peer = (
        linear_model.LinearRegression(fit_intercept=intercept)
        if fit is LSTSQ
        else linear_model.Ridge(3.0, fit_intercept=intercept, solver="cholesky")
    ).fit(x, y)
    np.testing.assert_allclose(found["coef"], peer.coef_.reshape(found["coef"].shape), rtol=1e-9)
    np.testing.assert_allclose(found["intercept"], peer.intercept_, rtol=1e-9, atol=1e-12)
    assert found["coef"].shape == y.shape[1:] + x.shape[1:]
    left = y - x @ found["coef"].T - found["intercept"]
    np.testing.assert_allclose(found["residuals"], np.square(left).sum(axis=0), rtol=1e-8)
    assert len(steps) == 1
    assert steps[0].converged
    if intercept:
        assert found["r2"].mean() == pytest.approx(peer.score(x, y), rel=1e-9)
        assert steps[0].values["r2"] == found["r2"].mean()


def test_without_an_intercept_it_is_what_numpy_and_scipy_give():
    x, y = problem()
    found, _ = run_rounds(LSTSQ, x, y=y, fit_intercept=False)
    coef, residuals, rank, sigma = np.linalg.lstsq(x, y)
    np.testing.assert_allclose(found["coef"], coef, rtol=1e-11)
    np.testing.assert_allclose(found["coef"], scipy.linalg.lstsq(x, y)[0], rtol=1e-11)
    np.testing.assert_allclose(found["residuals"], residuals[0], rtol=1e-10)
    np.testing.assert_allclose(found["singular"], sigma, rtol=1e-11)
    assert found["rank"] == rank
    assert found["intercept"] == 0


def ill_conditioned(condition, n=2000, d=6):
    random = np.random.default_rng(0)
    u = np.linalg.qr(random.normal(size=(n, d)))[0]
    v = np.linalg.qr(random.normal(size=(d, d)))[0]
    return u * np.geomspace(1, 1 / condition, d) @ v


def test_an_ill_conditioned_problem_is_solved_as_well_as_numpy_does():
    x = ill_conditioned(1e8)
    y = x @ np.ones(6)
    found, _ = run_rounds(LSTSQ, x, y=y, fit_intercept=False)
    ours = np.abs(found["coef"] - 1).max()
    normal = np.abs(np.linalg.solve(x.T @ x, x.T @ y) - 1).max()
    numpy = np.abs(np.linalg.lstsq(x, y)[0] - 1).max()
    assert ours < max(10 * numpy, 1e-7)
    assert ours < normal / 100, "the normal equations are as good: nothing is shown here"


def test_large_means_cost_no_digits():
    x, y = problem(mean=0.0, noise=0.0)
    # Whole multiples of a power of two: the mean is added without rounding.
    x = np.round(x * 2**20) / 2**20
    y = x @ np.arange(5.0)
    for fit, params in ((LSTSQ, {}), (RIDGE, {"alpha": 1e-9})):
        found, _ = run_rounds(fit, x + 2.0**30, y=y, **params)
        np.testing.assert_allclose(found["coef"], np.arange(5), atol=1e-9)
        assert found["r2"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
def test_the_bits_do_not_depend_on_the_order_of_blocks(fit):
    x, y = problem()
    straight, _ = run_rounds(fit, x, y=y)
    shuffled, _ = run_rounds(fit, x, y=y, order=[3, 0, 7, 5, 1, 2, 6, 4])
    for name, values in straight.items():
        np.testing.assert_array_equal(shuffled[name], values, err_msg=name, strict=True)


@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
def test_strips_longer_than_a_tile(fit):
    x, y = problem(TILE_ROWS + 300, 2)
    found, _ = run_rounds(fit, x, block=len(x), strip=len(x), y=y)
    other, _ = run_rounds(fit, x, y=y)
    np.testing.assert_allclose(found["coef"], other["coef"], rtol=1e-11)


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f4"])
@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
def test_numbers_of_every_kind(fit, dtype):
    x = np.random.default_rng(0).integers(0, 2, (200, 3)).astype(dtype)
    y = (x @ np.array([3, 1, 2])).astype(dtype if dtype != "?" else "i4")
    found, _ = run_rounds(fit, x, y=y)
    wide, _ = run_rounds(fit, x.astype("f8"), y=y.astype("f8"))
    np.testing.assert_allclose(found["coef"], wide["coef"], rtol=1e-12)


def test_ridge_solves_what_least_squares_cannot():
    x, y = problem(d=3)
    x[:, 2] = x[:, 0] + x[:, 1]
    message = "independent about their means, got rank 2 of 3: leave some out, or use ridge"
    with pytest.raises(InputError, match=message):
        run_rounds(LSTSQ, x, y=y)
    found, _ = run_rounds(RIDGE, x, y=y, alpha=0.5)
    peer = linear_model.Ridge(0.5, solver="cholesky").fit(x, y)
    np.testing.assert_allclose(found["coef"], peer.coef_, rtol=1e-8)


def test_a_constant_column_is_not_independent_of_the_intercept():
    x, y = problem(d=3)
    x[:, 1] = 7
    with pytest.raises(InputError, match="rank 2 of 3"):
        run_rounds(LSTSQ, x, y=y)
    found, _ = run_rounds(LSTSQ, x, y=y, fit_intercept=False)
    np.testing.assert_allclose(found["coef"], np.linalg.lstsq(x, y)[0], rtol=1e-9)


def test_columns_of_zeros_have_no_rank():
    with pytest.raises(InputError, match="rank 0 of 2"):
        run_rounds(LSTSQ, np.zeros((9, 2)), y=np.zeros(9))


def test_as_many_rows_as_unknowns_are_met():
    x, y = problem(n=4, d=3)
    found, _ = run_rounds(LSTSQ, x, y=y)
    np.testing.assert_allclose(x @ found["coef"] + found["intercept"], y, rtol=1e-9)


def test_a_constant_target_is_met_or_not():
    x, _ = problem()
    found, _ = run_rounds(RIDGE, x, y=np.full(300, 4.0))
    assert found["r2"] == 1
    assert found["intercept"] == pytest.approx(4)


@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(8), r"expected y of shape \(9,\) or \(9, ...\).* got \(8,\)"),
        (np.zeros(()), r"got \(\)"),
        (np.zeros((9, 0)), r"got \(9, 0\)"),
        (np.array([1.0] * 7 + [np.nan, np.inf]), "got nan in row 7 of y"),
        (np.array(["a"] * 9), "expected an array of real numbers"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(fit, y, message):
    with pytest.raises(InputError, match=message):
        algorithm_for(fit, np.ones((9, 2)), y=y)


def test_fewer_rows_than_unknowns_are_refused():
    x, y = problem(n=3, d=3)
    with pytest.raises(InputError, match="at least 4 rows for its columns and the intercept"):
        run_rounds(LSTSQ, x, y=y)
    found, _ = run_rounds(RIDGE, x, y=y)
    assert np.isfinite(found["coef"]).all()


@pytest.mark.parametrize("alpha", [0, -1.0, np.inf, "x"])
def test_a_penalty_is_above_zero(alpha):
    with pytest.raises(InputError, match="'alpha': expected a number"):
        algorithm_for(RIDGE, np.ones((9, 2)), y=np.ones(9), alpha=alpha)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid:RuntimeWarning")
@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
def test_squares_beyond_all_numbers_are_refused(fit):
    x, y = problem()
    with pytest.raises(InputError, match="scale the data"):
        run_rounds(fit, x * 1e308, y=y)


@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
def test_an_algorithm_travels_to_workers(fit):
    x, y = problem()
    there = pickle.loads(pickle.dumps(algorithm_for(fit, x, y=y)))
    np.testing.assert_array_equal(there.y, y)


@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
@pytest.mark.parametrize("intercept", [True, False])
def test_targets_of_any_shape_are_each_fitted_as_if_alone(fit, intercept):
    x, y = problem(targets=6 * 50)
    y = y.reshape(-1, 6, 50)
    found, _ = run_rounds(fit, x, y=y, fit_intercept=intercept)
    assert found["coef"].shape == (6, 50, 5)
    for name in ("intercept", "residuals", "r2"):
        assert found[name].shape == (6, 50)
    for at in ((0, 0), (3, 7), (5, 49)):
        alone, _ = run_rounds(fit, x, y=y[:, *at], fit_intercept=intercept)
        for name in ("coef", "intercept", "residuals", "r2"):
            np.testing.assert_allclose(found[name][at], alone[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("targets", [1, 40])
def test_residuals_of_what_is_met_are_no_more_than_rounding(targets):
    x, _ = problem(mean=100.0)
    y = x @ np.ones((5, targets)) + 1e6
    found, _ = run_rounds(LSTSQ, x, y=y)
    assert (found["residuals"] < 1e-16 * np.square(y).sum(axis=0)).all()


@pytest.mark.parametrize("fit", [LSTSQ, RIDGE], ids=lambda fit: fit.name)
def test_what_is_kept_is_linear_in_the_targets(fit):
    """A year of daily grids of 16,380 points took 19.5 GB."""

    def nbytes(targets):
        y = np.broadcast_to(0.0, (365, targets))
        made = algorithm_for(fit, np.broadcast_to(0.0, (365, 10)), y=y)
        return sum(
            np.prod(spec.shape) * 8 for part in (made.state, made.model) for spec in part.values()
        )

    assert nbytes(16_380) < 1.01 * 1638 * nbytes(10)
    assert nbytes(16_380) < 5e6


@pytest.mark.parametrize("targets", [None, 1, 4])
def test_predictions_are_those_of_scikit_learn(targets):
    x, y = problem(targets=targets)
    found, _ = run_rounds(LSTSQ, x, y=y)
    params = {"coef": found["coef"], "intercept": found["intercept"]}
    bound = bind("linear", LINEAR.parameters, params)
    (stage,) = LINEAR.stages(bound, ArraySpec(x.shape, x.dtype))
    out = np.empty((len(x), *stage.row_shape))  # type: ignore[misc]
    stage.kernel(x, out.reshape(len(x), -1), *stage.args)
    assert out.shape == y.shape
    np.testing.assert_allclose(out, linear_model.LinearRegression().fit(x, y).predict(x))


def test_coefficients_of_other_columns_are_refused():
    spec = ArraySpec((9, 3), np.dtype("f8"))
    with pytest.raises(InputError, match="expected coef of shape"):
        LINEAR.stages(bind("linear", LINEAR.parameters, {"coef": np.ones(2)}), spec)
    given = {"coef": np.ones((2, 3)), "intercept": np.ones(3)}
    with pytest.raises(InputError, match="1 or 2 numbers as intercept, got 3"):
        LINEAR.stages(bind("linear", LINEAR.parameters, given), spec)
