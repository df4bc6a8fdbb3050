"""The solvers that sweep over grids: the heat equation, and Laplace's and Poisson's."""

from __future__ import annotations

import math

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations.fits.declaration import Solve
from sharedcompute.operations.fits.relaxation import Relaxation
from sharedcompute.operations.kinds import (
    array,
    choice,
    count,
    not_negative,
    order,
    positive,
)
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import ArraySpec, DType, Params

ROUND = 5 * 10**8
"""Cells that a round updates: 0.1 to 0.5 s of one core, then it is published and can be stopped."""


def _heat(params: Params, spec: ArraySpec) -> Relaxation:
    shape, dtype = _grid("heat", spec)
    alpha, limit = params["alpha"], 1 / (2 * len(shape))
    if alpha > limit:
        raise InputError(
            f"heat on a grid of {len(shape)} dimensions is stable up to alpha={limit:.4g}, "
            f"got {alpha:g}: take smaller steps in time, and more of them"
        )
    most = params["sweeps"]
    every = min(_sweeps_in_a_round(shape), max(50, most // 100))
    insulated = params["boundary"] == "insulated"
    return Relaxation(shape, dtype, alpha, most, every, insulated=insulated)


def _jacobi(params: Params, spec: ArraySpec) -> Relaxation:
    shape, dtype = _grid("jacobi", spec)
    weight, force = 1 / (2 * len(shape)), None
    if params["source"] is not None:
        source = np.asarray(params["source"])
        if source.shape not in ((), shape):
            raise InputError(
                f"expected a source of the grid's shape {shape}, got {source.shape}: "
                "give a number or an array with a value for each cell"
            )
        if not np.isfinite(source).all():
            raise InputError("expected a finite source, got NaN or infinity: fill those cells")
        force = source * (weight * params["spacing"] ** 2)
    return Relaxation(
        shape,
        dtype,
        weight,
        most=params["max_iter"],
        every=params["check_every"] or min(_sweeps_in_a_round(shape), 100),
        tol=params["tol"],
        forced=force is not None,
        force=force,
    )


def _grid(name: str, spec: ArraySpec) -> tuple[tuple[int, ...], DType]:
    """Return the shape and precision of the grids: single stays single, all else is double."""
    if not 1 <= len(spec.shape) <= 3:
        raise InputError(
            f"{name} needs a grid of 1 to 3 dimensions, got shape {spec.shape}: give one volume"
        )
    single = spec.dtype.kind == "f" and spec.dtype.itemsize <= 4
    return spec.shape, np.dtype(np.float32 if single else np.float64)


def _sweeps_in_a_round(shape: tuple[int, ...]) -> int:
    return max(1, ROUND // math.prod(shape))


GIVES, WATCHED = ("grid", "n_iter", "change"), ("sweeps", "change")

RESULTS = """``grid``
    Of the input's shape; float32 where the input is of single precision, else float64.
``n_iter``, ``change``, ``converged``
    Sweeps, the largest change of a cell by the last of them, and how they ended.
``history/sweeps``, ``history/change``
    By round."""

HEAT = Solve(
    "heat",
    _heat,
    GIVES,
    WATCHED,
    "Solve the heat equation on a grid of 1 to 3 dimensions, by explicit steps in time",
    (
        Parameter("sweeps", order, "steps in time"),
        Parameter("alpha", positive, "D dt / h^2, at most 1 / (2 dimensions)", 0.1),
        Parameter(
            "boundary",
            choice("fixed", "insulated"),
            "cells on the edge keep their value, or nothing flows out of them",
            "fixed",
        ),
    ),
    like_input=("grid",),
    description=(
        "Steps of ``du/dt = D laplace(u)``, forward in time and centred in space. With "
        "``alpha = D dt / h^2``, the diffusion or Fourier number, a step of time dt on cells h "
        "apart is ``u += alpha (sum of the 2 d neighbours - 2 d u)``, which is stable for "
        "``alpha <= 1 / (2 d)``."
    ),
    returns=RESULTS,
    references=(
        'R. D. Richtmyer, K. W. Morton, "Difference Methods for Initial-Value Problems", 1967, '
        "chapter 8.",
    ),
    example=""">>> sc.ops.heat(np.array([0.0, 4.0, 0.0]), sweeps=1, alpha=0.25).grid_
array([0., 2., 0.])""",
)

JACOBI = Solve(
    "jacobi",
    _jacobi,
    GIVES,
    WATCHED,
    "Solve Laplace's or Poisson's equation on a grid of 1 to 3 dimensions, edges given",
    (
        Parameter("tol", not_negative, "largest change of a cell in a sweep to stop at", 1e-6),
        Parameter("max_iter", count, "most sweeps", 10_000),
        Parameter("check_every", count, "sweeps between two checks of the change", None),
        Parameter(
            "source", array, "f in -laplace(u) = f, an array like the grid or a number", None
        ),
        Parameter("spacing", positive, "distance of neighbouring cells", 1.0),
    ),
    like_input=("grid",),
    description=(
        "Jacobi's iteration for ``-laplace(u) = f``, with the grid's edge cells given: a sweep is "
        "``u = (sum of the 2 d neighbours + h^2 f) / (2 d)``, from the grid's inner cells on. The "
        "residual ``max |f + laplace(u)|`` is 2 d / h^2 times the change of the next sweep."
    ),
    returns=RESULTS,
    references=('Y. Saad, "Iterative Methods for Sparse Linear Systems", 2003, chapter 4.',),
    example=""">>> sc.ops.jacobi(np.array([0.0, 0.0, 2.0])).grid_
array([0., 1., 2.])""",
)

SWEEPS: tuple[Solve, ...] = (HEAT, JACOBI)
