"""The fits of linear regression."""

from __future__ import annotations

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations.fits import moments
from sharedcompute.operations.fits.declaration import Fit
from sharedcompute.operations.fits.regression import LeastSquares, Ridge
from sharedcompute.operations.kinds import (
    array,
    boolean,
    positive,
)
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, ArraySpec, Params


def _target(name: str, params: Params, spec: ArraySpec) -> Array:
    """Return the target, checked."""
    y: Array = params["y"]
    if y.ndim == 0 or len(y) != spec.rows or y.size == 0:
        raise InputError(
            f"{name} expected y of shape ({spec.rows},) or ({spec.rows}, ...), a row for each of "
            f"the input's, got {y.shape}"
        )
    bad = np.argwhere(~np.isfinite(y))
    if len(bad):
        raise InputError(
            f"{name} needs finite numbers, got {y[tuple(bad[0])]} in row {bad[0][0]} of y: "
            "leave such rows out, or fill them in"
        )
    return y


def _make_lstsq(params: Params, spec: ArraySpec) -> LeastSquares:
    y = _target("lstsq", params, spec)
    intercept: bool = params["fit_intercept"]
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

RESULTS = """``coef``
    Shape (columns,), or (..., columns) for targets of shape (rows, ...), float64.
``intercept``, ``residuals``, ``r2``
    For each target, of the target's shape; residuals are sums of squares.
``converged``
    True.
``history/r2``
    The mean over targets."""

LSTSQ = Fit(
    "lstsq",
    _make_lstsq,
    gives=("coef", "intercept", "residuals", "r2", "rank", "singular"),
    watched=("r2",),
    like_row=("coef",),
    summary="Regress linearly by least squares (numpy.linalg.lstsq)",
    parameters=(Y, INTERCEPT),
    strip_rows=moments.TILE_ROWS,
    description=(
        "Blocks of rows are reduced by QR and combined in a tree (TSQR), so the condition of the "
        "result is that of the data, and not its square as with normal equations. Columns must be "
        "linearly independent. One round over the rows; memory is linear in the targets."
    ),
    returns=RESULTS
    + "\n``rank``, ``singular``\n    The rank, and the singular values of the data.",
    references=(
        "sklearn.linear_model.LinearRegression",
        'J. Demmel, L. Grigori, M. Hoemmen, J. Langou, "Communication-optimal parallel and '
        'sequential QR and LU factorizations", SIAM J. Sci. Comput. 34 (2012).',
    ),
    example=""">>> x = np.array([[0.0], [1.0], [2.0]])
>>> found = sc.ops.lstsq(x, y=np.array([1.0, 3.0, 5.0]))
>>> found.coef_.round(9), round(found.intercept_, 9)
(array([2.]), 1.0)""",
)

RIDGE = Fit(
    "ridge",
    _make_ridge,
    gives=("coef", "intercept", "residuals", "r2"),
    watched=("r2",),
    like_row=("coef",),
    summary="Regress linearly, with a penalty on the squares of the coefficients",
    parameters=(Y, Parameter("alpha", positive, "weight of the penalty", 1.0), INTERCEPT),
    strip_rows=moments.TILE_ROWS,
    description=(
        "Minimises ``|y - x coef - intercept|^2 + alpha |coef|^2``, by the eigenvectors of the "
        "scatter matrix. One round over the rows; memory is linear in the targets."
    ),
    returns=RESULTS,
    references=(
        "sklearn.linear_model.Ridge",
        'A. E. Hoerl, R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal '
        'problems", Technometrics 12 (1970).',
    ),
    example=""">>> x = np.array([[-1.0], [0.0], [1.0]])
>>> sc.ops.ridge(x, y=np.array([-3.0, 0.0, 3.0]), alpha=1.0).coef_.round(9)
array([2.])""",
)
