"""Reductions as data: a partial result, and how the result is computed from it at the end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sharedcompute.kernels import variances
from sharedcompute.operations.declarations import Reduce
from sharedcompute.operations.kinds import boolean, not_negative, numeric_dtype
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.reductions import partials
from sharedcompute.operations.reductions.partials import moments_of, sums_of, wide
from sharedcompute.operations.specs import Array, DType, Params, State

SKIPNA = Parameter("skipna", boolean, "leave NaN out", False)
DDOF = Parameter("ddof", not_negative, "degrees of freedom subtracted from the count", 0)

DTYPE = Parameter(
    "dtype", numeric_dtype, "of the result (default: NumPy's); sums are in double at least", None
)


def _field(name: str) -> Callable[[State, Params], Array]:
    def take(state: State, _: Params) -> Array:
        return state[name]

    return take


def _mean(state: State, _: Params) -> Array:
    return np.asarray(state["total"] / state["count"])


def _var(state: State, params: Params) -> Array:
    m2 = state["m2"] if "m2" in state else _deviations(state)
    freedom = np.maximum(state["count"] - params["ddof"], 0)
    # As numpy.nanvar, which leaves nothing to be divided by none; numpy.var does that.
    return np.asarray(
        m2 / (np.where(freedom > 0, freedom, np.nan) if params["skipna"] else freedom)
    )


def _deviations(state: State) -> Array:
    m2 = np.empty(state["total"].shape)
    variances.deviations(state["count"], state["total"], state["squares"], m2)
    return m2


def _std(state: State, params: Params) -> Array:
    return np.asarray(np.sqrt(_var(state, params)))


def _asked(params: Params, usual: DType) -> DType:
    asked: DType | None = params.get("dtype")
    return usual if asked is None else asked


def as_sum(dtype: DType, params: Params) -> DType:
    """Return NumPy's result dtype of a sum or product."""
    return _asked(params, dtype if dtype.kind in "fc" else wide(dtype))


def _as_mean(dtype: DType, params: Params) -> DType:
    return _asked(params, dtype if dtype.kind in "fc" else np.dtype(np.float64))


def _as_var(dtype: DType, params: Params) -> DType:
    if dtype.kind == "c":
        return _asked(params, np.dtype(np.float32 if dtype.itemsize == 8 else np.float64))
    return _as_mean(dtype, params)


def _as_index(_: DType, __: Params) -> DType:
    return np.dtype(np.int64)


def _as_bool(_: DType, __: Params) -> DType:
    return np.dtype(np.bool_)


NA = (SKIPNA,)
NA_DTYPE = (SKIPNA, DTYPE)

INT64 = "int64."
SUM = "The dtype of numpy.sum: int64 or uint64 for whole numbers, else the input's."
MEAN = "The input's dtype where it is floating, else float64."
CHAN = (
    'T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for '
    'computing sample variances", COMPSTAT 1982.'
)
MOMENTS = (
    "Sums of squared deviations of blocks are pooled by the pairwise formula, so nothing large is "
    "subtracted from something as large. Whole numbers of up to 16 bits are added up exactly."
)
DOUBLE = "Blocks are summed in double precision and combined in a fixed binary tree."
FIRST = "The first of equal values. As in NumPy a NaN is the extreme, unless it is left out."

