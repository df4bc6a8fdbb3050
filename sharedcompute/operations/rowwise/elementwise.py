"""Maps: each row out comes from the same row in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.kernels import elementwise as kernels
from sharedcompute.operations.declarations import Map
from sharedcompute.operations.kinds import array, boolean, comparable, digits, number, numeric_dtype
from sharedcompute.operations.parameters import REQUIRED, Parameter
from sharedcompute.operations.specs import Array, ArraySpec, DType, Params, floating, same
from sharedcompute.operations.stages import Needed
from sharedcompute.wording import parameter

SKIPNA = Parameter("skipna", boolean, "leave NaN out of the computed mean", False)


def _to_dtype(_: DType, params: Params) -> DType:
    target: DType = params["dtype"]
    return target


def convert(x: Array, out: Array) -> None:
    """`x` in the dtype of `out`, as C converts it."""
    kernel = kernels.cast
    if x.dtype.kind == "f" and out.dtype.kind in "iu" and out.itemsize <= 2:
        kernel = kernels.narrow
    elif x.dtype.kind == "f" and out.dtype.kind == "u":
        kernel = kernels.wrap
    kernel(x, out)


def _cast_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    if spec.dtype.kind == "c" and params["dtype"].kind != "c":
        raise InputError(
            f"cast would drop the imaginary part: expected a complex dtype, got {params['dtype']}"
        )
    return ()


def _limits(dtype: DType) -> tuple[int, int]:
    """The least and the greatest of whole numbers, or of booleans."""
    if dtype.kind == "b":
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def rounded(value: float, dtype: DType) -> Any:
    """A number in the floating `dtype`, infinite where it is beyond it, as NumPy compares them."""
    try:
        with np.errstate(over="ignore"):
            return dtype.type(value)
    except OverflowError:
        return dtype.type(math.inf if value > 0 else -math.inf)


def _clip_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    lower, upper = params["lower"], params["upper"]
    if lower is None and upper is None:
        raise InputError(
            "clip needs a lower or an upper bound: give "
            f"{parameter('lower')} or {parameter('upper')}"
        )
    lower = -math.inf if lower is None else lower
    upper = math.inf if upper is None else upper
    if not lower <= upper:
        raise InputError(f"clip expected lower <= upper, got {lower} and {upper}: swap them")
    if spec.dtype.kind == "f":
        return rounded(lower, spec.dtype), rounded(upper, spec.dtype)
    # Whole numbers are rounded inwards: what comes out lies within the bounds.
    least, most = _limits(spec.dtype)
    low, high = max(lower, least), min(upper, most)
    if low <= high and math.ceil(low) <= math.floor(high):
        return spec.dtype.type(math.ceil(low)), spec.dtype.type(math.floor(high))
    raise InputError(
        f"clip expected bounds with a whole number between them for {spec.dtype} data, "
        f"got {lower} and {upper}: widen them"
    )


def _threshold_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    """Both in the data's own dtype: float64 cannot tell neighbours above 2**53 apart."""
    level, value = params["level"], exactly("threshold: value", params["value"], spec.dtype)
    if spec.dtype.kind == "f":
        return rounded(level, spec.dtype), value
    least, most = _limits(spec.dtype)
    if level < least:
        # All are above it: the least number, the only one that is not, is put for itself.
        return spec.dtype.type(least), spec.dtype.type(least)
    return spec.dtype.type(most if level >= most else math.floor(level)), value


def exactly(what: str, value: float, dtype: DType) -> Any:
    """`value` in `dtype`, which must be able to hold it."""
    if dtype.kind in "biu":
        least, most = _limits(dtype)
        fits = least <= value <= most and value == int(value)
    else:
        fits = bool(np.isinf(rounded(value, dtype)) == (value in (math.inf, -math.inf)))
    if not fits:
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
            Parameter("value", digits, "put in place of the others", 0.0),
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
