"""The kit for operations: for each a slow, obvious reference, and parameters to try it with.

The reference is NumPy or SciPy on the whole array. An operation that has its entry here is in the
conformance tests of all engines, and in those of edges, threads and commands.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage, stats

from sharedcompute.operations.catalogue import CATALOGUE

Array = np.ndarray[Any, Any]
Params = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A reference, and sets of parameters that fit small data around zero."""

    reference: Callable[..., Any]
    params: tuple[Params, ...] = ({},)


def anomaly(x: Array, mean: Any = None, skipna: bool = False) -> Array:
    average = np.nanmean if skipna else np.mean
    return x - (average(x, axis=0, dtype=np.float64) if mean is None else mean)


def flatfield(x: Array, dark: Any, flat: Any) -> Array:
    response = np.asarray(flat, np.float64) - dark
    return (x - np.asarray(dark, np.float64)) / response * response.mean()


def _summed(nan_aware: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Array, axis: Any, skipna: bool = False, **params: Any) -> Any:
        # NumPy adds single precision up in single precision; the promise is double.
        wide = {"f": np.float64, "c": np.complex128}.get(x.dtype.kind)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return (nan_aware if skipna else plain)(x, axis=axis, dtype=wide, **params)

    return reference


def _picked(nan_aware: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Array, axis: Any, skipna: bool = False) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return (nan_aware if skipna else plain)(x, axis=axis)

    return reference


def _kept(x: Array, skipna: bool) -> Array:
    return ~np.isnan(x) if skipna else np.ones(x.shape, bool)


def _running(nan_aware: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Array, skipna: bool = False) -> Array:
        wide = np.float64 if x.dtype.kind == "f" else None
        return np.asarray((nan_aware if skipna else plain)(x, axis=0, dtype=wide))

    return reference


CASES: dict[str, Case] = {
    "cast": Case(lambda x, dtype: x.astype(dtype), ({"dtype": "f8"},)),
    "scale": Case(
        lambda x, factor=1.0, offset=0.0: x * np.float64(factor) + offset,
        ({"factor": 2.5, "offset": -1.0},),
    ),
    "clip": Case(
        lambda x, lower=None, upper=None: np.clip(x, lower, upper),
        ({"lower": -0.5, "upper": 0.75},),
    ),
    "threshold": Case(
        lambda x, level, value=0: np.where((x > level) | (x != x), x, value), ({"level": 0.1},)
    ),
    "anomaly": Case(anomaly, ({}, {"mean": 0.25})),
    "flatfield": Case(flatfield, ({"dark": 0.1, "flat": 2.0},)),
    "zscore": Case(lambda x: stats.zscore(np.asarray(x, np.float64), axis=0)),
    "gaussian": Case(
        ndimage.gaussian_filter, ({"sigma": 1.3}, {"sigma": 2.0, "axes": 0, "mode": "wrap"})
    ),
    "uniform": Case(ndimage.uniform_filter, ({"size": 4}, {"size": 5, "mode": "mirror"})),
    "median": Case(ndimage.median_filter, ({"size": 3}, {"size": 2, "mode": "nearest"})),
    "sobel": Case(ndimage.sobel, ({}, {"axis": 0, "mode": "constant", "cval": 1.5})),
    "laplace": Case(ndimage.laplace, ({}, {"mode": "constant", "cval": 0.5})),
    "count": Case(lambda x, axis: np.sum(~np.isnan(x), axis=axis)),
    "nan_count": Case(lambda x, axis: np.sum(np.isnan(x), axis=axis)),
    "sum": Case(_summed(np.nansum, np.sum)),
    "prod": Case(_summed(np.nanprod, np.prod)),
    "mean": Case(_summed(np.nanmean, np.mean)),
    "var": Case(_summed(np.nanvar, np.var)),
    "std": Case(_summed(np.nanstd, np.std)),
    "min": Case(_picked(np.nanmin, np.min)),
    "max": Case(_picked(np.nanmax, np.max)),
    "argmin": Case(_picked(np.nanargmin, np.argmin)),
    "argmax": Case(_picked(np.nanargmax, np.argmax)),
    "any": Case(lambda x, axis, skipna=False: np.any((x != 0) & _kept(x, skipna), axis=axis)),
    "all": Case(lambda x, axis, skipna=False: np.all((x != 0) | ~_kept(x, skipna), axis=axis)),
    "cumsum": Case(_running(np.nancumsum, np.cumsum)),
    "cumprod": Case(_running(np.nancumprod, np.cumprod)),
    "cummax": Case(
        lambda x, skipna=False: (np.fmax if skipna else np.maximum).accumulate(x, axis=0)
    ),
}

BESIDE_FITS = ("nearest_center", "center_distances", "project", "linear")
"""Maps that take the results of fits, and are tested with them."""


def cases_of(*kinds: str) -> dict[str, Case]:
    """The cases of operations of some kinds."""
    return {name: case for name, case in CASES.items() if CATALOGUE[name].kind in kinds}


def _references(kind: str) -> dict[str, Callable[..., Any]]:
    return {name: case.reference for name, case in cases_of(kind).items()}


MAPS, STENCILS = _references("map"), _references("stencil")
REDUCTIONS, SCANS = _references("reduce"), _references("scan")
