"""Means and scatter matrices of columns, from tiles of rows, without cancellation.

Products are taken of columns about a mean that is near, and two groups are pooled by the formula of
[1]_: nothing large is ever taken off something as large, so a mean of a million times the spread
costs no digits. (X^T X less n times the product of the means loses twelve of them.) Means are kept
as what they are above an origin among the first rows, to digits of the spread.

References
----------
.. [1] Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
   variances", COMPSTAT 1982.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.kernels import moments as kernels
from sharedcompute.operations.base import Array, ArraySpec, DType, State
from sharedcompute.operations.fitting import Specs

TILE_ROWS = 2048
"""Rows whose products are taken at once. A BLAS wants 1000 and more: 256 columns of f8, one core,
with 256, 512, 1024, 2048, 4096 rows: 208, 186, 178, 176, 171 ms."""

NEAR_ROWS = 32
"""The mean of so many rows is near enough to that of all."""

FLOAT64 = np.dtype(np.float64)


def numbers(*shape: int) -> ArraySpec:
    """An array of float64."""
    return ArraySpec(shape, FLOAT64)


def precision(dtype: DType) -> DType:
    """What products are taken in: single precision for such data, sums of tiles are in double."""
    return dtype if dtype == np.float32 else FLOAT64


def tiles(x: Array) -> Iterator[Array]:
    """The rows of a strip as (rows, columns), in tiles."""
    flat = x.reshape(len(x), -1)
    for at in range(0, len(flat), TILE_ROWS):
        yield flat[at : at + TILE_ROWS]


def near(x: Array) -> Array:
    """A mean that is near: that of the first rows, shape (columns,)."""
    few = x[:NEAR_ROWS].reshape(min(len(x), NEAR_ROWS), -1)
    mean: Array = few.mean(axis=0, dtype=np.float64)
    return mean


def centred(x: Array, dtype: DType, origin: Array, squares: Array) -> tuple[Array, Array, Array]:
    """A tile about a mean that is near, that mean above `origin`, and the sums of what is left.

    The squares of what is left are added to `squares`, where that has room for them.
    """
    shift = near(x).astype(dtype)
    y, total = np.empty(x.shape, dtype), np.zeros(x.shape[1])
    kernels.centre(x, shift, y, total, squares)
    return y, shift.astype(np.float64) - origin, total


def scatter_state(columns: int) -> Specs:
    """Rows, means above the origin, and the upper triangle of the scatter matrix."""
    return {
        "n": numbers(1),
        "mean": numbers(columns),
        "scatter": numbers(columns * (columns + 1) // 2),
    }


def clear(state: State) -> None:
    """Make it that of no rows."""
    for values in state.values():
        values[...] = 0


def add_rows(x: Array, dtype: DType, origin: Array, state: State) -> None:
    """Add the rows of a tile, with products in `dtype`."""
    y, shift, total = centred(x, dtype, origin, np.empty(0))
    n, m = float(state["n"][0]), float(len(x))
    # Of a matrix and itself transposed NumPy asks the BLAS for one triangle: half the time.
    product = np.dot(y.T, y)
    kernels.add_tile(n, state["mean"], state["scatter"], m, shift, total, product)
    state["n"][0] = n + m


def pool(a: State, b: State) -> None:
    """Add the state `b` of later rows to `a`."""
    n, m = float(a["n"][0]), float(b["n"][0])
    if m:
        kernels.pool(n, a["mean"], a["scatter"], m, b["mean"], b["scatter"])
        a["n"][0] = n + m


def scatter_matrix(state: State) -> Array:
    """The whole scatter matrix, shape (columns, columns)."""
    d = len(state["mean"])
    full = np.empty((d, d))
    at = 0
    for i in range(d):
        full[i, i:] = full[i:, i] = state["scatter"][at : at + d - i]
        at += d - i
    return full


def check_squares(name: str, values: Array) -> None:
    """Refuse data whose squares are beyond what floating point holds."""
    if not np.isfinite(values).all():
        raise InputError(
            f"{name} expected numbers whose squares are finite, got larger ones: scale the data"
        )
