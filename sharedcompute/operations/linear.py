"""Linear regression: least squares by QR, and ridge by the scatter matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations import moments
from sharedcompute.operations.base import Array, ArraySpec, Params, Stage, State
from sharedcompute.operations.fitting import Fit, RowsAt, Specs, Step
from sharedcompute.operations.moments import numbers
from sharedcompute.operations.parameters import Parameter, array, boolean, positive

ROUNDING_ROWS = 1000
"""Rounding errors of so many rows are reckoned with: those of more average out."""


@dataclass(frozen=True)
class _Regression:
    """What both kinds of regression share.

    Parameters
    ----------
    n, d : int
        Rows and columns of the data.
    y : ndarray, shape (n,) or (n, targets)
    intercept : bool
    """

    n: int
    d: int
    y: Array
    intercept: bool

    @property
    def targets(self) -> int:
        """Columns of y."""
        return 1 if self.y.ndim == 1 else int(self.y.shape[1])

    @property
    def needs_last(self) -> bool:
        """The model has it all."""
        return False

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """Nothing, unless it is asked for: see the map `linear`."""
        return None

    def _shared_model(self) -> dict[str, ArraySpec]:
        return {
            "origin": numbers(self.d + self.targets),
            "coef": numbers(self.d, self.targets),
            "intercept": numbers(self.targets),
            "residuals": numbers(self.targets),
            "r2": numbers(self.targets),
        }

    def _begin(self, model: State, rows: RowsAt) -> None:
        few = min(self.n, moments.NEAR_ROWS)
        model["origin"][: self.d] = moments.near(rows(0, few))
        model["origin"][self.d :] = moments.near(self._targets_of(0, few))

    def _targets_of(self, start: int, stop: int) -> Array:
        """Rows of y, as (rows, targets)."""
        return self.y[start:stop].view(np.ndarray).reshape(stop - start, -1)

    def _step(self, model: State, residuals: Array, total: Array) -> Step:
        model["residuals"][:] = residuals
        # As scikit-learn's r2_score: a constant target is met or it is not.
        with np.errstate(invalid="ignore", divide="ignore"):
            met = np.where(residuals == 0, 1.0, 0.0)
            model["r2"][:] = np.where(total > 0, 1 - residuals / total, met)
        return Step({"r2": float(model["r2"].mean())}, done=True, converged=True)

    def results(self, model: State, _: State | None) -> dict[str, Array]:
        """In the shapes that ``x @ coef + intercept`` has that of y with."""
        flat = self.y.ndim == 1
        return {
            name: np.array(model[name][..., 0] if flat else model[name])
            for name in ("coef", "intercept", "residuals", "r2")
        }


@dataclass(frozen=True)
class LeastSquares(_Regression):
    """Least squares by QR of tall blocks (TSQR), in one round.

    A block comes to R of ``[1 x y] = Q R``, and two of them to R of the one above the other. So
    the condition of the result is that of the data, and not its square as with ``x.T @ x``.
    With an intercept `x` and `y` are taken about rows that are near, which costs no digits.

    References
    ----------
    .. [1] Demmel, Grigori, Hoemmen, Langou, "Communication-optimal parallel and sequential QR and
       LU factorizations", SIAM J. Sci. Comput. 34 (2012).
    """

    @property
    def model(self) -> Specs:
        """The solution."""
        return {**self._shared_model(), "singular_values": numbers(self.d)}

    @property
    def state(self) -> Specs:
        """R."""
        width = self.intercept + self.d + self.targets
        return {"r": numbers(width, width)}

    def begin(self, model: State, rows: RowsAt) -> None:
        """Look for a mean that is near."""
        if self.intercept:
            self._begin(model, rows)

    def reset(self, state: State) -> None:
        """No rows."""
        state["r"][...] = 0

    def add(self, x: Array, start: int, _block: int, model: State, state: State) -> None:
        """Put the strip's rows below R, and reduce that to R again."""
        r, origin, first = state["r"], model["origin"], int(self.intercept)
        for tile in moments.tiles(x):
            stacked = np.empty((len(r) + len(tile), len(r)))
            stacked[: len(r)], below = r, stacked[len(r) :]
            below[:, :first] = 1
            end = first + self.d
            np.subtract(tile, origin[: self.d], out=below[:, first:end])
            y = self._targets_of(start, start + len(tile))
            np.subtract(y, origin[self.d :], out=below[:, end:])
            r[...] = np.linalg.qr(stacked, mode="r")
            start += len(tile)

    def combine(self, a: State, b: State) -> None:
        """Reduce R above R to R."""
        a["r"][...] = np.linalg.qr(np.concatenate([a["r"], b["r"]]), mode="r")

    def update(self, model: State, state: State) -> Step:
        """Solve by the singular values of R."""
        r, first = state["r"], int(self.intercept)
        moments.check_squares("lstsq", r)
        end = first + self.d
        u, sigma, vectors = np.linalg.svd(r[first:end, first:end])
        self._check_rank(sigma)
        model["singular_values"][:] = sigma
        right = r[first:end, end:]
        model["coef"][:] = vectors.T @ ((u.T @ right) / sigma[:, None])
        if self.intercept:
            origin = model["origin"]
            apart = (r[0, end:] - r[0, first:end] @ model["coef"]) / r[0, 0]
            model["intercept"][:] = apart + origin[self.d :] - origin[: self.d] @ model["coef"]
        residuals = np.square(r[end:, end:]).sum(axis=0)
        total = np.square(r[first:, end:]).sum(axis=0)
        moments.check_squares("lstsq", total)
        return self._step(model, residuals, total)

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
        """The solution, with what `numpy.linalg.lstsq` gives besides."""
        rank = np.array(self.d)
        sigma = model["singular_values"].copy()
        return {**super().results(model, state), "rank": rank, "singular_values": sigma}


