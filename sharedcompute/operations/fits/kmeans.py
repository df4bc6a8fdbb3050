"""The fit of k-means."""

from __future__ import annotations

from sharedcompute.errors import InputError
from sharedcompute.operations.fits.declaration import Fit
from sharedcompute.operations.fits.lloyd import KMeans
from sharedcompute.operations.kinds import array_or, count, not_negative, order
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.rowwise.centers import given_centers
from sharedcompute.operations.specs import ArraySpec, Params

CLUSTERS = 8
"""The default of scikit-learn."""


def _kmeans(params: Params, spec: ArraySpec) -> KMeans:
    init = params["init"]
    if not isinstance(init, str):
        init = given_centers("kmeans", init, spec)
    clusters = params["n_clusters"] or (CLUSTERS if isinstance(init, str) else len(init))
    if clusters > spec.rows:
        raise InputError(
            f"kmeans needs a row for each cluster, got n_samples={spec.rows} and "
            f"n_clusters={clusters}: ask for fewer clusters"
        )
    if not isinstance(init, str) and len(init) != clusters:
        raise InputError(
            f"kmeans needs a centre for each cluster, got {len(init)} and n_clusters "
            f"{clusters}: make them as many"
        )
    return KMeans(spec, clusters, init, params["max_iter"], params["tol"], params["random_state"])


KMEANS = Fit(
    "kmeans",
    _kmeans,
    gives=("cluster_centers", "inertia", "n_iter", "cluster_sizes", "labels"),
    watched=("inertia", "shift"),
    like_row=("cluster_centers",),
    summary="Cluster around centres (sklearn.cluster.KMeans)",
    description=(
        "Lloyd's algorithm: each row belongs to its nearest centre, and centres move to the means "
        "of their rows until they move no more. k-means++ begins with centres far apart. Empty "
        "clusters are given the rows that are farthest from their centres."
    ),
    returns="""``cluster_centers``
    Shape (n_clusters, ...), in the input's dtype where it is floating, else float64.
``labels``
    The index of each row's centre, shape (rows,), int32.
``inertia``, ``n_iter``, ``converged``
    The sum of squared distances, the rounds that moved centres, and how they ended.
``cluster_sizes``
    Rows of each cluster, shape (n_clusters,), int64.
``history/inertia``, ``history/shift``
    By round.""",
    references=(
        "sklearn.cluster.KMeans",
        'S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982).',
        'D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.',
    ),
    example=""">>> x = np.array([[0.0], [1.0], [8.0], [9.0]])
>>> np.sort(sc.ops.kmeans(x, n_clusters=2).cluster_centers_, axis=0)
array([[0.5],
       [8.5]])""",
    parameters=(
        Parameter("n_clusters", count, f"how many: {CLUSTERS}, or the centres of init", None),
        Parameter(
            "init",
            array_or("k-means++", "random"),
            "how centres begin: k-means++, random, or an array or address of them",
            "k-means++",
        ),
        Parameter("max_iter", count, "most rounds of moving the centres", 300),
        Parameter(
            "tol", not_negative, "done at this squared shift, by the features' mean variance", 1e-4
        ),
        Parameter("random_state", order, "seed of the random numbers", 0),
    ),
)
