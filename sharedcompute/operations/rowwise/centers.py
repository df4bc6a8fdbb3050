"""Maps by centres of clusters: the nearest one, and the distance to each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sharedcompute.errors import InputError
from sharedcompute.kernels import clustering as kernels
from sharedcompute.operations.declarations import Map
from sharedcompute.operations.kinds import array
from sharedcompute.operations.parameters import REQUIRED, Parameter
from sharedcompute.operations.specs import Array, ArraySpec, DType, Params, floating


def comparable(centres: Array) -> tuple[Array, Array, Array]:
    """Return centres as `kernels.nearest` takes them: ``scaled, norms, origin``.

    Rows of NaN stand for centres that do not exist yet.

    Raises
    ------
    InputError
        Distances to them would be infinite.
    """
    k, features = centres.shape
    step = kernels.STEP
    there = np.isfinite(centres).all(axis=1)
    origin: Array = np.zeros(features)
    if there.any():
        origin = centres[there].mean(axis=0, dtype=np.float64)
    origin = origin.astype(centres.dtype)
    scaled: Array = np.zeros((-(-k // step) * step, -(-features // step) * step), centres.dtype)
    norms = np.full(len(scaled), np.inf, centres.dtype)
    apart: Array = centres[there] - origin
    at = np.flatnonzero(there)
    scaled[at, :features] = -2 * apart
    with np.errstate(over="ignore"):
        norms[at] = np.square(apart, dtype=np.float64).sum(axis=1)
    if not np.isfinite(norms[at]).all():
        raise InputError(
            f"expected numbers whose squares are finite in {norms.dtype}, got larger ones: "
            "scale the data"
        )
    return scaled, norms, origin


def given_centers(name: str, centers: ArrayLike, spec: ArraySpec) -> Array:
    """Return given centres as a matrix in the dtype of the arithmetic."""
    given: Array = np.asarray(centers)
    if given.ndim != len(spec.shape) or given.shape[1:] != spec.shape[1:] or not len(given):
        shape = ", ".join(map(str, ("k", *spec.shape[1:])))
        raise InputError(
            f"{name} needs centres of shape ({shape}), got {given.shape}: give a row for each"
        )
    with np.errstate(over="ignore"):
        centres: Array = given.reshape(len(given), -1).astype(floating(spec.dtype, {}))
    if not np.isfinite(centres).all():
        raise InputError(f"{name} needs finite centres, got NaN or infinity: leave such rows out")
    return centres


CENTERS = Parameter("centers", array, "array or address, a row for each centre", REQUIRED)


def _nearest_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    return comparable(given_centers("nearest_center", params["centers"], spec))


def _distance_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    return (given_centers("center_distances", params["centers"], spec),)


def _labels(_: DType, __: Params) -> DType:
    return np.dtype(np.int32)


MAPS: tuple[Map, ...] = (
    Map(
        "nearest_center",
        kernels.nearest,
        "Find the nearest of some centres (sklearn.cluster.KMeans.predict)",
        (CENTERS,),
        _nearest_arguments,
        _labels,
        row_shape=lambda _params, _spec: (),
        matrix=True,
        kinds="biuf",
        units="own",
        description="The index of the centre at the least Euclidean distance; the first of equals.",
        returns="Shape (rows,), int32.",
        references=("sklearn.cluster.KMeans.predict",),
        example=""">>> centers = np.array([[0.0, 0.0], [9.0, 9.0]])
>>> sc.ops.nearest_center(np.array([[1.0, 0.0], [8.0, 9.0]]), centers=centers)
array([0, 1], dtype=int32)""",
    ),
    Map(
        "center_distances",
        kernels.distances,
        "Compute the distance to each of some centres (sklearn.cluster.KMeans.transform)",
        (CENTERS,),
        _distance_arguments,
        floating,
        row_shape=lambda params, _spec: (len(params["centers"]),),
        new_axes=True,
        matrix=True,
        kinds="biuf",
        units="own",
        description="Euclidean distances, from differences of coordinates.",
        returns="Shape (rows, centres), floating: the input's dtype where it is, else float64.",
        references=("sklearn.cluster.KMeans.transform",),
        example=""">>> sc.ops.center_distances(np.array([[3.0, 4.0]]), centers=[[0.0, 0.0]])
array([[5.]])""",
    ),
)
