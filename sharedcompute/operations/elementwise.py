"""Maps: each row out comes from the same row in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.kernels import elementwise as kernels
from sharedcompute.operations.base import (
    Array,
    ArraySpec,
    DType,
    Map,
    Needed,
    Params,
    floating,
    same,
)
from sharedcompute.operations.parameters import (
    REQUIRED,
    Parameter,
    array,
    boolean,
    comparable,
    number,
    numeric_dtype,
)

SKIPNA = Parameter("skipna", boolean, "leave NaN out of the computed mean", False)


def _to_dtype(_: DType, params: Params) -> DType:
    target: DType = params["dtype"]
    return target


def convert(x: Array, out: Array) -> None:
    """`x` in the dtype of `out`, as C converts it."""
    wide = out.dtype.kind == "u" and out.itemsize >= 4
    (kernels.wrap if wide and x.dtype.kind == "f" else kernels.cast)(x, out)


def _cast_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    if spec.dtype.kind == "c" and params["dtype"].kind != "c":
        raise InputError(
            f"cast would drop the imaginary part: expected a complex dtype, got {params['dtype']}"
        )
    return ()


def _fitting(bound: int | float, dtype: DType, up: bool) -> Any:
    """`bound` in `dtype`; for whole numbers rounded inwards and held to what the dtype can hold."""
    if dtype.kind == "f":
        return dtype.type(bound)
    if dtype.kind == "b":
        return dtype.type(bound > 0)
    limits = np.iinfo(dtype)
    if math.isinf(bound):
        return dtype.type(limits.min if bound < 0 else limits.max)
    whole = math.ceil(bound) if up else math.floor(bound)
    return dtype.type(min(max(whole, int(limits.min)), int(limits.max)))


def _clip_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    lower, upper = params["lower"], params["upper"]
    if lower is None and upper is None:
        raise InputError("clip needs a lower or an upper bound: give -p lower=... or -p upper=...")
    lower = -math.inf if lower is None else lower
    upper = math.inf if upper is None else upper
    if not lower <= upper:
        raise InputError(f"clip expected lower <= upper, got {lower} and {upper}: swap them")
    low, high = _fitting(lower, spec.dtype, up=True), _fitting(upper, spec.dtype, up=False)
    if low > high:
        raise InputError(
            f"clip expected bounds with a whole number between them for {spec.dtype} data, "
            f"got {lower} and {upper}: widen them"
        )
    return low, high


def _threshold_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    level, value = params["level"], params["value"]
    if spec.dtype.kind in "iu" and math.isfinite(level):
        # Compared in the data's own dtype: float64 cannot tell neighbours above 2**53 apart.
        limits, whole = np.iinfo(spec.dtype), math.floor(level)
        if limits.min <= whole <= limits.max:
            level = spec.dtype.type(whole)
    return level, exactly("threshold: value", value, spec.dtype)


def exactly(what: str, value: float, dtype: DType) -> Any:
    """`value` in `dtype`, which must be able to hold it."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max or value != int(value):
            raise InputError(f"{what} must fit {dtype}, got {value}: choose another")
    return dtype.type(value)


def columns(values: Any, spec: ArraySpec, what: str) -> Array:
    """`values` for each element of a row as float64, shape (columns,).

    A stack of rows is averaged over its rows; a scalar serves every element.
    """
    given = np.asarray(values)
    if given.dtype.kind == "c":
        raise InputError(f"{what}: expected real numbers, got {given.dtype}: give its real part")
    row = spec.shape[1:]
    if given.shape == (*given.shape[:1], *row) and given.ndim == len(row) + 1:
        with np.errstate(all="ignore"):
            given = given.mean(axis=0, dtype=np.float64)
    if given.shape not in (row, ()):
        raise InputError(
            f"{what} has shape {given.shape}: expected {row} like one row, or a stack of such rows"
        )
    flat: Array = np.broadcast_to(given, row).reshape(-1).astype(np.float64)
    return flat


def _anomaly_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    if params["mean"] is None:
        return (Needed("mean", params["skipna"]),)
    return (columns(params["mean"], spec, "anomaly: mean"),)


def _flatfield_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    """(x - dark) / (flat - dark), scaled by the mean of (flat - dark).

    So the counts keep their size. Pixels without response (flat equal to dark) come out as NaN.
    """
    dark = columns(params["dark"], spec, "flatfield: dark")
    with np.errstate(all="ignore"):
        response = columns(params["flat"], spec, "flatfield: flat") - dark
        response[response == 0] = np.nan
        scale = np.nanmean(response) if np.isfinite(response).any() else np.nan
        return dark, scale / response


def _zscore_arguments(params: Params, _: ArraySpec) -> tuple[Any, ...]:
    return Needed("mean", params["skipna"]), Needed("std", params["skipna"])


MAPS: tuple[Map, ...] = (
    Map(
        "cast",
        convert,
        "to another dtype, as numpy.ndarray.astype",
        (Parameter("dtype", numeric_dtype, "NumPy dtype of the result, such as f4"),),
        _cast_arguments,
        _to_dtype,
        matrix=True,
    ),
    Map(
        "scale",
        kernels.scale,
        "x * factor + offset",
        (
            Parameter("factor", number, "multiplies", 1.0),
            Parameter("offset", number, "is added", 0.0),
        ),
        dtype=floating,
        matrix=True,
        units="difference",
    ),
    Map(
        "clip",
        kernels.clip,
        "limited to lower ... upper, as numpy.clip",
        (
            Parameter("lower", comparable, "least value kept", None),
            Parameter("upper", comparable, "greatest value kept", None),
        ),
        _clip_arguments,
        same,
        matrix=True,
        kinds="biuf",
    ),
    Map(
        "threshold",
        kernels.threshold,
        "x where x > level, else value (torch.nn.functional.threshold)",
        (
            Parameter("level", comparable, "values above it are kept"),
            Parameter("value", number, "put in place of the others", 0.0),
        ),
        _threshold_arguments,
        same,
        matrix=True,
        kinds="iuf",
    ),
    Map(
        "anomaly",
        kernels.subtract_row,
        "x minus its mean over rows, computed first, or minus a given mean",
        (Parameter("mean", array, "array or address shaped like a row", None), SKIPNA),
        _anomaly_arguments,
        floating,
        matrix=True,
        units="difference",
    ),
    Map(
        "flatfield",
        kernels.flatfield,
        "(x - dark) / (flat - dark) * mean(flat - dark)",
        (
            Parameter("dark", array, "frame without light, or a stack that is averaged", REQUIRED),
            Parameter("flat", array, "frame of even light, or a stack that is averaged", REQUIRED),
        ),
        _flatfield_arguments,
        floating,
        matrix=True,
        kinds="biuf",
        units="difference",
    ),
    Map(
        "zscore",
        kernels.standardise,
        "(x - mean) / std over rows, as scipy.stats.zscore",
        (SKIPNA,),
        _zscore_arguments,
        floating,
        matrix=True,
        kinds="biuf",
        units="own",
    ),
)
