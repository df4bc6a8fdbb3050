"""Maps by the results of fits: coordinates along components, predictions of a regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sharedcompute.errors import InputError
from sharedcompute.kernels import moments as kernels
from sharedcompute.operations.declarations import Map
from sharedcompute.operations.kinds import array
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, ArraySpec, Params, floating


def _project_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    components = np.atleast_2d(np.asarray(params["components"], np.float64))
    if components.shape[1] != spec.row_size:
        raise InputError(
            f"project expected components of {spec.row_size} columns, got shape "
            f"{components.shape}: give those of a fit to such rows"
        )
    mean = _per(params["mean"], spec.row_size, "mean")
    k = len(components)
    matrix = components.T.copy(order="C")
    if params["variance"] is not None:
        variance = _per(params["variance"], k, "variance")
        if not (variance > 0).all():
            raise InputError("project expected variances above 0, got 0: leave those out")
        matrix /= np.sqrt(variance)
    return mean, matrix, np.zeros(k)


def _per(value: ArrayLike | None, size: int, name: str) -> Array:
    """Return a number for each of `size`, from as many or from one."""
    given = np.zeros(1) if value is None else np.asarray(value, np.float64).reshape(-1)
    if given.size not in (1, size):
        raise InputError(f"project expected {size} numbers as {name}, got {given.size}")
    return np.broadcast_to(given, (size,)).copy()


def _project_shape(params: Params, _: ArraySpec) -> tuple[int, ...]:
    return (len(np.atleast_2d(params["components"])),)


PROJECT = Map(
    "project",
    kernels.affine,
    description=(
        "The coordinates of rows along principal components, which a fit of `pca` gives, as do "
        "its means and variances. Products are taken in double precision."
    ),
    returns="Shape (rows, k), floating: the input's dtype where it is, else float64.",
    references=("sklearn.decomposition.PCA.transform",),
    example=""">>> components = np.array([[0.6, 0.8]])
>>> sc.ops.project(np.array([[1.0, 1.0], [4.0, 5.0]]), components=components, mean=[1.0, 1.0])
array([[0.],
       [5.]])""",
    summary="Project rows on components: (x - mean) @ components.T",
    parameters=(
        Parameter("components", array, "an array or the address of one, shape (k, columns)"),
        Parameter("mean", array, "subtracted first; 0 where it is not given", None),
        Parameter("variance", array, "divide by its square root, to whiten", None),
    ),
    arguments=_project_arguments,
    dtype=floating,
    row_shape=_project_shape,
    new_axes=True,
    matrix=True,
    kinds="biuf",
    units="own",
)


def _linear_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    coef: Array = np.asarray(params["coef"], np.float64)
    if coef.ndim == 0 or coef.shape[-1] != spec.row_size:
        raise InputError(
            f"linear expected coef of shape ({spec.row_size},) or (..., {spec.row_size}), got "
            f"{coef.shape}: give that of a fit to such rows"
        )
    matrix = np.ascontiguousarray(coef.reshape(-1, spec.row_size).T)
    offset = np.asarray(params["intercept"], np.float64).reshape(-1)
    if offset.size not in (1, matrix.shape[1]):
        raise InputError(
            f"linear expected 1 or {matrix.shape[1]} numbers as intercept, got {offset.size}"
        )
    return np.zeros(len(matrix)), matrix, np.broadcast_to(offset, matrix.shape[1:]).copy()


def _linear_shape(params: Params, _: ArraySpec) -> tuple[int, ...]:
    return tuple(np.shape(params["coef"])[:-1])


LINEAR = Map(
    "linear",
    kernels.affine,
    description=(
        "The predictions of a linear model whose coefficients `lstsq` or `ridge` gave. Products "
        "are taken in double precision."
    ),
    returns=(
        "Shape (rows,) or (rows, targets), floating: the input's dtype where it is, else float64."
    ),
    references=("sklearn.linear_model.LinearRegression.predict",),
    example=""">>> sc.ops.linear(np.array([[1.0, 2.0]]), coef=np.array([10.0, 1.0]), intercept=0.5)
array([12.5])""",
    summary="Predict by a linear regression: x @ coef.T + intercept",
    parameters=(
        Parameter(
            "coef", array, "an array or the address of one, shape (columns,) or (targets, columns)"
        ),
        Parameter("intercept", array, "one number, or one for each target", 0.0),
    ),
    arguments=_linear_arguments,
    dtype=floating,
    row_shape=_linear_shape,
    new_axes=True,
    matrix=True,
    kinds="biuf",
    units="own",
)
