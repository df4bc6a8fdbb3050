"""Partial results of the reductions: what a block contributes, and how two are combined.

The kernels add rows to a state; combining works element by element, so it is the same for every
number of workers.
"""

from __future__ import annotations

import numpy as np

from sharedcompute.kernels import along, extrema, middle, variances
from sharedcompute.kernels import reductions as kernels
from sharedcompute.operations.declarations import Field, Partial
from sharedcompute.operations.specs import Array, Bools, DType, State


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


def wide(dtype: DType) -> DType:
    """Return the accumulator of `sum`: NumPy's for whole numbers, double precision else."""
    widest = {"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64, "c": np.complex128}
    return np.dtype(widest[dtype.kind])


def _float_wide(dtype: DType) -> DType:
    """Return the accumulator of `mean`: floating even for whole numbers, so it cannot wrap."""
    return np.dtype(np.complex128 if dtype.kind == "c" else np.float64)


def lowest(dtype: DType, skipna: bool = False) -> float:
    """Return where a maximum starts. NaN means "none yet" to `numpy.fmax`, which skips it."""
    if dtype.kind == "f":
        return np.nan if skipna else -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def highest(dtype: DType, skipna: bool = False) -> float:
    """Return where a minimum starts."""
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
    variances.merge_moments(*(a[name] for name in names), *(b[name] for name in names))


def _smaller(a: State, b: State, skipna: bool) -> None:
    (np.fmin if skipna else np.minimum)(a["value"], b["value"], out=a["value"])


def _larger(a: State, b: State, skipna: bool) -> None:
    (np.fmax if skipna else np.maximum)(a["value"], b["value"], out=a["value"])


def _take_better(a: State, b: State, better: Bools) -> None:
    """Take `b` where it has a value and is better, or is as good and stands in an earlier row."""
    np.copyto(a["value"], b["value"], where=better)
    np.copyto(a["index"], b["index"], where=better)


def _rank(a: State, b: State, wins: Bools) -> Bools:
    nan_a: Bools = a["value"] != a["value"]
    nan_b: Bools = b["value"] != b["value"]
    equal: Bools = a["value"] == b["value"]
    before: Bools = b["index"] < a["index"]
    there: Bools = b["index"] >= 0
    none: Bools = a["index"] < 0
    better = (wins & ~nan_a) | (nan_b & ~nan_a) | ((equal | (nan_a & nan_b)) & before)
    return there & (better | none)


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
TOTAL = Field("total", wide)
VALUE = Field("value", _own, highest)
TOP = Field("value", _own, lowest)
INDEX = Field("index", _int64, _none_yet)


def count_valid(x: Array, _skipna: bool, count: Array) -> None:
    """Count values that are not NaN."""
    kernels.counts(x, count)


def count_nan(x: Array, _skipna: bool, count: Array) -> None:
    """Count values that are NaN."""
    valid = np.zeros_like(count)
    kernels.counts(x, valid)
    count += len(x) - valid


def _counts_along(x: Array, _skipna: bool, count: Array) -> None:
    along.counts(x, count)


def _nan_counts_along(x: Array, _skipna: bool, count: Array) -> None:
    valid = np.zeros_like(count)
    along.counts(x, valid)
    count += x.shape[1] - valid


def _counts_in_the_middle(x: Array, _skipna: bool, count: Array) -> None:
    middle.counts(x, count)


counts = Partial(
    count_valid,
    (KNOWN,),
    _add,
    exact="biufc",
    along=_counts_along,
    middle=_counts_in_the_middle,
)
nan_counts = Partial(count_nan, (KNOWN,), _add, exact="biufc", along=_nan_counts_along)
float_sums = Partial(
    kernels.sums,
    (COUNT, Field("total", _float_wide)),
    _add,
    along=along.sums,
    middle=middle.sums,
)
sums = Partial(
    kernels.sums,
    (COUNT, TOTAL),
    _add,
    exact="biu",
    along=along.sums,
    middle=middle.sums,
    floating=float_sums,
)
moments = Partial(
    variances.moments,
    (COUNT, Field("total", _float_wide), Field("rest", _float_wide), Field("m2", _float64)),
    _merge_moments,
    covers=(kernels.sums,),
    along=along.moments,
    middle=middle.moments,
)
exact_moments = Partial(
    variances.exact_moments,
    (COUNT, TOTAL, Field("squares", _uint64)),
    _add,
    covers=(kernels.sums,),
    exact="biu",
    along=along.exact_moments,
    middle=middle.exact_moments,
)
float_products = Partial(kernels.products, (Field("total", _float_wide, _one),), _multiply)
products = Partial(
    kernels.products,
    (Field("total", wide, _one),),
    _multiply,
    exact="biu",
    floating=float_products,
)
# Which of 0.0 and -0.0 is the least one, and which NaN is kept, is up to the order of floats.
minima = Partial(
    extrema.minimum,
    (VALUE,),
    _smaller,
    exact="biu",
    along=along.least,
    middle=middle.least,
)
maxima = Partial(
    extrema.maximum,
    (TOP,),
    _larger,
    exact="biu",
    along=along.greatest,
    middle=middle.greatest,
)
# Here the earlier row decides between equals.
first_minima = Partial(extrema.argmin, (VALUE, INDEX), _first_smallest, indexed=True, exact="biuf")
first_maxima = Partial(extrema.argmax, (TOP, INDEX), _first_largest, indexed=True, exact="biuf")
found_any = Partial(
    extrema.any_true, (Field("found", _boolean),), _any, exact="biufc", along=along.any_true
)
found_all = Partial(
    extrema.all_true, (Field("found", _boolean, _one),), _all, exact="biufc", along=along.all_true
)


def sums_of(dtype: DType, n: int) -> Partial:
    """Return sums for a mean: whole numbers where `n` of them cannot overflow, else floats."""
    whole = dtype.kind in "biu" and n <= 1 << (64 - 8 * dtype.itemsize)
    return sums if whole else float_sums


def moments_of(dtype: DType, n: int) -> Partial:
    """Return exact moments where `n` squares of at most half the dtype's range fit 64 bits."""
    small = dtype.kind in "biu" and dtype.itemsize <= 2
    return exact_moments if small and n <= 1 << (66 - 16 * dtype.itemsize) else moments
