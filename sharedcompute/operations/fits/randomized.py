"""Principal components of very many columns, from random directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.operations.fits import moments
from sharedcompute.operations.fits.components import Components, upright
from sharedcompute.operations.fits.declaration import RowsAt, Specs, Step
from sharedcompute.operations.fits.moments import numbers
from sharedcompute.operations.specs import Array, ArraySpec, State


@dataclass(frozen=True)
class Randomized(Components):
    """The range of the covariance matrix, from random directions that are sharpened in rounds.

    Each round multiplies a basis of a few more directions than components by the scatter matrix S,
    tile by tile, so that neither S nor anything with a row for each row of the data is held. From
    the basis Q and S Q the components follow, by the Nystroem formula: they are those of the data
    projected on the range of X Q, as in [1]_ with one power iteration less than there are rounds.

    Parameters
    ----------
    directions : int
        In the basis.
    iterations : int
        Power iterations.
    seed : int
        Of the random directions.

    References
    ----------
    .. [1] Halko, Martinsson, Tropp, "Finding structure with randomness: probabilistic algorithms
       for constructing approximate matrix decompositions", SIAM Review 53 (2011), algorithms 4.4
       and 5.1; section 5.4 for the Nystroem formula.
    """

    directions: int
    iterations: int
    seed: int

    @property
    def model(self) -> Specs:
        """The best components so far, and the basis that the next round multiplies."""
        return {
            **self.shared_model(self.directions),
            "basis": ArraySpec((self.d, self.directions), self.dtype),
            "rounds": numbers(1),
        }

    @property
    def state(self) -> Specs:
        """Means, the scatter matrix times the basis, means times the basis, and squares."""
        return {
            "n": numbers(1),
            "mean": numbers(self.d),
            "product": numbers(self.d, self.directions),
            "image": numbers(self.directions),
            "squares": numbers(self.d),
        }

    def begin(self, model: State, rows: RowsAt) -> None:
        """Compute a mean that is near, and draw random directions."""
        model["origin"][:] = moments.near(rows(0, min(self.n, moments.NEAR_ROWS)))
        random = np.random.Generator(np.random.PCG64(self.seed))
        drawn = random.standard_normal((self.d, self.directions))
        model["basis"][:] = np.linalg.qr(drawn)[0]

    def reset(self, state: State) -> None:
        """Make it the state of no rows."""
        moments.clear(state)

    def add(self, x: Array, _start: int, _block: int, model: State, state: State) -> None:
        """Add a strip."""
        basis = model["basis"]
        for tile in moments.tiles(x):
            squares = np.zeros(self.d)
            y, shift, total = moments.centred(tile, self.dtype, model["origin"], squares)
            own = total / len(tile)
            product: Array = np.dot(y.T, np.dot(y, basis)).astype(np.float64)
            product -= np.outer(total, np.dot(own, basis))
            squares -= total * own
            mean = shift + own
            rows = {
                "n": np.array([float(len(tile))]),
                "mean": mean,
                "product": product,
                "image": np.dot(mean, basis),
                "squares": squares,
            }
            self.combine(state, rows)

    def combine(self, a: State, b: State) -> None:
        """Pool two groups of rows."""
        n, m = float(a["n"][0]), float(b["n"][0])
        if not m:
            return
        apart, share = b["mean"] - a["mean"], m / (n + m)
        image = b["image"] - a["image"]
        a["product"] += b["product"] + np.outer(n * share * apart, image)
        a["squares"] += b["squares"] + n * share * apart * apart
        a["mean"] += share * apart
        a["image"] += share * image
        a["n"][0] = n + m

    def update(self, model: State, state: State) -> Step:
        """Compute the components, and sharpen the basis."""
        product = state["product"]
        moments.check_squares("pca", product)
        moments.check_squares("pca", state["squares"])
        values, vectors = self._nystroem(model["basis"].astype(np.float64), product)
        model["mean"][:] = model["origin"] + state["mean"]
        model["variance"][:] = values / (self.n - 1)
        model["components"][:] = upright(vectors)
        model["total"][0] = state["squares"].sum() / (self.n - 1)
        model["basis"][:] = np.linalg.qr(product)[0]
        model["rounds"][0] += 1
        return self.step(model, done=bool(model["rounds"][0] > self.iterations))

    def _nystroem(self, basis: Array, product: Array) -> tuple[Array, Array]:
        """Return eigenvalues and eigenvectors of ``S Q (Q^T S Q)^-1 (S Q)^T``."""
        core: Array = np.dot(basis.T, product)
        values, turn = np.linalg.eigh((core + core.T) / 2)
        # What is below the rounding of the products is none, and must not be divided by.
        least = np.finfo(self.dtype).eps * len(values) * np.abs(values).max()
        root = np.sqrt(np.maximum(values, max(least, np.finfo(np.float64).tiny)))
        vectors, sigma, _ = np.linalg.svd(np.dot(product, turn) / root, full_matrices=False)
        return sigma * sigma, vectors.T
