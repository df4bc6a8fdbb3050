"""Principal components, however they are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.operations.fits.declaration import Step
from sharedcompute.operations.fits.moments import numbers
from sharedcompute.operations.specs import Array, ArraySpec, DType, State
from sharedcompute.operations.stages import Stage


def upright(vectors: Array) -> Array:
    """Return the rows of `vectors`, each with the sign that makes its largest entry positive.

    The first of several; this is scikit-learn's ``svd_flip(u_based_decision=False)``.
    """
    largest: Array = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -vectors, vectors)


@dataclass(frozen=True)
class Components:
    """Principal components, however they are computed: shapes, results and steps.

    Parameters
    ----------
    n, d : int
        Rows and columns of the data.
    dtype : numpy.dtype
        What products are taken in.
    wanted : int or float
        Components, or the fraction of the variance that they are to explain.
    """

    n: int
    d: int
    dtype: DType
    wanted: int | float

    @property
    def needs_last(self) -> bool:
        """False: the model has all results."""
        return False

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """Nothing: the map `project` gives coordinates."""
        return None

    def shared_model(self, vectors: int) -> dict[str, ArraySpec]:
        """Return the fields of a model with so many vectors."""
        return {
            "origin": numbers(self.d),
            "mean": numbers(self.d),
            "variance": numbers(vectors),
            "components": numbers(vectors, self.d),
            "total": numbers(1),
        }

    def kept(self, model: State) -> int:
        """Return how many components are given."""
        if isinstance(self.wanted, int):
            return self.wanted
        with np.errstate(invalid="ignore"):
            explained = np.cumsum(model["variance"] / model["total"])
        enough = int(np.searchsorted(explained, self.wanted, side="right")) + 1
        return min(enough, self.n, self.d)

    def step(self, model: State, done: bool) -> Step:
        """Return the variance that is explained, and whether another round is needed."""
        kept = model["variance"][: self.kept(model)]
        total: np.float64 = model["total"][0]
        explained = float(kept.sum() / total) if total else 0.0
        return Step({"explained": explained}, done, done)

    def results(self, model: State, _: State | None) -> dict[str, Array]:
        """Return components, variances, and what scikit-learn's PCA has besides."""
        k = self.kept(model)
        variance = model["variance"][:k]
        total: np.float64 = model["total"][0]
        left = min(self.n, self.d) - k
        with np.errstate(invalid="ignore"):
            ratio: Array = variance / total
        return {
            "components": model["components"][:k].copy(),
            "explained_variance": variance.copy(),
            "explained_variance_ratio": ratio,
            "singular_values": np.sqrt(variance * (self.n - 1)),
            "mean": model["mean"].copy(),
            "noise_variance": np.array(max(0.0, total - variance.sum()) / left if left else 0.0),
            "n_components": np.array(k),
            "n_samples": np.array(self.n),
        }
