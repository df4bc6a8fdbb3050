"""Principal components, and the coordinates of rows along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations.fits import moments
from sharedcompute.operations.fits.declaration import Fit, RowsAt, Specs, Step
from sharedcompute.operations.fits.moments import numbers
from sharedcompute.operations.kinds import Kind, choice, count, integer, number, order
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, ArraySpec, DType, Params, State
from sharedcompute.operations.stages import Stage
from sharedcompute.wording import parameter

MOST_COLUMNS = 16384
"""A scatter matrix of more is above a gigabyte for each block."""


def _components(value: Any) -> int | float:
    """Return how many components, or the fraction of the variance that they are to explain."""
    try:
        return int(count(integer(value)))
    except ValueError:
        fraction = float(number(value))
    if not 0 < fraction < 1:
        raise ValueError(
            f"expected a whole number of at least 1, or a fraction between 0 and 1, got {value!r}"
        )
    return fraction


COMPONENTS = Kind(_components, "float", "int or float below 1")


def upright(vectors: Array) -> Array:
    """The rows of `vectors`, each with the sign that makes its largest entry positive.

    The first of several; this is scikit-learn's ``svd_flip(u_based_decision=False)``.
    """
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -vectors, vectors)


@dataclass(frozen=True)
class _Components:
    """What both ways to principal components share.

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
        """The model has it all."""
        return False

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """Nothing, unless it is asked for: see the map `project`."""
        return None

    def _model(self, vectors: int) -> dict[str, ArraySpec]:
        return {
            "origin": numbers(self.d),
            "mean": numbers(self.d),
            "variance": numbers(vectors),
            "components": numbers(vectors, self.d),
            "total": numbers(1),
        }

    def _kept(self, model: State) -> int:
        """How many components are given."""
        if isinstance(self.wanted, int):
            return self.wanted
        with np.errstate(invalid="ignore"):
            explained = np.cumsum(model["variance"] / model["total"])
        enough = int(np.searchsorted(explained, self.wanted, side="right")) + 1
        return min(enough, self.n, self.d)

    def _step(self, model: State, done: bool) -> Step:
        kept = model["variance"][: self._kept(model)]
        explained = float(kept.sum() / model["total"][0]) if model["total"][0] else 0.0
        return Step({"explained": explained}, done, done)

    def results(self, model: State, _: State | None) -> dict[str, Array]:
        """Components, variances, and what scikit-learn's PCA has besides."""
        k = self._kept(model)
        variance, total = model["variance"][:k], model["total"][0]
        left = min(self.n, self.d) - k
        with np.errstate(invalid="ignore"):
            ratio = variance / total
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


@dataclass(frozen=True)
class Covariance(_Components):
    """Eigenvectors of the covariance matrix, in one round."""

    @property
    def model(self) -> Specs:
        """Means, all eigenvalues and all eigenvectors."""
        return self._model(self.d)

    @property
    def state(self) -> Specs:
        """Means and the scatter matrix."""
        return moments.scatter_state(self.d)

    def begin(self, model: State, rows: RowsAt) -> None:
        """Look for a mean that is near."""
        model["origin"][:] = moments.near(rows(0, min(self.n, moments.NEAR_ROWS)))

    def reset(self, state: State) -> None:
        """No rows."""
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
        return self._step(model, done=True)


@dataclass(frozen=True)
class Randomized(_Components):
    """The range of the covariance matrix, from random directions that are sharpened in rounds.

    Each round multiplies a basis of a few more directions than are wanted by the scatter matrix S,
    tile by tile, so that neither S nor anything with a row for each row of the data is held. From
    the basis Q and S Q come the components, by the Nystroem formula: they are those of the data
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
        """The best so far, and the basis that the next round multiplies."""
        return {
            **self._model(self.directions),
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
        """Look for a mean that is near, and draw random directions."""
        model["origin"][:] = moments.near(rows(0, min(self.n, moments.NEAR_ROWS)))
        random = np.random.Generator(np.random.PCG64(self.seed))
        drawn = random.standard_normal((self.d, self.directions))
        model["basis"][:] = np.linalg.qr(drawn)[0]

    def reset(self, state: State) -> None:
        """No rows."""
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
        """Work out the components, and sharpen the basis."""
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
        return self._step(model, done=bool(model["rounds"][0] > self.iterations))

    def _nystroem(self, basis: Array, product: Array) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of ``S Q (Q^T S Q)^-1 (S Q)^T``."""
        core = np.dot(basis.T, product)
        values, turn = np.linalg.eigh((core + core.T) / 2)
        # What is below the rounding of the products is none, and must not be divided by.
        least = np.finfo(self.dtype).eps * len(values) * np.abs(values).max()
        root = np.sqrt(np.maximum(values, max(least, np.finfo(np.float64).tiny)))
        vectors, sigma, _ = np.linalg.svd(np.dot(product, turn) / root, full_matrices=False)
        return sigma * sigma, vectors.T


def _make_pca(params: Params, spec: ArraySpec) -> Covariance | Randomized:
    rows, columns, wanted = spec.rows, spec.row_size, params["n_components"]
    most = min(rows, columns)
    if rows < 2:
        raise InputError(f"pca needs at least 2 rows, got {rows}: give more")
    if isinstance(wanted, int) and wanted > most:
        raise InputError(
            f"pca expected n_components of at most {most} for shape {spec.shape}, got {wanted}: "
            "ask for fewer"
        )
    shared = rows, columns, moments.precision(spec.dtype)
    if params["solver"] == "covariance":
        if columns > MOST_COLUMNS:
            raise InputError(
                f"pca expected at most {MOST_COLUMNS} columns for its covariance matrix, "
                f"got {columns}: give {parameter('solver', 'randomized')} "
                f"{parameter('n_components')}"
            )
        return Covariance(*shared, most if wanted is None else wanted)
    if not isinstance(wanted, int):
        raise InputError(
            f"pca expected a number of components for solver=randomized, got {wanted}: "
            f"give {parameter('n_components')}"
        )
    iterations = params["n_iter"]
    if iterations is None:
        iterations = 7 if wanted < 0.1 * most else 4
    directions = min(wanted + params["n_oversamples"], columns)
    return Randomized(*shared, wanted, directions, iterations, params["random_state"])


PCA = Fit(
    "pca",
    _make_pca,
    gives=(
        "components",
        "explained_variance",
        "explained_variance_ratio",
        "singular_values",
        "mean",
        "noise_variance",
        "n_components",
        "n_samples",
    ),
    watched=("explained",),
    like_row=("components", "mean"),
    shows_nan=True,
    summary="principal components: what rows vary along, from most to least",
    parameters=(
        Parameter(
            "n_components",
            COMPONENTS,
            "how many, or the fraction of the variance to explain; all where it is not given",
            None,
        ),
        Parameter(
            "solver",
            choice("covariance", "randomized"),
            "covariance: exact, one round; randomized: for very many columns",
            "covariance",
        ),
        Parameter("n_oversamples", order, "directions besides those wanted (randomized)", 10),
        Parameter("n_iter", order, "power iterations (randomized); 4 or 7 if not given", None),
        Parameter("random_state", order, "seed of the random directions", 0),
    ),
    strip_rows=moments.TILE_ROWS,
)
