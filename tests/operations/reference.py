"""A slow, obvious reference for every operation: NumPy and SciPy on the whole array."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage, stats

Array = np.ndarray[Any, Any]


def anomaly(x: Array, mean: Any = None, skipna: bool = False) -> Array:
    average = np.nanmean if skipna else np.mean
    return x - (average(x, axis=0, dtype=np.float64) if mean is None else mean)


def flatfield(x: Array, dark: Any, flat: Any) -> Array:
    response = np.asarray(flat, np.float64) - dark
    return (x - np.asarray(dark, np.float64)) / response * response.mean()


MAPS: dict[str, Callable[..., Array]] = {
    "cast": lambda x, dtype: x.astype(dtype),
    "scale": lambda x, factor=1.0, offset=0.0: x * np.float64(factor) + offset,
    "clip": lambda x, lower=None, upper=None: np.clip(x, lower, upper),
    "threshold": lambda x, level, value=0: np.where((x > level) | (x != x), x, value),  # type: ignore[dict-item, return-value]
    "anomaly": anomaly,
    "flatfield": flatfield,
    "zscore": lambda x: stats.zscore(np.asarray(x, np.float64), axis=0),
}

STENCILS: dict[str, Callable[..., Array]] = {
    "gaussian": ndimage.gaussian_filter,
    "uniform": ndimage.uniform_filter,
    "median": ndimage.median_filter,
    "sobel": ndimage.sobel,
    "laplace": ndimage.laplace,
}


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


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "count": lambda x, axis: np.sum(~np.isnan(x), axis=axis),
    "nan_count": lambda x, axis: np.sum(np.isnan(x), axis=axis),
    "sum": _summed(np.nansum, np.sum),
    "prod": _summed(np.nanprod, np.prod),
    "mean": _summed(np.nanmean, np.mean),
    "var": _summed(np.nanvar, np.var),
    "std": _summed(np.nanstd, np.std),
    "min": _picked(np.nanmin, np.min),
    "max": _picked(np.nanmax, np.max),
    "argmin": _picked(np.nanargmin, np.argmin),
    "argmax": _picked(np.nanargmax, np.argmax),
    "any": lambda x, axis, skipna=False: np.any((x != 0) & _kept(x, skipna), axis=axis),
    "all": lambda x, axis, skipna=False: np.all((x != 0) | ~_kept(x, skipna), axis=axis),
}

SCANS: dict[str, Callable[..., Array]] = {
    "cumsum": lambda x, skipna=False: (np.nancumsum if skipna else np.cumsum)(
        x, axis=0, dtype=np.float64 if x.dtype.kind == "f" else None
    ),
    "cumprod": lambda x, skipna=False: (np.nancumprod if skipna else np.cumprod)(
        x, axis=0, dtype=np.float64 if x.dtype.kind == "f" else None
    ),
    "cummax": lambda x, skipna=False: (np.fmax if skipna else np.maximum).accumulate(x, axis=0),
}
