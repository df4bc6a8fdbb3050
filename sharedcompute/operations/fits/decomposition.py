"""The fit of principal components."""

from __future__ import annotations

from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.operations.fits import moments
from sharedcompute.operations.fits.covariance import Covariance
from sharedcompute.operations.fits.declaration import Fit
from sharedcompute.operations.fits.randomized import Randomized
from sharedcompute.operations.kinds import Kind, choice, count, integer, number, order
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import ArraySpec, Params
from sharedcompute.wording import parameter

MOST_COLUMNS = 16384
"""A scatter matrix of more is above a gigabyte for each block."""


def _components(value: Any) -> int | float:
    """Return how many components, or the fraction of the variance that they are to explain."""
    try:
        whole: Any = count(integer(value))
        return int(whole)
    except ValueError:
        found: Any = number(value)
        fraction = float(found)
    if not 0 < fraction < 1:
        raise ValueError(
            f"expected a whole number of at least 1, or a fraction between 0 and 1, got {value!r}"
        )
    return fraction


COMPONENTS = Kind(_components, "float", "int or float below 1")


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
    summary="Find principal components (sklearn.decomposition.PCA)",
    description=(
        "The directions along which rows vary, from most to least. The covariance solver takes "
        "one round over the rows, about a mean that is near, so that large means cost no digits; "
        "the randomized one a few, in memory that is linear in the columns."
    ),
    returns="""``components``
    Unit vectors, shape (k, columns), each with its largest entry positive.
``explained_variance``, ``explained_variance_ratio``, ``singular_values``
    For each component, shape (k,).
``mean``
    Of each column, shape (columns,).
``noise_variance``, ``n_components``, ``n_samples``, ``converged``
    Numbers.
``history/explained``
    The share of the variance that is explained, by round.""",
    references=(
        "sklearn.decomposition.PCA",
        'N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness: '
        'probabilistic algorithms for constructing approximate matrix decompositions", SIAM '
        "Review 53 (2011); the randomized solver.",
    ),
    example=""">>> x = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
>>> sc.ops.pca(x, n_components=1).components_.round(3)
array([[0.6, 0.8]])""",
    parameters=(
        Parameter(
            "n_components",
            COMPONENTS,
            "how many, or the fraction of the variance to explain; all by default",
            None,
        ),
        Parameter(
            "solver",
            choice("covariance", "randomized"),
            "covariance: exact, one round; randomized: for very many columns",
            "covariance",
        ),
        Parameter("n_oversamples", order, "directions besides those wanted (randomized)", 10),
        Parameter("n_iter", order, "power iterations (randomized); by default 4 or 7", None),
        Parameter("random_state", order, "seed of the random directions", 0),
    ),
    strip_rows=moments.TILE_ROWS,
)
