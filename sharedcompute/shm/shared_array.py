"""The class of shared arrays: ndarrays whose memory every process of this machine can map.

The chain of ``base`` of an array ends at its `Segment`, so every view, also a plain ndarray, keeps
the block alive. The process that created the block removes it when its last view there is gone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Self, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sharedcompute.errors import InputError, ProgramError
from sharedcompute.shm import segments
from sharedcompute.shm.segments import Segment

_ndarray: Any = np.ndarray


class Handle(NamedTuple):
    """The place of an array in a block: it is sent instead of the array."""

    name: str
    size: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any] | str
    writable: bool


def _with_plain_results(cls: type[Any]) -> type[Any]:
    """Make all methods of ndarray return plain arrays for results in private memory."""

    def plainly(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            return _plain(method(*args, **kwargs))

        return call

    for name, method in vars(np.ndarray).items():
        # A view is always a view, and is taken for each call of a kernel.
        if callable(method) and not name.startswith("_") and name not in (*vars(cls), "view"):
            setattr(cls, name, plainly(method))
    return cls


def _plain(result: Any) -> Any:
    kind = type(result)
    if kind is _Private:
        return result.view(np.ndarray)
    if kind in (tuple, list):
        return kind(map(_plain, result))
    return result


@_with_plain_results
class SharedArray(np.ndarray[Any, Any]):
    """An ndarray in shared memory; pickled, it is a small handle.

    As with `numpy.memmap`, views are shared arrays and results are not: arithmetic, `copy`,
    `astype`, ``numpy.zeros_like`` and fancy indexing give plain arrays, reductions give scalars.
    A ``with`` block closes it at the end.
    """

    def __array_finalize__(self, obj: object) -> None:
        """Change the class of an array that NumPy has created in private memory."""
        if segment_of(self) is None:
            self.__class__ = _Private  # type: ignore[assignment]

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Return the result of a ufunc as a plain array or a scalar."""
        if self is array or type(self) is not SharedArray:
            return array
        if return_scalar or array.shape == ():
            return array[()]
        return array.view(np.ndarray)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Call a function of NumPy; return results in private memory as plain arrays."""
        return _plain(super().__array_function__(func, types, args, kwargs))

    def __getitem__(self, index: Any) -> Any:
        """Index; return a copy, as opposed to a view, as a plain array."""
        return _plain(super().__getitem__(index))

    @property
    def imag(self) -> NDArray[Any]:
        """The imaginary parts: a view; for real numbers zeros, a plain array."""
        found: NDArray[Any] = _plain(_ndarray.imag.__get__(self))
        return found

    @imag.setter
    def imag(self, value: ArrayLike) -> None:
        _ndarray.imag.__set__(self, value)

    def __copy__(self) -> Any:
        """Return a private copy, a plain array: `copy.copy`."""
        return self.view(np.ndarray).copy("K")

    def __deepcopy__(self, memo: dict[int, Any] | None, /) -> Any:
        """Return a private copy, a plain array: `copy.deepcopy`."""
        return self.view(np.ndarray).__deepcopy__(memo)

    def __enter__(self) -> Self:
        """Return the array; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the array."""
        self.close()

    def close(self) -> None:
        """Remove the block's name now; its views stay valid. Closing twice is harmless."""
        segment = segment_of(self)
        if segment is not None and segment.remove is not None:
            segment.remove()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the handle."""
        return attach, (handle(self),)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        """Pickle the handle: ndarray's own method would send the data."""
        del protocol
        return self.__reduce__()


class _Private(np.ndarray[Any, Any]):
    """An array that NumPy has created like a shared one in private memory: otherwise a plain array.

    Users see it where NumPy does not call the class, as in ``numpy.array(x, subok=True)``.
    """

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        """Pickle as a plain array."""
        return self.view(np.ndarray).__reduce_ex__(protocol)


def segment_of(array: NDArray[Any]) -> Segment | None:
    """Find the segment in which `array`, or the array that it is a view of, lies."""
    base: object = array
    while base is not None:
        if isinstance(base, Segment):
            return base
        # A memoryview stands between where a view went through the buffer protocol.
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return None


def expect_shared(array: NDArray[Any]) -> None:
    """Check that an array is in shared memory, so that other processes see what is written to it.

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
    """Return the handle with which another process maps `array`; None for private memory.

    Raises
    ------
    InputError
        If the array is closed: no other process can open it any more.
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
        # Its name pickles ten times as fast as a dtype, but serves plain ones only.
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
        If its block was removed.
    """
    return view(segments.open_segment(handle.name, handle.size), handle)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