REDUCTIONS: tuple[Reduce, ...] = (
    Reduce(
        "count",
        partials.counts,
        _field("count"),
        "Count the values that are not NaN",
        dtype=_as_index,
        returns=INT64,
        example=""">>> sc.ops.count(np.array([1.0, np.nan, 3.0]))
array(2)""",
    ),
    Reduce(
        "nan_count",
        partials.nan_counts,
        _field("count"),
        "Count the values that are NaN",
        dtype=_as_index,
        returns=INT64,
        example=""">>> sc.ops.nan_count(np.array([1.0, np.nan, 3.0]))
array(1)""",
    ),
    Reduce(
        "sum",
        partials.sums,
        _field("total"),
        "Add up, in double precision (numpy.sum)",
        NA_DTYPE,
        as_sum,
        units="difference",
        description=DOUBLE,
        returns=SUM,
        references=("numpy.sum",),
        example=""">>> sc.ops.sum(np.array([[1.0, 2.0], [3.0, 4.0]]))
array([4., 6.])""",
    ),
    Reduce(
        "prod",
        partials.products,
        _field("total"),
        "Multiply (numpy.prod)",
        NA_DTYPE,
        as_sum,
        returns=SUM,
        references=("numpy.prod",),
        example=""">>> sc.ops.prod(np.array([[1.0, 2.0], [3.0, 4.0]]))
array([3., 8.])""",
    ),
    Reduce(
        "mean",
        sums_of,
        _mean,
        "Average, in double precision (numpy.mean)",
        NA_DTYPE,
        _as_mean,
        units="same",
        description=DOUBLE,
        returns=MEAN,
        references=("numpy.mean",),
        example=""">>> sc.ops.mean(np.array([[1.0, 2.0], [3.0, 4.0]]))
array([2., 3.])""",
    ),
    Reduce(
        "var",
        moments_of,
        _var,
        "Compute the variance (numpy.var)",
        (SKIPNA, DDOF, DTYPE),
        _as_var,
        description=MOMENTS,
        returns=MEAN,
        references=("numpy.var", CHAN),
        example=""">>> sc.ops.var(np.array([[1.0, 2.0], [3.0, 6.0]]))
array([1., 4.])""",
    ),
    Reduce(
        "std",
        moments_of,
        _std,
        "Compute the standard deviation (numpy.std)",
        (SKIPNA, DDOF, DTYPE),
        _as_var,
        units="difference",
        description=MOMENTS,
        returns=MEAN,
        references=("numpy.std", CHAN),
        example=""">>> sc.ops.std(np.array([[1.0, 2.0], [3.0, 6.0]]))
array([1., 2.])""",
    ),
    Reduce(
        "min",
        partials.minima,
        _field("value"),
        "Find the minimum (numpy.min)",
        NA,
        kinds="biuf",
        empty=False,
        units="same",
        references=("numpy.min",),
        example=""">>> sc.ops.min(np.array([[1.0, 4.0], [3.0, 2.0]]))
array([1., 2.])""",
    ),
    Reduce(
        "max",
        partials.maxima,
        _field("value"),
        "Find the maximum (numpy.max)",
        NA,
        kinds="biuf",
        empty=False,
        units="same",
        references=("numpy.max",),
        example=""">>> sc.ops.max(np.array([[1.0, 4.0], [3.0, 2.0]]))
array([3., 4.])""",
    ),
    Reduce(
        "argmin",
        partials.first_minima,
        _field("index"),
        "Find the row of the first minimum (numpy.argmin)",
        NA,
        _as_index,
        kinds="biuf",
        empty=False,
        description=FIRST,
        returns=INT64 + " -1 where `skipna` leaves nothing.",
        references=("numpy.argmin",),
        example=""">>> sc.ops.argmin(np.array([[1.0, 4.0], [3.0, 2.0]]))
array([0, 1])""",
    ),
    Reduce(
        "argmax",
        partials.first_maxima,
        _field("index"),
        "Find the row of the first maximum (numpy.argmax)",
        NA,
        _as_index,
        kinds="biuf",
        empty=False,
        description=FIRST,
        returns=INT64 + " -1 where `skipna` leaves nothing.",
        references=("numpy.argmax",),
        example=""">>> sc.ops.argmax(np.array([[1.0, 4.0], [3.0, 2.0]]))
array([1, 0])""",
    ),
    Reduce(
        "any",
        partials.found_any,
        _field("found"),
        "Test whether any value is true (numpy.any)",
        NA,
        _as_bool,
        returns="bool.",
        references=("numpy.any",),
        example=""">>> sc.ops.any(np.array([[True, False], [False, False]]))
array([ True, False])""",
    ),
    Reduce(
        "all",
        partials.found_all,
        _field("found"),
        "Test whether all values are true (numpy.all)",
        NA,
        _as_bool,
        returns="bool.",
        references=("numpy.all",),
        example=""">>> sc.ops.all(np.array([[True, False], [True, True]]))
array([ True, False])""",
    ),
)
