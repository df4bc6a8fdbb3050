"""Linear regression: least squares by QR, and ridge by the scatter matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations.fits import moments, targets
from sharedcompute.operations.fits.declaration import RowsAt, Specs, Step
from sharedcompute.operations.fits.moments import numbers
from sharedcompute.operations.specs import Array, ArraySpec, State
from sharedcompute.operations.stages import Stage

ROUNDING_ROWS = 1000
"""Rounding errors of so many rows are reckoned with: those of more average out."""


@dataclass(frozen=True)
class _Regression:
    """Linear regression, however it is computed: shapes, origins and results.

    Parameters
    ----------
    n, d : int
        Rows and columns of the data.
    y : ndarray, shape (n, ...)
        Whatever follows the rows counts as targets.
    intercept : bool
    """

    n: int
    d: int
    y: Array
    intercept: bool

    @property
    def targets(self) -> int:
        """Columns of y."""
        return math.prod(self.y.shape[1:])

    @property
    def needs_last(self) -> bool:
        """False: the model has all results."""
        return False

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """Nothing: the map `linear` predicts."""
        return None

    def _shared_model(self) -> dict[str, ArraySpec]:
        return {
            "origin": numbers(self.d),
            "target_origin": numbers(self.targets),
            "coef": numbers(self.targets, self.d),
            "intercept": numbers(self.targets),
            "residuals": numbers(self.targets),
            "r2": numbers(self.targets),
        }

    def _begin(self, model: State, rows: RowsAt) -> None:
        few = min(self.n, moments.NEAR_ROWS)
        model["origin"][:] = moments.near(rows(0, few))
        model["target_origin"][:] = moments.near(self._targets_of(0, few))

    def _targets_of(self, start: int, stop: int) -> Array:
        """Return rows of y, as (rows, targets)."""
        return self.y[start:stop].view(np.ndarray).reshape(stop - start, -1)

    def _step(self, model: State, residuals: Array, total: Array) -> Step:
        model["residuals"][:] = residuals
        # As scikit-learn's r2_score: a constant target is met or it is not.
        with np.errstate(invalid="ignore", divide="ignore"):
            met = np.where(residuals == 0, 1.0, 0.0)
            model["r2"][:] = np.where(total > 0, 1 - residuals / total, met)
        return Step({"r2": float(model["r2"].mean())}, done=True, converged=True)

    def results(self, model: State, _: State | None) -> dict[str, Array]:
        """Return the results in scikit-learn's shapes: coefficients by target."""
        shape = self.y.shape[1:]
        coef = model["coef"].reshape(*shape, self.d)
        named = {name: model[name].reshape(shape) for name in ("intercept", "residuals", "r2")}
        return {name: np.array(values) for name, values in {"coef": coef, **named}.items()}