@dataclass(frozen=True)
class Ridge(_Regression):
    """Least squares with a penalty on the coefficients and none on the intercept, in one round.

    By the scatter matrix of ``[x y]``, a quarter of the work of QR: with the penalty it is as
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
        """Means and the scatter matrix of ``[x y]``."""
        return moments.scatter_state(self.d + self.targets)

    def begin(self, model: State, rows: RowsAt) -> None:
        """Look for a mean that is near."""
        self._begin(model, rows)

    def reset(self, state: State) -> None:
        """No rows."""
        moments.clear(state)

    def add(self, x: Array, start: int, _block: int, model: State, state: State) -> None:
        """Add a strip."""
        for tile in moments.tiles(x):
            both = np.empty((len(tile), self.d + self.targets))
            both[:, : self.d] = tile
            both[:, self.d :] = self._targets_of(start, start + len(tile))
            moments.add_rows(both, moments.FLOAT64, model["origin"], state)
            start += len(tile)

    def combine(self, a: State, b: State) -> None:
        """Pool two groups of rows."""
        moments.pool(a, b)

    def update(self, model: State, state: State) -> Step:
        """Solve by the eigenvectors of the scatter matrix."""
        moments.check_squares("ridge", state["scatter"])
        d, scatter = self.d, moments.scatter_matrix(state)
        mean = model["origin"] + state["mean"]
        if not self.intercept:
            scatter += self.n * np.outer(mean, mean)
        own, cross, total = scatter[:d, :d], scatter[:d, d:], np.diagonal(scatter)[d:]
        values, vectors = np.linalg.eigh(own)
        root = np.maximum(values, 0) + self.alpha
        coef = vectors @ ((vectors.T @ cross) / root[:, None])
        model["coef"][:] = coef
        if self.intercept:
            model["intercept"][:] = mean[d:] - mean[:d] @ coef
        residuals = total - 2 * (coef * cross).sum(axis=0) + (coef * (own @ coef)).sum(axis=0)
        return self._step(model, np.maximum(residuals, 0), total)


def _target(name: str, params: Params, spec: ArraySpec) -> Array:
    """The target, checked."""
    y: Array = params["y"]
    if y.ndim not in (1, 2) or len(y) != spec.rows or y.size == 0:
        raise InputError(
            f"{name} expected y of shape ({spec.rows},) or ({spec.rows}, targets), a row for each "
            f"of the input's, got {y.shape}"
        )
    bad = np.argwhere(~np.isfinite(y))
    if len(bad):
        raise InputError(
            f"{name} needs finite numbers, got {y[tuple(bad[0])]} in row {bad[0][0]} of y: "
            "leave such rows out, or fill them in"
        )
    return y


def _make_lstsq(params: Params, spec: ArraySpec) -> LeastSquares:
    y, intercept = _target("lstsq", params, spec), params["fit_intercept"]
    unknowns = spec.row_size + intercept
    if spec.rows < unknowns:
        what = "columns and the intercept" if intercept else "columns"
        raise InputError(
            f"lstsq expected at least {unknowns} rows for its {what}, got {spec.rows}: "
            "give more, or use ridge"
        )
    return LeastSquares(spec.rows, spec.row_size, y, intercept)


def _make_ridge(params: Params, spec: ArraySpec) -> Ridge:
    y = _target("ridge", params, spec)
    return Ridge(spec.rows, spec.row_size, y, params["fit_intercept"], params["alpha"])


Y = Parameter("y", array, "the target: an array or the address of one, a row for each row")
INTERCEPT = Parameter("fit_intercept", boolean, "add a constant to x @ coef", True)

LSTSQ = Fit(
    "lstsq",
    _make_lstsq,
    gives=("coef", "intercept", "residuals", "r2", "rank", "singular_values"),
    watched=("r2",),
    like_row=("coef",),
    summary="linear regression by least squares; residuals are sums of squares",
    parameters=(Y, INTERCEPT),
    strip_rows=moments.TILE_ROWS,
)

RIDGE = Fit(
    "ridge",
    _make_ridge,
    gives=("coef", "intercept", "residuals", "r2"),
    watched=("r2",),
    like_row=("coef",),
    summary="linear regression with a penalty on the squares of the coefficients",
    parameters=(Y, Parameter("alpha", positive, "weight of the penalty", 1.0), INTERCEPT),
    strip_rows=moments.TILE_ROWS,
)
