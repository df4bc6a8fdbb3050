"""Shared arrays: NumPy arrays whose memory every process of this machine can map.

An array's chain of ``base`` ends at its `Segment`, so every view, also a plain ndarray, keeps the
block alive. The process that made the block removes it when the last view there is gone.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from sharedcompute import segments
from sharedcompute.errors import InputError, ProgramError
from sharedcompute.segments import BlockInfo, Segment, clean, list_blocks

__all__ = [
    "BlockInfo",
    "Handle",
    "SharedArray",
    "asarray",
    "attach",
    "clean",
    "empty",
    "empty_like",
    "full",
    "handle",
    "list_blocks",
    "segment_of",
    "view",
    "zeros",
]

Shape = int | tuple[int, ...]


class Handle(NamedTuple):
    """What travels instead of an array: where it lies in which block."""

    name: str
    size: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any] | str
    writable: bool


class SharedArray(np.ndarray[Any, Any]):
    """An ndarray in shared memory; pickled, it is a small handle.

    As with `numpy.memmap`, views are shared arrays and results are not: arithmetic, `copy`,
    `astype` and fancy indexing give plain arrays, reductions give scalars.
    """

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Give a ufunc's result as a plain array or a scalar."""
        if self is array or type(self) is not SharedArray:
            return array
        if return_scalar or array.shape == ():
            return array[()]
        return array.view(np.ndarray)

    def __getitem__(self, index: Any) -> Any:
        """Index; what is a copy and not a view comes as a plain array."""
        return _plain_if_private(super().__getitem__(index))

    def copy(self, order: Any = "C") -> NDArray[Any]:  # type: ignore[override]
        """Return a private copy, a plain array."""
        return self.view(np.ndarray).copy(order)

    def astype(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        """Return a private copy with another dtype, a plain array; as `numpy.ndarray.astype`."""
        return self.view(np.ndarray).astype(*args, **kwargs)

    def flatten(self, order: Any = "C") -> NDArray[Any]:
        """Return a private copy in one dimension, a plain array."""
        return self.view(np.ndarray).flatten(order)

    def close(self) -> None:
        """Remove the block's name now; its views stay valid. Closing twice is harmless."""
        segment = segment_of(self)
        if segment is not None and segment.remove is not None:
            segment.remove()

    def __reduce__(self) -> Any:
        """Pickle the handle; a private array of this type pickles as a plain array."""
        found = handle(self)
        if found is None:
            return self.view(np.ndarray).__reduce__()
        return attach, (found,)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As `__reduce__`: ndarray's own would send the data."""
        del protocol
        return self.__reduce__()


def empty(shape: Shape, dtype: DTypeLike = float) -> SharedArray:
    """Return a new shared array of zeros: the system hands out memory cleared.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
        Anything of fixed size: numeric, boolean, complex, structured, dates, fixed strings.

    Raises
    ------
    InputError
        For object dtypes, whose elements are pointers into one process, and for bad shapes.
    MemoryBudgetError
        Where the room for shared memory does not hold it.
    """
    kind = _checked_dtype(dtype)
    sizes = _checked_shape(shape)
    segment = segments.create(math.prod(sizes) * kind.itemsize)
    return SharedArray(sizes, kind, buffer=segment)


def zeros(shape: Shape, dtype: DTypeLike = float) -> SharedArray:
    """Return a new shared array of zeros. See `empty`."""
    return empty(shape, dtype)


def full(shape: Shape, fill_value: Any, dtype: DTypeLike | None = None) -> SharedArray:
    """Return a new shared array filled with `fill_value`. See `empty`."""
    array = empty(shape, np.asarray(fill_value).dtype if dtype is None else dtype)
    array[...] = fill_value
    return array


def asarray(a: ArrayLike, dtype: DTypeLike | None = None) -> SharedArray:
    """Return `a` in shared memory: itself where it is a shared array of that dtype, else a copy.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
        That of `a` by default.
    """
    source = np.asanyarray(a)
    kind = source.dtype if dtype is None else np.dtype(dtype)
    if isinstance(source, SharedArray) and source.dtype == kind and segment_of(source) is not None:
        return source
    array = empty(source.shape, kind)
    np.copyto(array, source, casting="unsafe")
    return array


def empty_like(a: ArrayLike, dtype: DTypeLike | None = None) -> SharedArray:
    """Return a new shared array with the shape of `a`, and its dtype unless given."""
    source = np.asanyarray(a)
    return empty(source.shape, source.dtype if dtype is None else dtype)


def segment_of(array: NDArray[Any]) -> Segment | None:
    """Find the segment that `array`, or what it is a view of, lies in."""
    base: Any = array
    while base is not None:
        if isinstance(base, Segment):
            return base
        # A memoryview stands between where a view went through the buffer protocol.
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return None


def expect_shared(array: NDArray[Any]) -> None:
    """Refuse an array in private memory where others are to see what is written to it.

    Raises
    ------
    ProgramError
    """
    if segment_of(array) is None:
        raise ProgramError(
            "expected an array in shared memory to write to, got a private copy of it that nobody "
            "else would see: give a shared array, as sharedcompute.asarray makes it"
        )


def handle(array: NDArray[Any]) -> Handle | None:
    """Return what another process needs to map `array`; None where it is private memory.

    Raises
    ------
    InputError
        Where the array was closed: nobody else can open it any more.
    """
    segment = segment_of(array)
    if segment is None:
        return None
    if segment.remove is not None and not segment.remove.alive:
        raise InputError("expected an open shared array, got a closed one; close it after its jobs")
    return Handle(
        segment.name,
        len(segment),
        _address(array) - segment.address if array.size else 0,
        array.shape,
        array.strides,
        # Its name pickles ten times as fast as a dtype, but tells a plain one only.
        array.dtype.str if array.dtype.isbuiltin else array.dtype,
        array.flags.writeable,
    )


def view(segment: Segment, handle: Handle) -> SharedArray:
    """Return the array of `handle` in its mapped segment."""
    array = SharedArray(
        handle.shape, handle.dtype, buffer=segment, offset=handle.offset, strides=handle.strides
    )
    array.flags.writeable = handle.writable
    return array


def attach(handle: Handle) -> SharedArray:
    """Map the array of `handle`.

    Raises
    ------
    InputError
        Where its block is gone.
    """
    return view(segments.open_segment(handle.name, handle.size), handle)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _plain_if_private(result: Any) -> Any:
    if type(result) is SharedArray and segment_of(result) is None:
        return result.view(np.ndarray)
    return result


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


def check_returned(returned: Any, out: np.ndarray[Any, Any], kernel: str) -> None:
    """Refuse a kernel that returns its result, and so has not written it to `out`.

    ``lambda x, out: np.sqrt(x, out=out)`` returns `out`, and that is fine.
    """
    if returned is None or (
        isinstance(returned, np.ndarray) and np.may_share_memory(returned, out)
    ):
        return
    raise InputError(
        f"{kernel} returned a value: expected a function that writes into out, its second argument"
    )