@dataclass(frozen=True)
class LeastSquares(_Regression):
    """Least squares by QR of tall blocks (TSQR), in one round.

    A block is reduced to R of ``[1 x] = Q R``, and two of them to R of the one above the other.
    So the condition of the result is that of the data, and not its square as with ``x.T @ x``.
    With an intercept `x` and `y` are taken about rows that are near, which costs no digits.
    """

    @property
    def model(self) -> Specs:
        """The solution."""
        return {**self._shared_model(), "singular": numbers(self.d)}

    @property
    def state(self) -> Specs:
        """R, the image of the targets, and the squares of their residuals."""
        return targets.triangle_state(self.intercept + self.d, self.targets)

    def begin(self, model: State, rows: RowsAt) -> None:
        """Compute a mean that is near."""
        if self.intercept:
            self._begin(model, rows)

    def reset(self, state: State) -> None:
        """Make it the state of no rows."""
        moments.clear(state)

    def add(self, x: Array, start: int, _block: int, model: State, state: State) -> None:
        """Put the strip's rows below R, and reduce that to R again."""
        first = int(self.intercept)
        for tile in moments.tiles(x):
            columns = np.ones((len(tile), first + self.d))
            np.subtract(tile, model["origin"], out=columns[:, first:])
            y = self._targets_of(start, start + len(tile))
            targets.add_below(columns, y, model["target_origin"], state)
            start += len(tile)

    def combine(self, a: State, b: State) -> None:
        """Reduce R above R to R."""
        targets.combine_triangles(a, b)

    def update(self, model: State, state: State) -> Step:
        """Solve by the singular values of R."""
        r, image, first = state["r"], state["image"], int(self.intercept)
        for part in state.values():
            moments.check_squares("lstsq", part)
        u, sigma, vectors = np.linalg.svd(r[first:, first:])
        self._check_rank(sigma)
        model["singular"][:] = sigma
        coef: Array = vectors.T @ ((u.T @ image[first:]) / sigma[:, None])
        model["coef"][:] = coef.T
        if self.intercept:
            apart: Array = (image[0] - r[0, 1:] @ coef) / r[0, 0]
            model["intercept"][:] = apart + model["target_origin"] - model["origin"] @ coef
        total: Array = np.square(image[first:]).sum(axis=0) + state["left"]
        moments.check_squares("lstsq", total)
        return self._step(model, state["left"], total)

    def _check_rank(self, sigma: Array) -> None:
        errors = max(self.d, min(self.n, ROUNDING_ROWS)) * np.finfo(np.float64).eps
        rank = int((sigma > errors * sigma[0]).sum())
        if rank < self.d:
            about = " about their means" if self.intercept else ""
            raise InputError(
                f"lstsq expected columns that are independent{about}, got rank {rank} of {self.d}: "
                "leave some out, or use ridge"
            )

    def results(self, model: State, state: State | None) -> dict[str, Array]:
        """Return the solution, with what `numpy.linalg.lstsq` gives besides."""
        rank = np.array(self.d)
        sigma = model["singular"].copy()
        return {**super().results(model, state), "rank": rank, "singular": sigma}


@dataclass(frozen=True)
class Ridge(_Regression):
    """Least squares with a penalty on the coefficients and none on the intercept, in one round.

    By the scatter matrix of the columns, a quarter of the work of QR: with the penalty it is as
    definite as is needed.

    Parameters
    ----------
    alpha : float
        ``|y - x coef - intercept|^2 + alpha |coef|^2`` is least.

    References
    ----------
    .. [1] Hoerl, Kennard, "Ridge regression: biased estimation for nonorthogonal problems",
       Technometrics 12 (1970).
    """

    alpha: float

    @property
    def model(self) -> Specs:
        """The solution."""
        return self._shared_model()

    @property
    def state(self) -> Specs:
        """Means and products of the columns, with each other and with the targets."""
        return targets.products_state(self.d, self.targets)

    def begin(self, model: State, rows: RowsAt) -> None:
        """Compute a mean that is near."""
        self._begin(model, rows)

    def reset(self, state: State) -> None:
        """Make it the state of no rows."""
        moments.clear(state)

    def add(self, x: Array, start: int, _block: int, model: State, state: State) -> None:
        """Add a strip."""
        for tile in moments.tiles(x):
            y = self._targets_of(start, start + len(tile))
            targets.add_products(tile, y, model["origin"], model["target_origin"], state)
            start += len(tile)

    def combine(self, a: State, b: State) -> None:
        """Pool two groups of rows."""
        targets.combine_products(a, b)

    def update(self, model: State, state: State) -> Step:
        """Solve by the eigenvectors of the scatter matrix."""
        for part in state.values():
            moments.check_squares("ridge", part)
        own, cross, total = moments.scatter_matrix(state), state["cross"], state["squares"]
        mean: Array = model["origin"] + state["mean"]
        target_mean: Array = model["target_origin"] + state["target_mean"]
        if not self.intercept:
            own += self.n * np.outer(mean, mean)
            cross = cross + self.n * np.outer(mean, target_mean)
            total = total + self.n * target_mean * target_mean
        values, vectors = np.linalg.eigh(own)
        root = np.maximum(values, 0) + self.alpha
        coef: Array = vectors @ ((vectors.T @ cross) / root[:, None])
        model["coef"][:] = coef.T
        if self.intercept:
            model["intercept"][:] = target_mean - mean @ coef
        residuals: Array = (
            total - 2 * (coef * cross).sum(axis=0) + (coef * (own @ coef)).sum(axis=0)
        )
        return self._step(model, np.maximum(residuals, 0), total)
