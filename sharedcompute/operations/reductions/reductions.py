"""Reductions as data: a partial result, how two are combined, and what is made of it at the end.

The kernels add rows to a state; combining works element by element, so it is the same for every
number of workers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sharedcompute.kernels import extrema
from sharedcompute.kernels import reductions as kernels
from sharedcompute.operations.declarations import Field, Partial, Reduce
from sharedcompute.operations.kinds import boolean, not_negative
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, DType, Params, State

SKIPNA = Parameter("skipna", boolean, "leave NaN out", False)
DDOF = Parameter("ddof", not_negative, "degrees of freedom taken off the count", 0)


def _int64(_: DType) -> DType:
    return np.dtype(np.int64)


def _uint64(_: DType) -> DType:
    return np.dtype(np.uint64)


def _boolean(_: DType) -> DType:
    return np.dtype(np.bool_)


def _float64(_: DType) -> DType:
    return np.dtype(np.float64)


def _own(dtype: DType) -> DType:
    return dtype


def _wide(dtype: DType) -> DType:
    """The accumulator of `sum` and `cumsum`: NumPy's for whole numbers, double precision else."""
    wide = {"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64, "c": np.complex128}
    return np.dtype(wide[dtype.kind])


def _float_wide(dtype: DType) -> DType:
    """The accumulator of `mean`: floating point even for whole numbers, so it cannot wrap."""
    return np.dtype(np.complex128 if dtype.kind == "c" else np.float64)


def lowest(dtype: DType, skipna: bool = False) -> Any:
    """Where a maximum starts. NaN means "none yet" to `numpy.fmax`, which skips it."""
    if dtype.kind == "f":
        return np.nan if skipna else -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def highest(dtype: DType, skipna: bool = False) -> Any:
    """Where a minimum starts."""
    if dtype.kind == "f":
        return np.nan if skipna else np.inf
    return True if dtype.kind == "b" else np.iinfo(dtype).max


def _one(_: DType, __: bool) -> int:
    return 1


def _none_yet(_: DType, __: bool) -> int:
    return -1


def _add(a: State, b: State, _: bool) -> None:
    for name in a:
        a[name] += b[name]


def _multiply(a: State, b: State, _: bool) -> None:
    a["total"] *= b["total"]


def _merge_moments(a: State, b: State, _: bool) -> None:
    names = ("count", "total", "rest", "m2")
    kernels.merge_moments(*(a[name] for name in names), *(b[name] for name in names))


def _smaller(a: State, b: State, skipna: bool) -> None:
    (np.fmin if skipna else np.minimum)(a["value"], b["value"], out=a["value"])


def _larger(a: State, b: State, skipna: bool) -> None:
    (np.fmax if skipna else np.maximum)(a["value"], b["value"], out=a["value"])


def _take_better(a: State, b: State, better: Array) -> None:
    """Take `b` where it has a value and is better, or is as good and stands in an earlier row."""
    np.copyto(a["value"], b["value"], where=better)
    np.copyto(a["index"], b["index"], where=better)


def _rank(a: State, b: State, wins: Array) -> Array:
    nan_a, nan_b = a["value"] != a["value"], b["value"] != b["value"]
    ties = (a["value"] == b["value"]) | (nan_a & nan_b)
    earlier = ties & (b["index"] < a["index"])
    better = (wins & ~nan_a) | (nan_b & ~nan_a) | earlier
    taken: Array = (b["index"] >= 0) & (better | (a["index"] < 0))
    return taken


def _first_smallest(a: State, b: State, _: bool) -> None:
    _take_better(a, b, _rank(a, b, b["value"] < a["value"]))


def _first_largest(a: State, b: State, _: bool) -> None:
    _take_better(a, b, _rank(a, b, b["value"] > a["value"]))


def _any(a: State, b: State, _: bool) -> None:
    a["found"] |= b["found"]


def _all(a: State, b: State, _: bool) -> None:
    a["found"] &= b["found"]


KNOWN = Field("count", _int64)
COUNT = Field("count", _int64, tally=True)
TOTAL = Field("total", _wide)
VALUE = Field("value", _own, highest)
TOP = Field("value", _own, lowest)
INDEX = Field("index", _int64, _none_yet)


def count_valid(x: Array, _skipna: bool, count: Array) -> None:
    """Values that are not NaN."""
    kernels.counts(x, count)


def count_nan(x: Array, _skipna: bool, count: Array) -> None:
    """Values that are NaN."""
    valid = np.zeros_like(count)
    kernels.counts(x, valid)
    count += len(x) - valid


counts = Partial(count_valid, (KNOWN,), _add, exact="biufc")
nan_counts = Partial(count_nan, (KNOWN,), _add, exact="biufc")
sums = Partial(kernels.sums, (COUNT, TOTAL), _add, exact="biu")
float_sums = Partial(kernels.sums, (COUNT, Field("total", _float_wide)), _add)
moments = Partial(
    kernels.moments,
    (COUNT, Field("total", _float_wide), Field("rest", _float_wide), Field("m2", _float64)),
    _merge_moments,
    covers=(kernels.sums,),
)
exact_moments = Partial(
    kernels.exact_moments,
    (COUNT, TOTAL, Field("squares", _uint64)),
    _add,
    covers=(kernels.sums,),
    exact="biu",
)
products = Partial(kernels.products, (Field("total", _wide, _one),), _multiply, exact="biu")
# Which of 0.0 and -0.0 is the least one, and which NaN is kept, is up to the order of floats.
minima = Partial(extrema.minimum, (VALUE,), _smaller, exact="biu")
maxima = Partial(extrema.maximum, (TOP,), _larger, exact="biu")
# Here the earlier row decides between equals.
first_minima = Partial(extrema.argmin, (VALUE, INDEX), _first_smallest, indexed=True, exact="biuf")
first_maxima = Partial(extrema.argmax, (TOP, INDEX), _first_largest, indexed=True, exact="biuf")
found_any = Partial(extrema.any_true, (Field("found", _boolean),), _any, exact="biufc")
found_all = Partial(extrema.all_true, (Field("found", _boolean, _one),), _all, exact="biufc")


def _sums_of(dtype: DType, n: int) -> Partial:
    """Sums for a mean: of whole numbers where `n` of them cannot overflow, else in floats."""
    whole = dtype.kind in "biu" and n <= 2 ** (64 - 8 * dtype.itemsize)
    return sums if whole else float_sums


def _moments_of(dtype: DType, n: int) -> Partial:
    """Exact moments where `n` squares of at most half the dtype's range fit 64 bits."""
    small = dtype.kind in "biu" and dtype.itemsize <= 2
    return exact_moments if small and n <= 2 ** (66 - 16 * dtype.itemsize) else moments


def _field(name: str) -> Any:
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
    kernels.deviations(state["count"], state["total"], state["squares"], m2)
    return m2


def _std(state: State, params: Params) -> Array:
    return np.asarray(np.sqrt(_var(state, params)))


def as_sum(dtype: DType, _: Params) -> DType:
    """NumPy's result dtype of a sum or product."""
    return dtype if dtype.kind in "fc" else _wide(dtype)


def _as_mean(dtype: DType, _: Params) -> DType:
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def _as_var(dtype: DType, _: Params) -> DType:
    if dtype.kind == "c":
        return np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
    return _as_mean(dtype, {})


def _as_index(_: DType, __: Params) -> DType:
    return np.dtype(np.int64)


def _as_bool(_: DType, __: Params) -> DType:
    return np.dtype(np.bool_)


NA = (SKIPNA,)

REDUCTIONS: tuple[Reduce, ...] = (
    Reduce("count", counts, _field("count"), "values that are not NaN", dtype=_as_index),
    Reduce("nan_count", nan_counts, _field("count"), "values that are NaN", dtype=_as_index),
    Reduce(
        "sum",
        sums,
        _field("total"),
        "the sum, added up in double precision",
        NA,
        as_sum,
        units="difference",
    ),
    Reduce("prod", products, _field("total"), "the product", NA, as_sum),
    Reduce(
        "mean",
        _sums_of,
        _mean,
        "the mean, added up in double precision",
        NA,
        _as_mean,
        units="same",
    ),
    Reduce("var", _moments_of, _var, "the variance, numerically stable", (SKIPNA, DDOF), _as_var),
    Reduce(
        "std",
        _moments_of,
        _std,
        "the standard deviation",
        (SKIPNA, DDOF),
        _as_var,
        units="difference",
    ),
    Reduce(
        "min", minima, _field("value"), "the minimum", NA, kinds="biuf", empty=False, units="same"
    ),
    Reduce(
        "max", maxima, _field("value"), "the maximum", NA, kinds="biuf", empty=False, units="same"
    ),
    Reduce(
        "argmin",
        first_minima,
        _field("index"),
        "the row of the first minimum; -1 where skipna leaves nothing",
        NA,
        _as_index,
        kinds="biuf",
        empty=False,
    ),
    Reduce(
        "argmax",
        first_maxima,
        _field("index"),
        "the row of the first maximum; -1 where skipna leaves nothing",
        NA,
        _as_index,
        kinds="biuf",
        empty=False,
    ),
    Reduce("any", found_any, _field("found"), "whether any value is true", NA, _as_bool),
    Reduce("all", found_all, _field("found"), "whether all values are true", NA, _as_bool),
)
