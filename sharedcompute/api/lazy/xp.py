"""The namespace of the Array API for lazy arrays: ``sharedcompute.xp``.

Its functions are NumPy's, which give lazy arrays for lazy arrays; here are those whose arguments
differ in the standard, and those that make arrays.

References
----------
The Python array API standard, version 2024.12, https://data-apis.org/array-api/2024.12/
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opening import lazy
from sharedcompute.api.lazy.operands import node_of, plain
from sharedcompute.errors import InputError
from sharedcompute.operations.specs import Array, DType

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
"""The versions of the standard that it has all functions of."""

__array_api_version__ = "2024.12"

e: float = math.e
inf: float = np.inf
nan: float = np.nan
newaxis = None
pi: float = np.pi

DTYPES: Mapping[str, DType] = MappingProxyType(
    {
        name: np.dtype(name)
        for name in (
            "bool",
            *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
            "float32",
            "float64",
            "complex64",
            "complex128",
        )
    }
)

OLDER: Mapping[str, str] = MappingProxyType(
    {
        "acos": "arccos",
        "acosh": "arccosh",
        "asin": "arcsin",
        "asinh": "arcsinh",
        "atan": "arctan",
        "atan2": "arctan2",
        "atanh": "arctanh",
        "bitwise_invert": "invert",
        "bitwise_left_shift": "left_shift",
        "bitwise_right_shift": "right_shift",
        "concat": "concatenate",
        "permute_dims": "transpose",
        "pow": "power",
    }
)
"""Names of the standard, and what NumPy has called it for longer."""

OF_NUMPY: frozenset[str] = frozenset(
    """
    abs add all any argmax argmin bitwise_and bitwise_or bitwise_xor broadcast_arrays broadcast_to
    ceil clip conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide equal
    exp expand_dims expm1 flip floor floor_divide greater greater_equal hypot imag isdtype isfinite
    isinf isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or
    logical_xor matmul matrix_transpose max maximum mean min minimum moveaxis multiply negative
    nextafter nonzero not_equal positive prod real reciprocal remainder repeat reshape roll round
    searchsorted sign signbit sin sinh sqrt square squeeze stack std subtract sum take
    take_along_axis tan tanh tensordot tile tril triu trunc unique_all unique_counts unique_inverse
    unique_values unstack var vecdot where
    """.split()  # noqa: SIM905 - a table is easier to read so
)
"""Functions that NumPy has with the arguments of the standard."""


def __getattr__(name: str) -> Any:
    if name in DTYPES:
        return DTYPES[name]
    if name in OLDER:
        return getattr(np, OLDER[name])
    if name in OF_NUMPY or name in ("linalg", "fft"):
        return getattr(np, name)
    raise AttributeError(f"the namespace of the Array API has no {name!r}")


def __dir__() -> list[str]:
    own = {name for name, value in globals().items() if callable(value) and name[0] != "_"}
    theirs = {name for name in OF_NUMPY if hasattr(np, name)}
    hidden = {"LazyArray", "MappingProxyType", "Mapping", "Any", "InputError"}
    return sorted((own | theirs | {*DTYPES, *OLDER, "e", "inf", "nan", "newaxis", "pi"}) - hidden)


def __array_namespace_info__() -> Any:  # noqa: N807 - the standard's name
    """Return what the namespace can do, as the standard asks for it."""
    return np.__array_namespace_info__()


def asarray(
    obj: Any,
    /,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    copy: bool | None = None,
) -> LazyArray:
    """Return a lazy array of an array, a number, or lists of numbers."""
    _check_device(device)
    if isinstance(obj, LazyArray):
        found = lazy(obj)
    else:
        array: Array = np.array(obj) if copy else np.asarray(obj)
        found = lazy(array)
    return found if dtype is None else found.astype(dtype)


def astype(
    x: LazyArray, dtype: DTypeLike, /, *, copy: bool = True, device: str | None = None
) -> LazyArray:
    """Return the same numbers in another dtype."""
    del copy
    _check_device(device)
    return LazyArray(elementwise.astype(node_of(x), np.dtype(dtype)))


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
) -> LazyArray:
    """Return evenly spaced numbers from `start`, or 0, to `stop`."""
    _check_device(device)
    first, last = (0, start) if stop is None else (start, stop)
    return lazy(np.arange(first, last, step, dtype=dtype))


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    endpoint: bool = True,
) -> LazyArray:
    """Return `num` evenly spaced numbers from `start` to `stop`."""
    _check_device(device)
    return lazy(np.linspace(start, stop, num, dtype=dtype, endpoint=endpoint))


def empty(
    shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None, device: str | None = None
) -> LazyArray:
    """Return an array of any numbers: zeros."""
    return zeros(shape, dtype=dtype, device=device)


def zeros(
    shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None, device: str | None = None
) -> LazyArray:
    """Return an array of zeros."""
    _check_device(device)
    return lazy(np.zeros(shape, dtype))


def ones(
    shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None, device: str | None = None
) -> LazyArray:
    """Return an array of ones."""
    _check_device(device)
    return lazy(np.ones(shape, dtype))


def full(
    shape: int | tuple[int, ...],
    fill_value: complex,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
) -> LazyArray:
    """Return an array of one number."""
    _check_device(device)
    return lazy(np.full(shape, fill_value, dtype))


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DTypeLike | None = None,
    device: str | None = None,
) -> LazyArray:
    """Return a matrix with ones on a diagonal and zeros elsewhere."""
    _check_device(device)
    return lazy(np.eye(n_rows, n_cols, k, dtype=float if dtype is None else dtype))


def empty_like(
    x: LazyArray, /, *, dtype: DTypeLike | None = None, device: str | None = None
) -> LazyArray:
    """Return an array of any numbers, of the shape of another one."""
    return zeros(x.shape, dtype=x.dtype if dtype is None else dtype, device=device)


def zeros_like(
    x: LazyArray, /, *, dtype: DTypeLike | None = None, device: str | None = None
) -> LazyArray:
    """Return an array of zeros, of the shape of another one."""
    return zeros(x.shape, dtype=x.dtype if dtype is None else dtype, device=device)


def ones_like(
    x: LazyArray, /, *, dtype: DTypeLike | None = None, device: str | None = None
) -> LazyArray:
    """Return an array of ones, of the shape of another one."""
    return ones(x.shape, dtype=x.dtype if dtype is None else dtype, device=device)


def full_like(
    x: LazyArray,
    /,
    fill_value: complex,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
) -> LazyArray:
    """Return an array of one number, of the shape of another one."""
    return full(x.shape, fill_value, dtype=x.dtype if dtype is None else dtype, device=device)


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> LazyArray:
    """Return a lazy array of an array of another library, by the protocol of DLPack."""
    _check_device(device)
    found = plain(np.from_dlpack(x))
    return lazy(found.copy() if copy else found)


def meshgrid(*arrays: LazyArray, indexing: str = "xy") -> list[LazyArray]:
    """Return the coordinates of a grid, from those along its axes."""
    made = np.meshgrid(*map(np.asarray, arrays), indexing=indexing)  # type: ignore[call-overload]
    return [lazy(grid) for grid in made]


def sort(
    x: LazyArray, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> LazyArray:
    """Return the numbers in order along an axis."""
    del stable
    made = np.sort(x, axis=axis, kind="stable")
    return lazy(np.flip(made, axis) if descending else made)


def argsort(
    x: LazyArray, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> LazyArray:
    """Return the indices by which the numbers are in order along an axis."""
    del stable
    if not descending:
        return lazy(np.argsort(x, axis=axis, kind="stable"))
    # Backwards, and so that equal ones stay in their order.
    back = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return lazy(np.flip(x.shape[axis] - 1 - back, axis))


def can_cast(from_: DTypeLike | LazyArray, to: DTypeLike, /) -> bool:
    """Return whether a dtype can be cast to another one without loss of kind or range."""
    return np.can_cast(_dtype_of(from_), np.dtype(to))


def finfo(type: DTypeLike | LazyArray, /) -> Any:
    """Return the limits of a floating dtype."""
    return np.finfo(_dtype_of(type))


def iinfo(type: DTypeLike | LazyArray, /) -> Any:
    """Return the limits of an integer dtype."""
    return np.iinfo(_dtype_of(type))


def result_type(*arrays_and_dtypes: Any) -> DType:
    """Return the dtype that arrays, numbers and dtypes have together."""
    given = (np.empty(0, a.dtype) if isinstance(a, LazyArray) else a for a in arrays_and_dtypes)
    return np.result_type(*given)


def _dtype_of(given: Any) -> DType:
    return given.dtype if isinstance(given, LazyArray) else np.dtype(given)


def _check_device(device: str | None) -> None:
    if device not in (None, "cpu"):
        raise InputError(f"device: expected cpu, got {device!r}")
