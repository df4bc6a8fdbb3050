"""Maps of single elements: conversions, scales and limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.kernels import elementwise as kernels
from sharedcompute.operations.declarations import Map
from sharedcompute.operations.kinds import comparable, digits, number, numeric_dtype
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, ArraySpec, DType, Params, Scalar, floating
from sharedcompute.wording import parameter


def _to_dtype(_: DType, params: Params) -> DType:
    target: DType = params["dtype"]
    return target


def convert(x: Array, out: Array) -> None:
    """Convert `x` to the dtype of `out`, as C does."""
    kernel = kernels.cast
    if x.dtype.kind == "f" and out.dtype.kind in "iu" and out.itemsize <= 2:
        kernel = kernels.narrow
    elif x.dtype.kind == "f" and out.dtype.kind == "u":
        kernel = kernels.wrap
    kernel(x, out)


def _cast_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    target: DType = params["dtype"]
    if spec.dtype.kind == "c" and target.kind != "c":
        raise InputError(
            f"cast would drop the imaginary part: expected a complex dtype, got {target}"
        )
    return ()


def _limits(dtype: DType) -> tuple[int, int]:
    """Return the least and the greatest of whole numbers, or of booleans."""
    if dtype.kind == "b":
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def rounded(value: float, dtype: DType) -> Scalar:
    """Return a number in the floating `dtype`, infinite where it is beyond, as NumPy compares."""
    try:
        with np.errstate(over="ignore"):
            result: Scalar = dtype.type(value)
    except OverflowError:
        result = dtype.type(math.inf if value > 0 else -math.inf)
    return result


def _clip_arguments(params: Params, spec: ArraySpec) -> tuple[Any, ...]:
    lower: float | None = params["lower"]
    upper: float | None = params["upper"]
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
    """Return both in the data's own dtype: float64 cannot tell neighbours above 2**53 apart."""
    level: float = params["level"]
    value = exactly("threshold: value", params["value"], spec.dtype)
    if spec.dtype.kind == "f":
        return rounded(level, spec.dtype), value
    least, most = _limits(spec.dtype)
    if level < least:
        # All are above it: the least number, the only one that is not, is put for itself.
        return spec.dtype.type(least), spec.dtype.type(least)
    return spec.dtype.type(most if level >= most else math.floor(level)), value


def exactly(what: str, value: float, dtype: DType) -> Scalar:
    """Return `value` in `dtype`, which must be able to hold it."""
    if dtype.kind in "biu":
        least, most = _limits(dtype)
        fits = least <= value <= most and value == int(value)
    else:
        fits = bool(np.isinf(rounded(value, dtype)) == (value in (math.inf, -math.inf)))
    if not fits:
        raise InputError(f"{what} must fit {dtype}, got {value}: choose another")
    result: Scalar = dtype.type(value)
    return result


MAPS: tuple[Map, ...] = (
    Map(
        "cast",
        convert,
        "Convert to another dtype (numpy.ndarray.astype)",
        (Parameter("dtype", numeric_dtype, "NumPy dtype of the result, such as f4"),),
        _cast_arguments,
        _to_dtype,
        matrix=True,
        description=(
            "Numbers are converted as C converts them: fractions are cut off, and whole numbers "
            "that the dtype cannot hold wrap around. Complex data cannot become real."
        ),
        returns="The input's shape, in `dtype`.",
        references=("numpy.ndarray.astype, with ``casting='unsafe'``.",),
        example=""">>> sc.ops.cast(np.array([0.5, 1.5, 2.5]), dtype="i2")
array([0, 1, 2], dtype=int16)""",
    ),
    Map(
        "scale",
        kernels.scale,
        "Scale linearly: x * factor + offset",
        (
            Parameter("factor", number, "multiplies", 1.0),
            Parameter("offset", number, "is added", 0.0),
        ),
        dtype=floating,
        matrix=True,
        units="difference",
        description="A change of units, such as kelvin to degrees Celsius.",
        example=""">>> sc.ops.scale(np.array([273.15, 300.0]), offset=-273.15)
array([ 0.  , 26.85])""",
    ),
    Map(
        "clip",
        kernels.clip,
        "Limit to an interval, lower ... upper (numpy.clip)",
        (
            Parameter("lower", comparable, "least value kept", None),
            Parameter("upper", comparable, "greatest value kept", None),
        ),
        _clip_arguments,
        matrix=True,
        kinds="biuf",
        description=(
            "Values outside the interval become its nearest end; NaN stays. For whole numbers "
            "the bounds are rounded inwards. One of them must be given."
        ),
        references=("numpy.clip",),
        example=""">>> sc.ops.clip(np.array([-1.0, 0.5, 2.0]), lower=0.0, upper=1.0)
array([0. , 0.5, 1. ])""",
    ),
    Map(
        "threshold",
        kernels.threshold,
        "Replace what is not above a level: x where x > level, else value",
        (
            Parameter("level", comparable, "values above it are kept"),
            Parameter("value", digits, "put in place of the others", 0.0),
        ),
        _threshold_arguments,
        matrix=True,
        kinds="iuf",
        description="NaN is kept.",
        references=("torch.nn.functional.threshold",),
        example=""">>> sc.ops.threshold(np.array([0.2, 0.8]), level=0.5, value=0.0)
array([0. , 0.8])""",
    ),
)
