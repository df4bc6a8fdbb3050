"""Sums of products of rows with their targets, in memory that is linear in the targets.

Of the targets nothing but their products with the columns, and the squares of each, is kept. They
are taken in panels of some columns, so that no tile is held for all of them at once.

References
----------
.. [1] Demmel, Grigori, Hoemmen, Langou, "Communication-optimal parallel and sequential QR and LU
   factorizations", SIAM J. Sci. Comput. 34 (2012).
.. [2] Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
   variances", COMPSTAT 1982.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sharedcompute.kernels import moments as kernels
from sharedcompute.operations.fits import moments
from sharedcompute.operations.fits.declaration import Specs
from sharedcompute.operations.fits.moments import numbers
from sharedcompute.operations.specs import Array, State

PANEL = 256
"""Targets that are worked on at once."""

PANEL_NBYTES = 3 * 8 * PANEL * moments.TILE_ROWS
"""Bytes of a tile of them, of what is subtracted from it, and of the result."""


def panels(targets: int) -> Iterator[slice]:
    """Return the targets in panels."""
    return (slice(at, min(at + PANEL, targets)) for at in range(0, targets, PANEL))


def triangle_state(columns: int, targets: int) -> Specs:
    """Return R of ``x = Q R``, ``Q.T @ y``, and the squares of the residuals."""
    return {
        "r": numbers(columns, columns),
        "image": numbers(columns, targets),
        "left": numbers(targets),
    }


def add_below(x: Array, y: Array, origin: Array, state: State) -> None:
    """Put rows below R, and reduce that to R again, as in [1]_.

    Parameters
    ----------
    x : ndarray of float64, shape (rows, columns)
    y : ndarray, shape (rows, targets)
    origin : ndarray, shape (targets,)
        Is subtracted from `y`.
    """
    r, image, left = state["r"], state["image"], state["left"]
    d = len(r)
    stacked = np.concatenate([r, x])
    if y.shape[1] <= d:
        # Q is not needed: as columns of their own the targets go through the same reflections.
        both = np.concatenate([stacked, np.concatenate([image, y - origin])], axis=1)
        reduced = np.asarray(np.linalg.qr(both, mode="r"))
        r[...], image[...] = reduced[:d, :d], reduced[:d, d:]
        left += np.square(reduced[d:, d:]).sum(axis=0)
        return
    q, r[...] = np.linalg.qr(stacked)
    for some in panels(y.shape[1]):
        below = np.concatenate([image[:, some], y[:, some] - origin[some]])
        found = np.dot(q.T, below)
        below -= np.dot(q, found)
        image[:, some] = found
        left[some] += np.square(below).sum(axis=0)


def combine_triangles(a: State, b: State) -> None:
    """Reduce R above R to R."""
    a["left"] += b["left"]
    add_below(b["r"], b["image"], np.zeros(len(a["left"])), a)


def products_state(columns: int, targets: int) -> Specs:
    """Return rows, means above origins, the scatter matrix, and that of columns with targets."""
    return {
        **moments.scatter_state(columns),
        "target_mean": numbers(targets),
        "cross": numbers(columns, targets),
        "squares": numbers(targets),
    }


def add_products(x: Array, y: Array, origin: Array, target_origin: Array, state: State) -> None:
    """Add the rows of a tile and their targets; no large number is subtracted from another."""
    n, m = float(state["n"][0]), float(len(x))
    about, shift, total = moments.centred(x, moments.FLOAT64, origin, np.empty(0))
    # The scatter matrix has its means in place: those before are needed first.
    apart = shift + total / m - state["mean"]
    kernels.add_tile(n, state["mean"], state["scatter"], m, shift, total, np.dot(about.T, about))
    for some in panels(y.shape[1]):
        squares = np.zeros(some.stop - some.start)
        near, up, sums = moments.centred(y[:, some], moments.FLOAT64, target_origin[some], squares)
        own = sums / m
        _pool(
            _targets(state, some),
            n,
            m,
            apart,
            up + own - state["target_mean"][some],
            np.dot(about.T, near) - np.outer(total, own),
            squares - sums * own,
        )
    state["n"][0] = n + m


def combine_products(a: State, b: State) -> None:
    """Pool two groups of rows, as in [2]_."""
    n, m = float(a["n"][0]), float(b["n"][0])
    if not m:
        return
    apart = b["mean"] - a["mean"]
    moments.pool(a, b)
    for some in panels(len(b["squares"])):
        mean, cross, squares = _targets(b, some)
        _pool(_targets(a, some), n, m, apart, mean - a["target_mean"][some], cross, squares)


def _targets(state: State, some: slice) -> tuple[Array, Array, Array]:
    return state["target_mean"][some], state["cross"][:, some], state["squares"][some]


def _pool(
    kept: tuple[Array, Array, Array],
    n: float,
    m: float,
    apart: Array,
    target_apart: Array,
    cross: Array,
    squares: Array,
) -> None:
    """Add the products of `m` rows, whose means lie `apart` from those of the `n` that are kept."""
    mean, own_cross, own_squares = kept
    share = m / (n + m)
    own_cross += cross
    own_cross += np.outer(n * share * apart, target_apart)
    own_squares += squares + n * share * target_apart * target_apart
    mean += share * target_apart
