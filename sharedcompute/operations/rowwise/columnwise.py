"""Maps with a number for each element of a row: anomalies, flat fields, standard scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sharedcompute.errors import InputError
from sharedcompute.kernels import elementwise as kernels
from sharedcompute.operations.declarations import Map
from sharedcompute.operations.kinds import array, boolean
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, ArraySpec, Params, floating
from sharedcompute.operations.stages import Needed

SKIPNA = Parameter("skipna", boolean, "leave NaN out of the computed mean", False)


def columns(values: ArrayLike, spec: ArraySpec, what: str) -> Array:
    """Return `values` for each element of a row as float64, shape (columns,).

    A stack of rows is averaged over its rows; a scalar serves every element.
    """
    given: Array = np.asarray(values)
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
    """Return the dark frame and the factors ``mean(flat - dark) / (flat - dark)``.

    So the counts keep their size. Pixels without response (flat equal to dark) become NaN.
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
        "anomaly",
        kernels.subtract_row,
        "Subtract the mean over rows, computed first, or a given mean",
        (Parameter("mean", array, "array or address shaped like a row", None), SKIPNA),
        _anomaly_arguments,
        floating,
        matrix=True,
        units="difference",
        description=(
            "The deviation of each row from the climatology: the mean is computed in double "
            "precision by a pass of its own, unless it is given."
        ),
        example=""">>> sc.ops.anomaly(np.array([[1.0, 10.0], [3.0, 30.0]]))
array([[ -1., -10.],
       [  1.,  10.]])""",
    ),
    Map(
        "flatfield",
        kernels.flatfield,
        "Correct a detector's response: (x - dark) / (flat - dark) * mean(flat - dark)",
        (
            Parameter("dark", array, "frame without light, or a stack that is averaged"),
            Parameter("flat", array, "frame of even light, or a stack that is averaged"),
        ),
        _flatfield_arguments,
        floating,
        matrix=True,
        kinds="biuf",
        units="difference",
        description=(
            "Flat-field correction of frames: counts keep their size, as they are scaled by the "
            "mean response. Pixels without response (flat equal to dark) become NaN."
        ),
        references=(
            'J. A. Seibert, J. M. Boone, K. K. Lindfors, "Flat-field correction technique for '
            'digital detectors", Proc. SPIE 3336 (1998).',
        ),
        example=""">>> frames = np.array([[12.0, 7.0], [22.0, 12.0]])
>>> sc.ops.flatfield(frames, dark=np.array([2.0, 2.0]), flat=np.array([22.0, 12.0]))
array([[ 7.5,  7.5],
       [15. , 15. ]])""",
    ),
    Map(
        "zscore",
        kernels.standardise,
        "Standardise over rows: (x - mean) / std (scipy.stats.zscore)",
        (SKIPNA,),
        _zscore_arguments,
        floating,
        matrix=True,
        kinds="biuf",
        units="own",
        description=(
            "Mean and standard deviation (of the population, ddof 0) of each column are computed "
            "first, in double precision. Constant columns become NaN."
        ),
        references=("scipy.stats.zscore",),
        example=""">>> sc.ops.zscore(np.array([[1.0], [3.0]]))
array([[-1.],
       [ 1.]])""",
    ),
)
