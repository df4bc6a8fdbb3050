"""Principal components from the covariance matrix, in one round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.operations.fits import moments
from sharedcompute.operations.fits.components import Components, upright
from sharedcompute.operations.fits.declaration import RowsAt, Specs, Step
from sharedcompute.operations.specs import Array, State


@dataclass(frozen=True)
class Covariance(Components):
    """Eigenvectors of the covariance matrix, in one round."""

    @property
    def model(self) -> Specs:
        """Means, all eigenvalues and all eigenvectors."""
        return self.shared_model(self.d)

    @property
    def state(self) -> Specs:
        """Means and the scatter matrix."""
        return moments.scatter_state(self.d)

    def begin(self, model: State, rows: RowsAt) -> None:
        """Compute a mean that is near."""
        model["origin"][:] = moments.near(rows(0, min(self.n, moments.NEAR_ROWS)))

    def reset(self, state: State) -> None:
        """Make it the state of no rows."""
        moments.clear(state)

    def add(self, x: Array, _start: int, _block: int, model: State, state: State) -> None:
        """Add a strip."""
        for tile in moments.tiles(x):
            moments.add_rows(tile, self.dtype, model["origin"], state)

    def combine(self, a: State, b: State) -> None:
        """Pool two groups of rows."""
        moments.pool(a, b)

    def update(self, model: State, state: State) -> Step:
        """Find the eigenvectors."""
        moments.check_squares("pca", state["scatter"])
        values, vectors = np.linalg.eigh(moments.scatter_matrix(state) / (self.n - 1))
        model["mean"][:] = model["origin"] + state["mean"]
        # Rounding may leave a little less than nothing where there is no variance.
        model["variance"][:] = np.maximum(values[::-1], 0)
        model["components"][:] = upright(vectors.T[::-1])
        model["total"][0] = model["variance"].sum()
        return self.step(model, done=True)
