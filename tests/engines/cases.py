"""Every operation with parameters that fit small data, and data of odd shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Fewer rows than workers, a last block cut short, one to five dimensions, no columns.
SHAPES = [(1,), (2, 3), (13,), (4, 1), (23, 7), (11, 5, 6), (9, 3, 4, 2), (7, 2, 1, 3, 2)]
EMPTY = [(0,), (0, 4), (5, 0)]

TRANSFORMS: dict[str, list[dict[str, Any]]] = {
    "cast": [{"dtype": "f8"}],
    "scale": [{"factor": 2.5, "offset": -1.0}],
    "clip": [{"lower": -0.5, "upper": 0.75}],
    "threshold": [{"level": 0.1}],
    "anomaly": [{}, {"mean": 0.25}],
    "flatfield": [{"dark": 0.1, "flat": 2.0}],
    "zscore": [{}],
    "gaussian": [{"sigma": 1.3}, {"sigma": 2.0, "axes": 0, "mode": "wrap"}],
    "uniform": [{"size": 4}, {"size": 5, "mode": "mirror"}],
    "median": [{"size": 3}, {"size": 2, "mode": "nearest"}],
    "sobel": [{}, {"axis": 0, "mode": "constant", "cval": 1.5}],
    "laplace": [{}, {"mode": "constant", "cval": 0.5}],
}
REDUCTIONS = (
    "count",
    "nan_count",
    "sum",
    "prod",
    "mean",
    "var",
    "std",
    "min",
    "max",
    "argmin",
    "argmax",
    "any",
    "all",
)
SCANS = ("cumsum", "cumprod", "cummax")


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
