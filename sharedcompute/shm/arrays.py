"""Creation of shared arrays: the constructors of NumPy, in memory that every process can map."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from sharedcompute.errors import InputError
from sharedcompute.shm import segments
from sharedcompute.shm.segments import BlockInfo, clean, list_blocks
from sharedcompute.shm.shared_array import (
    Handle,
    SharedArray,
    attach,
    expect_shared,
    handle,
    segment_of,
    view,
)
from sharedcompute.validation.arrays import is_masked, plain_array

__all__ = [
    "BlockInfo",
    "Handle",
    "SharedArray",
    "arange",
    "asarray",
    "attach",
    "clean",
    "empty",
    "empty_like",
    "expect_shared",
    "full",
    "full_like",
    "handle",
    "list_blocks",
    "ones",
    "ones_like",
    "segment_of",
    "view",
    "zeros",
    "zeros_like",
]

Shape = int | tuple[int, ...]
Order = Literal["C", "F", "A", "K"]


def empty(shape: Shape, dtype: DTypeLike = float, order: Literal["C", "F"] = "C") -> SharedArray:
    """Return a new shared array of zeros: the system clears new memory.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
        Anything of fixed size: numeric, boolean, complex, structured, dates, fixed strings.
    order : {"C", "F"}
        Row-major or column-major.

    Returns
    -------
    SharedArray

    Raises
    ------
    InputError
        For object dtypes, whose elements are pointers into one process, and for bad shapes.
    MemoryBudgetError
        If it does not fit the memory that is available for shared blocks.
    """
    kind = _checked_dtype(dtype)
    sizes = _checked_shape(shape)
    if order not in ("C", "F"):
        raise InputError(f"expected the order 'C' or 'F', got {order!r}")
    segment = segments.create_segment(math.prod(sizes) * kind.itemsize)
    return SharedArray(sizes, kind, buffer=segment, order=order)


def zeros(shape: Shape, dtype: DTypeLike = float, order: Literal["C", "F"] = "C") -> SharedArray:
    """Return a new shared array of zeros.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
    order : {"C", "F"}
        As for `empty`.

    Returns
    -------
    SharedArray
    """
    return empty(shape, dtype, order)


def ones(shape: Shape, dtype: DTypeLike = float, order: Literal["C", "F"] = "C") -> SharedArray:
    """Return a new shared array of ones.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
    order : {"C", "F"}
        As for `empty`.

    Returns
    -------
    SharedArray
    """
    return full(shape, 1, dtype, order)


def full(
    shape: Shape,
    fill_value: object,
    dtype: DTypeLike | None = None,
    order: Literal["C", "F"] = "C",
) -> SharedArray:
    """Return a new shared array filled with `fill_value`.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : scalar or array_like
        An array is broadcast to `shape`.
    dtype : dtype, optional
        By default that of `fill_value`.
    order : {"C", "F"}
        As for `empty`.

    Returns
    -------
    SharedArray
    """
    value = plain_array(fill_value)
    array = empty(shape, value.dtype if dtype is None else dtype, order)
    np.copyto(array, value, casting="unsafe")
    return array


def arange(
    start: Any, stop: Any = None, step: Any = None, dtype: DTypeLike | None = None
) -> SharedArray:
    """Return a new shared array of evenly spaced numbers, as `numpy.arange`.

    Parameters
    ----------
    start, stop, step, dtype
        As for `numpy.arange`.

    Returns
    -------
    SharedArray
    """
    bounds = (start,) if stop is None and step is None else (start, stop)
    if step == 0:
        raise InputError("expected a step above or below 0, got 0")
    return asarray(np.arange(*bounds, *(() if step is None else (step,)), dtype=dtype))


def empty_like(
    a: ArrayLike, dtype: DTypeLike | None = None, order: Order = "K", shape: Shape | None = None
) -> SharedArray:
    """Return a new shared array like `a`, as `numpy.empty_like`: of zeros, see `empty`.

    Parameters
    ----------
    a : array_like
        The array whose shape and dtype are the defaults.
    dtype, order, shape : optional
        As for `numpy.empty_like`.

    Returns
    -------
    SharedArray
    """
    source = plain_array(a)
    kind = source.dtype if dtype is None else _checked_dtype(dtype)
    return _laid_out(source, source.shape if shape is None else shape, kind, order)


def zeros_like(
    a: ArrayLike, dtype: DTypeLike | None = None, order: Order = "K", shape: Shape | None = None
) -> SharedArray:
    """Return a new shared array of zeros like `a`, as `numpy.zeros_like`.

    Parameters
    ----------
    a : array_like
        The array whose shape and dtype are the defaults.
    dtype, order, shape : optional
        As for `numpy.zeros_like`.

    Returns
    -------
    SharedArray
    """
    return empty_like(a, dtype, order, shape)


def ones_like(
    a: ArrayLike, dtype: DTypeLike | None = None, order: Order = "K", shape: Shape | None = None
) -> SharedArray:
    """Return a new shared array of ones like `a`, as `numpy.ones_like`.

    Parameters
    ----------
    a : array_like
        The array whose shape and dtype are the defaults.
    dtype, order, shape : optional
        As for `numpy.ones_like`.

    Returns
    -------
    SharedArray
    """
    return full_like(a, 1, dtype, order, shape)


def full_like(
    a: ArrayLike,
    fill_value: object,
    dtype: DTypeLike | None = None,
    order: Order = "K",
    shape: Shape | None = None,
) -> SharedArray:
    """Return a new shared array like `a`, filled with `fill_value`, as `numpy.full_like`.

    Parameters
    ----------
    a : array_like
        The array whose shape and dtype are the defaults.
    fill_value : scalar or array_like
    dtype, order, shape : optional
        As for `numpy.full_like`.

    Returns
    -------
    SharedArray
    """
    value = plain_array(fill_value)
    array = empty_like(a, dtype, order, shape)
    np.copyto(array, value, casting="unsafe")
    return array


def asarray(
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Order | None = None,
    *,
    copy: bool | None = None,
    fill_value: object = None,
) -> SharedArray:
    """Return `a` in shared memory: itself if it is there and fits, else a copy.

    Parameters
    ----------
    a : array_like
        An array without mask and without units.
    dtype, order, copy : optional
        As for `numpy.asarray`. By default those of `a`, and a copy only if needed.
    fill_value : optional
        The value for masked elements of a masked array, which is refused without.

    Returns
    -------
    SharedArray

    Raises
    ------
    InputError
        `a` would lose its mask or units; or a copy is needed, and `copy` is False. Also as `empty`.
    """
    source = plain_array(a if fill_value is None else _filled(a, dtype, fill_value))
    kind = source.dtype if dtype is None else _checked_dtype(dtype)
    layout = order or "K"
    if layout not in get_args(Order):
        raise InputError(f"expected the order 'C', 'F', 'A' or 'K', got {order!r}")
    flags = source.flags
    fits = layout in "AK" or (flags.c_contiguous if layout == "C" else flags.f_contiguous)
    if not copy and fits and source.dtype == kind and segment_of(source) is not None:
        return source if isinstance(source, SharedArray) else source.view(SharedArray)
    if copy is False:
        raise InputError(
            f"expected a shared array of dtype {kind} in this order, as copy=False allows no copy, "
            f"got an array of {source.dtype}; leave copy out"
        )
    array = _laid_out(source, source.shape, kind, layout)
    np.copyto(array, source, casting="unsafe")
    return array


def _filled(a: Any, dtype: DTypeLike | None, fill_value: object) -> Any:
    if not is_masked(a):
        return a
    try:
        return (a if dtype is None else a.astype(dtype)).filled(fill_value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"expected a fill_value that {a.dtype if dtype is None else dtype} can hold, got "
            f"{fill_value!r}; give dtype=float, or another one"
        ) from None


def _laid_out(source: NDArray[Any], shape: Shape, kind: np.dtype[Any], order: Order) -> SharedArray:
    """Return a new array with the memory layout `order`, of `source` for "A" and "K"."""
    sizes = _checked_shape(shape)
    flags = source.flags
    if order == "A":
        order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    if order != "K":
        return empty(sizes, kind, order)
    if len(sizes) != source.ndim or flags.c_contiguous:
        return empty(sizes, kind)
    axes = sorted(range(source.ndim), key=lambda axis: -abs(source.strides[axis]))
    return empty(tuple(sizes[axis] for axis in axes), kind).transpose(np.argsort(axes))


def _checked_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise InputError(f"expected a dtype, got {dtype!r} ({error})") from None
    if kind.hasobject:
        raise InputError(
            f"expected a dtype of fixed size, got {kind}; "
            "objects cannot be shared, convert them to numbers"
        )
    return kind


def _checked_shape(shape: Shape) -> tuple[int, ...]:
    try:
        sizes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    except (TypeError, ValueError):
        sizes = (-1,)
    if min(sizes, default=0) < 0:
        raise InputError(f"expected a shape of whole numbers from 0 up, got {shape!r}")
    return sizes
