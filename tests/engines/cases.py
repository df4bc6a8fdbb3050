"""Every operation by kind, with its parameters, and data of odd shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operations.reference import cases_of

Array = np.ndarray[Any, Any]

# Fewer rows than workers, a last block cut short, one to five dimensions, no columns.
SHAPES = [(1,), (2, 3), (13,), (4, 1), (23, 7), (11, 5, 6), (9, 3, 4, 2), (7, 2, 1, 3, 2)]
EMPTY = [(0,), (0, 4), (5, 0)]

TRANSFORMS = {name: list(case.params) for name, case in cases_of("map", "stencil").items()}
REDUCTIONS = tuple(cases_of("reduce"))
SCANS = tuple(cases_of("scan"))


def data(shape: tuple[int, ...], dtype: str = "f4", nans: bool = False) -> Array:
    """Values around zero, the same for the same arguments."""
    rng = np.random.default_rng([len(shape), *shape])
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    if np.dtype(dtype).kind == "b":
        return rng.random(shape) > 0.3
    x = rng.normal(size=shape).astype(dtype)
    if nans:
        x[rng.random(shape) < 0.2] = np.nan
    return x
