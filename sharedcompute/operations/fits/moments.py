"""Means and scatter matrices of columns, from tiles of rows, without cancellation.

Products are taken of columns about a mean that is near, and two groups are pooled by the formula of
[1]_: nothing large is ever subtracted from something as large, so a mean of a million times the
spread costs no digits. (X^T X less n times the product of the means loses twelve of them.) Means
are kept as what they are above an origin among the first rows, to digits of the spread.

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
from sharedcompute.operations.fits.declaration import Specs
from sharedcompute.operations.specs import Array, ArraySpec, DType, State

TILE_ROWS = 2048
"""Rows whose products are taken at once. A BLAS needs 1000 and more: 256 columns of f8, one core,
with 256, 512, 1024, 2048, 4096 rows: 208, 186, 178, 176, 171 ms."""

NEAR_ROWS = 32
"""The mean of so many rows is near enough to that of all."""

SMALL = 4.0
"""A mean of so many spreads costs little more than a digit of a product."""

FLOAT64 = np.dtype(np.float64)


def numbers(*shape: int) -> ArraySpec:
    """Return the spec of an array of float64."""
    return ArraySpec(shape, FLOAT64)


def precision(dtype: DType) -> DType:
    """Return the dtype of products: single precision for such data; sums of tiles are in double."""
    return dtype if dtype == np.float32 else FLOAT64


def tiles(x: Array) -> Iterator[Array]:
    """Yield the rows of a strip as (rows, columns), in tiles."""
    flat = x.reshape(len(x), -1)
    for at in range(0, len(flat), TILE_ROWS):
        yield flat[at : at + TILE_ROWS]


def near(x: Array) -> Array:
    """Return a mean that is near: that of the first rows, shape (columns,)."""
    few = x[:NEAR_ROWS].reshape(min(len(x), NEAR_ROWS), -1)
    mean: Array = few.mean(axis=0, dtype=np.float64)
    return mean


def centred(x: Array, dtype: DType, origin: Array, squares: Array) -> tuple[Array, Array, Array]:
    """Return a tile about a mean that is near, that mean above `origin`, and the sums of the tile.

    Its squares are added to `squares`, where that has a place for them.
    """
    shift = near(x).astype(dtype)
    y, total = np.empty(x.shape, dtype), np.zeros(x.shape[1])
    kernels.centre(x, shift, y, total, squares)
    return y, shift.astype(np.float64) - origin, total


def scatter_state(columns: int) -> Specs:
    """Return rows, means above the origin, and the upper triangle of the scatter matrix."""
    return {
        "n": numbers(1),
        "mean": numbers(columns),
        "scatter": numbers(columns * (columns + 1) // 2),
    }


def clear(state: State) -> None:
    """Make it the state of no rows."""
    for values in state.values():
        values[...] = 0


def add_rows(x: Array, dtype: DType, origin: Array, state: State) -> None:
    """Add the rows of a tile, with products in `dtype`."""
    n, m = float(state["n"][0]), float(len(x))
    found = _as_they_are(x) if x.dtype == dtype == FLOAT64 else None
    if found is not None:
        (total, product), shift = found, -origin
    else:
        y, shift, total = centred(x, dtype, origin, np.empty(0))
        product = _squared(y)
    kernels.add_tile(n, state["mean"], state["scatter"], m, shift, total, product)
    state["n"][0] = n + m


def _as_they_are(x: Array) -> tuple[Array, Array] | None:
    """Return the sums and products of rows that are about zero already; None where they are not.

    To subtract a mean from them takes 7 % of the time. Without it a digit or two are lost where
    means are no more than `SMALL` spreads, which the products themselves tell.
    """
    few = x[:NEAR_ROWS]
    if not _about_zero(few.mean(axis=0), few.var(axis=0)):
        return None
    total, product = np.dot(np.ones(len(x)), x), _squared(x)
    mean = total / len(x)
    if not _about_zero(mean, product.diagonal() / len(x) - mean * mean):
        return None
    return total, product


def _about_zero(mean: Array, variance: Array) -> bool:
    return bool((mean * mean <= SMALL**2 * variance).all())


def _squared(y: Array) -> Array:
    """Return ``y.T @ y``: NumPy asks the BLAS for one triangle of that, in half the time."""
    product: Array = np.dot(y.T, y)
    return product


def pool(a: State, b: State) -> None:
    """Add the state `b` of later rows to `a`."""
    n, m = float(a["n"][0]), float(b["n"][0])
    if m:
        kernels.pool(n, a["mean"], a["scatter"], m, b["mean"], b["scatter"])
        a["n"][0] = n + m


def scatter_matrix(state: State) -> Array:
    """Return the whole scatter matrix, shape (columns, columns)."""
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
