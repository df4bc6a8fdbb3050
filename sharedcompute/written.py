"""Whether a function that is to fill its output has done so.

A user's kernel finds 0 in its output. What is 0 afterwards may be its result, or was never written.
Which of the two, another call on a few of these rows tells, in memory that holds something else
before: what still holds that was left alone. Most kernels are never called again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError

Array = NDArray[Any]

_ROWS, _NBYTES = 64, 1 << 20
"""No more is looked at, at each end of the rows of one call."""

_FILLS = (0xA5, 0x5A, 0xC3, 0x3C)
"""What elements hold before a call, byte by byte. Noise of 8 bits is this by chance, but not each
time: so there are as many calls before a kernel is refused."""

_SIGNALLING = {2: 0x7D00, 4: 0x7FA00000, 8: 0x7FF4 << 48}
"""Floats hold NaN that arithmetic changes, so that what ``out += 0`` leaves counts as written."""


def check_returned(returned: Any, out: Array, kernel: str) -> None:
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


def check_written(
    kernel: Callable[..., Any], x: Array, out: Array, args: tuple[Any, ...], halo: int, name: str
) -> None:
    """Refuse a kernel that has left elements of `out` as they were.

    Parameters
    ----------
    kernel : callable
        It was called as ``kernel(x, out, *args)``, and may be again: with copies of the arrays that
        it could write to, and a few rows.
    x, out : ndarray
        `x` has `halo` rows more on each side. `out` was 0.
    name : str
        What the error calls the kernel.

    Raises
    ------
    InputError
    """
    size = out[:1].nbytes
    most = max(1, min(_ROWS, _NBYTES // size)) if size else 0
    for first in sorted({0, max(0, len(out) - most)}):
        rows = out[first : first + most]
        if not any(_holds(leaf, bytes(leaf.itemsize)).any() for leaf in _leaves(rows)):
            continue
        left = _left_alone(kernel, x[first : first + len(rows) + 2 * halo], rows, args)
        if not left.any():
            continue
        at = np.unravel_index(int(left.argmax()), left.shape)
        where = ", ".join(str(int(i) + first * (not axis)) for axis, i in enumerate(at))
        what = "wrote nothing to out" if left.all() else f"left out[{where}] as it was"
        raise InputError(
            f"{name} {what}: expected a function that writes all of its second argument in place, "
            "as out[...] = x * 2 does and out = x * 2 does not"
        )


def _left_alone(
    kernel: Callable[..., Any], x: Array, like: Array, args: tuple[Any, ...]
) -> NDArray[np.bool_]:
    """Which elements a kernel does not write, whatever they hold."""
    out = np.empty(like.shape, like.dtype)
    left = np.ones(like.shape, np.bool_)
    for fill in _FILLS:
        held = [(leaf, _pattern(leaf.dtype, fill)) for leaf in _leaves(out)]
        for leaf, pattern in held:
            _bits(leaf)[...] = np.frombuffer(pattern, _bits(leaf).dtype)[0]
        try:
            # Whatever it makes of what it reads there is nobody's.
            with np.errstate(all="ignore"):
                kernel(x, out, *map(_own, args))
        except Exception:  # noqa: BLE001 - it cannot be called so, and has done well with zeros
            return np.zeros(like.shape, np.bool_)
        same = np.zeros(like.shape, np.bool_)
        for leaf, pattern in held:
            # A field may hold an array in each element.
            same |= _holds(leaf, pattern).reshape(*like.shape, -1).any(axis=-1)
        left &= same
        if not left.any():
            break
    return left


def _leaves(array: Array) -> Iterator[Array]:
    """What can be written by itself: the fields of structures, the two parts of complex numbers."""
    if array.dtype.names is not None:
        for name in array.dtype.names:
            yield from _leaves(array[name])
    elif array.dtype.kind == "c":
        yield from (array.real, array.imag)
    elif array.dtype.itemsize:
        yield array


def _bits(leaf: Array) -> Array:
    """The same elements as plain bits, which compare as they stand."""
    size = leaf.dtype.itemsize
    return leaf.view(f"u{size}" if size in (1, 2, 4, 8) else f"V{size}")


def _holds(leaf: Array, pattern: bytes) -> NDArray[np.bool_]:
    bits = _bits(leaf)
    return np.asarray(bits == np.frombuffer(pattern, bits.dtype)[0])


def _pattern(dtype: np.dtype[Any], fill: int) -> bytes:
    if dtype.kind == "f" and dtype.itemsize in _SIGNALLING:
        return (_SIGNALLING[dtype.itemsize] + fill).to_bytes(dtype.itemsize, sys.byteorder)
    return bytes([fill]) * dtype.itemsize


def _own(argument: Any) -> Any:
    """An argument that a call may write to without a trace."""
    writable = isinstance(argument, np.ndarray) and argument.flags.writeable
    return argument.copy("K") if writable else argument
