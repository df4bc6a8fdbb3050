"""Checks that a kernel has written all of its output.

The output of a user's kernel is 0 before the call. An element that is 0 after it may be a result,
or was never written. More calls on a few of these rows decide, with output that holds another
pattern: an element that still holds it was not written, or the kernel added something to it that
changes nothing. A kernel that may do the latter is never refused. Most kernels are never called
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError

Array = NDArray[Any]

_ROWS, _NBYTES = 64, 1 << 20
"""The most rows and bytes that are checked, at each end of the rows of one call."""

_FILLS = (0xA5, 0x5A, 0xC3, 0x3C)
"""The bytes of elements before a call, one for each call. Noise of 8 bits may equal one by chance,
but not each time: so there are this many calls before a kernel is refused."""

_SIGNALLING = {2: 0x7D00, 4: 0x7FA00000, 8: 0x7FF4 << 48}
"""Floats hold signalling NaN, which arithmetic changes, so that elements after ``out += 0`` count
as written. In the last two calls they hold numbers below and above all others, of which a maximum
or minimum with `out` changes at least one."""


def check_returned(returned: object, out: Array, kernel: str) -> None:
    """Refuse a kernel that returns its result, as it has not written it to `out`.

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
    kernel: Callable[..., object],
    x: Array,
    out: Array,
    args: tuple[object, ...],
    halo: int,
    name: str,
    meant: str = "its second argument",
) -> None:
    """Refuse a kernel that has not written all elements of `out`.

    Parameters
    ----------
    kernel : callable
        It was called as ``kernel(x, out, *args)``, and may be called again, with a few rows and
        with copies of the arrays that it could write to.
    x, out : ndarray
        `x` has `halo` rows more on each side. `out` was 0 before the call.
    name : str
        The name of the kernel, for the error.
    meant : str
        What the kernel calls `out`, for the error.

    Raises
    ------
    InputError
    """
    size = out[:1].nbytes
    most = max(1, min(_ROWS, _NBYTES // size)) if size else 0
    for first in sorted({0, max(0, len(out) - most)}):
        rows = out[first : first + most]
        if not any(leaf.holds(bytes(leaf.array.itemsize)).any() for leaf in _leaves(rows)):
            continue
        what = _left_alone(kernel, x[first : first + len(rows) + 2 * halo], rows, args, first)
        if what is not None:
            raise InputError(
                f"{name} {what}: expected a function that writes all of {meant} in "
                "place, as out[...] = x * 2 does and out = x * 2 does not"
            )


@dataclass(frozen=True)
class _Leaf:
    """A part of an array that can be written separately: a field, a real or imaginary part.

    Parameters
    ----------
    name : str
        The expression for it, after ``out``.
    array : ndarray
    """

    name: str
    array: Array

    @cached_property
    def bits(self) -> Array:
        """The same elements as plain bits, for exact comparison."""
        size = self.array.dtype.itemsize
        return self.array.view(f"u{size}" if size in (1, 2, 4, 8) else f"V{size}")

    @property
    def tells(self) -> bool:
        """Whether any addition to an element changes its bits."""
        return self.array.dtype.kind == "f" and self.array.dtype.itemsize in _SIGNALLING

    def holds(self, pattern: bytes) -> NDArray[np.bool_]:
        """Return which elements hold a pattern."""
        return np.asarray(self.bits == np.frombuffer(pattern, self.bits.dtype)[0])

    def fill(self, call: int) -> bytes:
        """Fill all elements with the pattern for a call, and return the pattern."""
        dtype = self.array.dtype
        if not self.tells:
            pattern = bytes([_FILLS[call]]) * dtype.itemsize
        elif call < 2:
            bits = _SIGNALLING[dtype.itemsize] + _FILLS[call]
            pattern = np.array(bits, dtype.str.replace("f", "u")).tobytes()
        else:
            pattern = np.array((-1) ** (call + 1) * np.finfo(dtype).max, dtype).tobytes()
        self.bits[...] = np.frombuffer(pattern, self.bits.dtype)[0]
        return pattern


def _leaves(array: Array, name: str = "") -> Iterator[_Leaf]:
    if array.dtype.names is not None:
        for field in array.dtype.names:
            yield from _leaves(array[field], f'{name}["{field}"]')
    elif array.dtype.kind == "c":
        yield from (_Leaf(f"{name}.real", array.real), _Leaf(f"{name}.imag", array.imag))
    elif array.dtype.itemsize:
        yield _Leaf(name, array)


def _left_alone(
    kernel: Callable[..., object], x: Array, like: Array, args: tuple[object, ...], first: int
) -> str | None:
    """Describe what a kernel leaves of rows from `first` on; None if it may well write all.

    Elements are left if they keep each pattern, while all others get the same values with every
    pattern: a kernel whose results depend on the pattern adds to `out`, and may have added nothing.
    Integers can hide even that, so for them only a kernel that never writes is found.
    """
    out = np.empty(like.shape, like.dtype)
    leaves = list(_leaves(out))
    left = [leaf.holds(bytes(leaf.array.itemsize)) for leaf in _leaves(like)]
    before: list[tuple[NDArray[np.bool_], Array]] = []
    for call in range(len(_FILLS)):
        patterns = [leaf.fill(call) for leaf in leaves]
        if not _runs(kernel, x, out, args):
            return None
        kept = [leaf.holds(pattern) for leaf, pattern in zip(leaves, patterns, strict=True)]
        for leaf, same, (then, made) in zip(leaves, kept, before, strict=False):
            if (same != then).any() or (leaf.bits != made)[~same].any():
                return None
        before = [(same, leaf.bits.copy()) for leaf, same in zip(leaves, kept, strict=True)]
        left = [were & same for were, same in zip(left, kept, strict=True)]
        nothing = all(each.all() for each in left)
        if not nothing and not any(
            leaf.tells and each.any() for leaf, each in zip(leaves, left, strict=True)
        ):
            return None
    if nothing:
        return None if _writes(kernel, x, out, args) else "wrote nothing to out"
    return _first_left(leaves, left, like.ndim, first)


def _first_left(leaves: list[_Leaf], left: list[NDArray[np.bool_]], ndim: int, first: int) -> str:
    """Name the first element, or the field, that is left."""
    leaf, each = next((a, b) for a, b in zip(leaves, left, strict=True) if a.tells and b.any())
    at = np.unravel_index(int(each.argmax()), each.shape)
    everywhere = all(other[at[:ndim]].all() for other in left)
    if each.all() and not everywhere:
        return f"left out{leaf.name} as it was"
    at = at[:ndim] if everywhere else at
    where = ", ".join(str(int(i) + first * (not axis)) for axis, i in enumerate(at))
    return f"left out{'' if everywhere else leaf.name}[{where}] as it was"


def _writes(kernel: Callable[..., object], x: Array, out: Array, args: tuple[object, ...]) -> bool:
    """Return whether a kernel writes to `out`: it fails for a read-only one, or is not compiled."""
    if not getattr(kernel, "_can_compile", True):
        # Its explicit signatures do not allow for read-only arrays.
        kernel = getattr(kernel, "py_func", kernel)
    out[...] = np.zeros((), out.dtype)
    out.flags.writeable = False
    return not _runs(kernel, x, out, args)


def _runs(kernel: Callable[..., object], x: Array, out: Array, args: tuple[object, ...]) -> bool:
    """Call a kernel without side effects; return whether it succeeds, as it does for zeros."""
    try:
        # Its results with these patterns are discarded.
        with np.errstate(all="ignore"):
            kernel(x, out, *map(_own, args))
    except Exception:  # noqa: BLE001 - a failure with these patterns proves nothing
        return False
    return True


def _own(argument: Any) -> Any:
    """Return an argument, and the arrays inside of it, as copies that a call may write to."""
    if isinstance(argument, np.ndarray):
        return argument.copy("K") if argument.flags.writeable else argument
    if type(argument) in (list, tuple):
        return type(argument)(map(_own, argument))
    if isinstance(argument, tuple) and hasattr(argument, "_make"):
        return argument._make(map(_own, argument))
    if type(argument) is dict:
        return {key: _own(value) for key, value in argument.items()}
    return argument
