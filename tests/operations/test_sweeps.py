"""The heat equation and Jacobi's method: against mathematics and SciPy, by any number of ranks."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

import sharedcompute as sc
from sharedcompute.errors import InputError, WorkerDied
from sharedcompute.operations.fits import relaxation
from sharedcompute.operations.fits.declaration import Fit, Step, Sweeps
from sharedcompute.operations.fits.relaxation import Relaxation
from sharedcompute.operations.fits.sweeps import HEAT, JACOBI
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.sync import Control

Array = NDArray[Any]

SIZES = (1, 2, 3, 5, 8)


def make(fit: Fit, x: Array, **params: Any) -> Sweeps:
    """The algorithm for a grid."""
    bound = bind(fit.name, fit.parameters, params)
    made = fit.algorithm(bound, ArraySpec(x.shape, x.dtype))
    assert isinstance(made, Sweeps)
    return made


def iterate(fit: Fit, x: Array, size: int = 1, **params: Any) -> dict[str, Array]:
    """Rounds by `size` ranks, each a thread, until the last."""
    algorithm = make(fit, x, **params)
    model = {name: np.zeros(s.shape, s.dtype) for name, s in algorithm.model.items()}
    algorithm.begin(model, lambda start, stop: x[start:stop])
    words = np.zeros(Control.size_for(size), np.int64)
    controls = [Control(words, size, rank) for rank in range(size)]
    for control in controls:
        control.reset()
    steps: list[Step] = []

    def rounds(control: Control) -> None:
        while not (steps and steps[-1].done):
            algorithm.sweep(control.block, model)
            control.barrier()
            if control.block.rank == 0:
                steps.append(algorithm.update(model))
            control.barrier()

    with ThreadPoolExecutor(size) as threads:
        list(threads.map(rounds, controls))
    last = {f"last_{name}": np.asarray(value) for name, value in steps[-1].values.items()}
    return algorithm.results(model) | last | {"converged": np.asarray(steps[-1].converged)}


def noise(shape: tuple[int, ...], dtype: str = "f8") -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(dtype)


def test_heat_is_the_sweep_of_numpy_slices_to_the_bit() -> None:
    x = noise((70, 33))
    u = x.copy()
    for _ in range(57):
        s = (u[:-2, 1:-1] + u[2:, 1:-1]) + (u[1:-1, :-2] + u[1:-1, 2:])
        u[1:-1, 1:-1] += 0.2 * (s - 4 * u[1:-1, 1:-1])
    for size in SIZES:
        np.testing.assert_array_equal(iterate(HEAT, x, size, sweeps=57, alpha=0.2)["grid"], u)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_sine_decays_at_the_rate_of_the_scheme(ndim: int) -> None:
    # Richtmyer and Morton: a mode of wave number k is multiplied by 1 - 4 d alpha sin(k h / 2)^2.
    n, steps, alpha = 17, 40, 0.1
    line = np.sin(np.pi * np.arange(n) / (n - 1))
    mode = line
    for _ in range(ndim - 1):
        mode = np.multiply.outer(mode, line)
    factor = 1 - 4 * ndim * alpha * np.sin(np.pi / (2 * (n - 1))) ** 2
    found = iterate(HEAT, mode, 2, sweeps=steps, alpha=alpha)["grid"]
    np.testing.assert_allclose(found, factor**steps * mode, atol=1e-14)


@pytest.mark.parametrize("shape", [(3000,), (40, 30), (12, 9, 10)], ids=str)
def test_insulated_grids_keep_their_heat_and_become_even(shape: tuple[int, ...]) -> None:
    x = noise(shape) + 5
    found = iterate(HEAT, x, 3, sweeps=500, boundary="insulated")
    np.testing.assert_allclose(found["grid"].mean(), x.mean(), rtol=1e-12)
    assert found["grid"].std() < x.std() / 4


SHAPES = [
    *[(1,), (2,), (3,), (5000,), (70_000,)],
    *[(1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (4, 50), (50, 4), (200, 30), (301, 17)],
    *[(1, 1, 1), (2, 3, 4), (40, 5, 6), (150, 3, 4)],
]


@pytest.mark.sample(6)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_any_number_of_ranks_gives_the_same_bits(shape: tuple[int, ...], dtype: str) -> None:
    x = noise(shape, dtype)
    for fit, params in (
        (HEAT, {"sweeps": 53}),
        (HEAT, {"sweeps": 34, "boundary": "insulated"}),
        (JACOBI, {"tol": 1e-3, "max_iter": 60, "check_every": 17, "source": x}),
    ):
        expected = iterate(fit, x, 1, **params)
        assert expected["grid"].dtype == dtype
        for size in SIZES[1:]:
            found = iterate(fit, x, size, **params)
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name], values, err_msg=f"{name} by {size}")


def test_any_number_of_sweeps_at_once_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise((300, 20))
    expected = iterate(HEAT, x, 1, sweeps=60)
    monkeypatch.setattr(relaxation, "BORDER", 2)  # the thickest borders that fit
    for depth in (1, 2, 3, 7, 31):
        monkeypatch.setattr(relaxation, "DEEPEST", depth)
        for size in SIZES:
            found = iterate(HEAT, x, size, sweeps=60)
            np.testing.assert_array_equal(found["grid"], expected["grid"])
            assert found["change"] == expected["change"]


def test_the_change_is_that_of_the_last_sweep() -> None:
    x = noise((60, 40))
    before, after = (iterate(HEAT, x, 2, sweeps=n) for n in (79, 80))
    assert after["change"] == np.abs(after["grid"] - before["grid"]).max()


def test_no_sweeps_leave_the_grid_as_it_is() -> None:
    x = noise((9, 8))
    found = iterate(HEAT, x, 2, sweeps=0)
    np.testing.assert_array_equal(found["grid"], x)
    assert found["n_iter"] == 0
    assert found["change"] == 0


def test_whole_numbers_become_double() -> None:
    x = np.arange(30, dtype="i2").reshape(5, 6) ** 2
    found = iterate(HEAT, x, sweeps=3)["grid"]
    assert found.dtype == "f8"
    np.testing.assert_array_equal(found, iterate(HEAT, x.astype("f8"), sweeps=3)["grid"])


@pytest.mark.parametrize("shape", [(33,), (15, 12), (7, 6, 8)], ids=str)
def test_jacobi_solves_poissons_equation(shape: tuple[int, ...]) -> None:
    edges, source, h = noise(shape), noise(shape) + 1, 0.25
    found = iterate(JACOBI, edges, 3, source=source, spacing=h, tol=1e-13, max_iter=100_000)
    assert found["converged"]
    np.testing.assert_allclose(found["grid"], poisson(edges, source, h), atol=1e-9)


def poisson(edges: Array, source: Array, h: float) -> Array:
    """The solution of -laplace(u) = source by a sparse direct solver."""
    laplace = sum(
        sparse.kron(
            sparse.kron(sparse.eye(int(np.prod(edges.shape[:k]))), second_difference(n)),
            sparse.eye(int(np.prod(edges.shape[k + 1 :]))),
        )
        for k, n in enumerate(edges.shape)
    )
    inner = np.zeros(edges.shape, bool)
    inner[(slice(1, -1),) * edges.ndim] = True
    a, b = laplace.tocsr() / h**2, inner.ravel()
    u = edges.ravel().copy()
    u[b] = spsolve(-a[b][:, b].tocsc(), source.ravel()[b] + (a[b][:, ~b] @ u[~b]))
    return u.reshape(edges.shape)


def second_difference(n: int) -> Any:
    return sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(n, n))  # type: ignore[list-item]


def test_the_change_tells_the_residual() -> None:
    u, h = noise((20, 20)), 0.5
    change = float(iterate(JACOBI, u, source=2.0, spacing=h, max_iter=1)["change"])
    laplace = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
    np.testing.assert_allclose(change * 4 / h**2, np.abs(2 + laplace / h**2).max(), rtol=1e-12)


def test_jacobi_stops_at_the_first_look_that_is_content() -> None:
    x = noise((20, 20))
    found = iterate(JACOBI, x, tol=1e-6, check_every=7)
    n = int(found["n_iter"])
    assert n % 7 == 0
    assert found["converged"]
    assert found["change"] <= 1e-6 < iterate(JACOBI, x, tol=0, max_iter=n - 7)["change"]


def test_jacobi_that_is_not_content_says_so() -> None:
    found = iterate(JACOBI, noise((30, 30)), max_iter=65)
    assert not found["converged"]
    assert found["n_iter"] == found["last_sweeps"] == 65


def test_jacobi_stops_where_numbers_have_become_infinite() -> None:
    found = iterate(JACOBI, np.full((9, 9), 3e38, "f4"), max_iter=10**9)
    assert not found["converged"]
    assert not np.isfinite(found["change"])


def test_cells_on_a_fixed_edge_keep_all_their_bits() -> None:
    x = np.full((6, 5), -0.0)
    found = iterate(JACOBI, x, source=0.0, max_iter=3)["grid"]
    assert np.signbit(found[0]).all()


@pytest.mark.parametrize(
    ("fit", "shape", "params", "says"),
    [
        (HEAT, (5, 5), {"sweeps": 1, "alpha": 0.26}, "stable up to alpha=0.25, got 0.26"),
        (HEAT, (5, 5, 5), {"sweeps": 1, "alpha": 0.2}, r"up to alpha=0.1667, got 0.2"),
        (HEAT, (5, 5), {"sweeps": -1}, "at least 0"),
        (HEAT, (5, 5), {"sweeps": 1, "boundary": "open"}, "fixed, insulated"),
        (HEAT, (5,) * 4, {"sweeps": 1}, "1 to 3 dimensions"),
        (JACOBI, (5, 5), {"source": np.zeros((5, 4))}, r"shape \(5, 5\), got \(5, 4\)"),
        (JACOBI, (5, 5), {"source": np.nan}, "finite source"),
        (JACOBI, (5, 5), {"tol": -1.0}, "at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    fit: Fit, shape: tuple[int, ...], params: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        make(fit, np.zeros(shape), **params)


def test_the_largest_stable_step_is_allowed() -> None:
    for ndim in (1, 2, 3):
        make(HEAT, np.zeros((4,) * ndim), sweeps=1, alpha=1 / (2 * ndim))


def test_a_source_does_not_travel_to_the_workers() -> None:
    x = np.zeros((300, 300))
    algorithm = make(JACOBI, x, source=x)
    assert len(pickle.dumps(algorithm)) < 2000
    assert pickle.loads(pickle.dumps(algorithm)).model == algorithm.model


def program(worker: sc.Worker, algorithm: Relaxation, model: dict[str, Array]) -> None:
    plain = {name: array.view(np.ndarray) for name, array in model.items()}
    algorithm.sweep(worker.control, plain)


def shared(algorithm: Sweeps, x: Array) -> dict[str, Array]:
    model = {name: sc.zeros(s.shape, s.dtype) for name, s in algorithm.model.items()}
    algorithm.begin(model, lambda start, stop: x[start:stop])
    return model  # type: ignore[return-value]


@pytest.mark.slow
def test_workers_that_are_processes_give_the_same_bits(teams: dict[int, sc.Team]) -> None:
    x = noise((120, 30))
    expected = iterate(HEAT, x, sweeps=45)["grid"]
    algorithm = make(HEAT, x, sweeps=45)
    for team in teams.values():
        model = shared(algorithm, x)
        team.run(program, algorithm, model)
        np.testing.assert_array_equal(model["grids"][1], expected)


def test_a_death_in_the_midst_of_the_compiled_loop_is_told_at_once(
    teams: dict[int, sc.Team],
) -> None:
    x = noise((64, 64))
    endless = Relaxation(x.shape, x.dtype, 0.1, most=10**12, every=10**12)

    def mortal(worker: sc.Worker, model: dict[str, Array]) -> None:
        if worker.rank == worker.size - 1:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
        program(worker, endless, model)

    for size in (2, 5):
        with pytest.raises(WorkerDied) as died:
            teams[size].run(mortal, shared(endless, x))
        assert died.value.rank == size - 1
        assert teams[size].run(lambda worker: worker.rank) == list(range(size))


def test_both_engines_fit_the_same_bits(team: sc.Team) -> None:
    x = noise((50, 20))
    settings = {"source": np.ones(x.shape), "tol": 1e-4}
    alone = sc.solve("jacobi", x, engine="serial", **settings)
    together = sc.solve("jacobi", x, team=team, **settings)
    expected = iterate(JACOBI, x, **settings)
    for name in ("grid", "n_iter", "change"):
        np.testing.assert_array_equal(alone[name], expected[name])
        np.testing.assert_array_equal(together[name], expected[name])
