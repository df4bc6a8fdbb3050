"""Windows of arrays: what basic indexing picks, as plain data, and as it is written."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import SupportsIndex, cast

from sharedcompute.errors import InputError

Key = int | slice | EllipsisType
"""One entry of a basic index."""

Steps = tuple[int, ...]

_NUMBER = r"[+-]?\d+"
_INDEX = re.compile(
    rf"({_NUMBER})|(\.\.\.)|({_NUMBER})?\s*:\s*({_NUMBER})?(?:\s*:\s*({_NUMBER})?)?"
)

_DATE = r"\d+-\d+(?:-\d+(?:[T ]\d+(?::\d+(?::\d+(?:\.\d*)?)?)?Z?)?)?"
_LABEL = re.compile(rf"[^:]*|{_DATE}")
"""A label as it is written: of those with colons in them, only times of the day."""

_MARKED = re.compile(r"[-+\d:,.\s]+|[^=,\[\]]+=.*", re.DOTALL)
"""What in brackets is a window, and no end of a name."""


@dataclass(frozen=True)
class Cut:
    """What a window has of one axis.

    Parameters
    ----------
    start, count, step : int
        Elements ``start, start + step ...``, `count` of them; a step is never 0.
    dropped : bool
        It is one element, picked by a number: the axis is gone.
    """

    start: int
    count: int
    step: int = 1
    dropped: bool = False

    @property
    def low(self) -> int:
        """The first element, in the order of the array."""
        return min(self.start, self.start + (self.count - 1) * self.step) if self.count else 0

    @property
    def span(self) -> int:
        """Elements from the first to the last, those between them that are left out included."""
        return (self.count - 1) * abs(self.step) + 1 if self.count else 0

    @property
    def index(self) -> int | slice:
        """The same for NumPy."""
        if self.dropped:
            return self.start
        stop = self.start + self.count * self.step
        return slice(self.start, stop if stop >= 0 else None, self.step)

    def then(self, other: Cut) -> Cut:
        """Return what `other` has of this."""
        start = self.start + other.start * self.step
        return _cut(start, other.count, self.step * other.step, other.dropped)

    def is_all(self, n: int) -> bool:
        """Return whether it is the whole axis, of length `n`, as it is."""
        return (self.start, self.count, self.step, self.dropped) == (0, n, 1, False)

    def written(self, n: int) -> str:
        """Return it as in an index of an axis of length `n`."""
        if self.dropped:
            return str(self.start)
        if self.is_all(n):
            return ":"
        stop = self.start + self.count * self.step
        ends = f"{self.start}:{min(stop, n) if stop >= 0 else ''}"
        return ends if self.step == 1 else f"{ends}:{self.step}"


def _cut(start: int, count: int, step: int, dropped: bool = False) -> Cut:
    """Return a cut; one of less than two elements has no step, an empty one begins at 0."""
    return Cut(start if count else 0, count, step if count > 1 else 1, dropped)


@dataclass(frozen=True)
class Window:
    """A window of an array: what a basic index picks.

    Parameters
    ----------
    whole : tuple of int
        The shape of the array.
    axes : tuple of Cut
        One for each axis of it.

    Examples
    --------
    >>> Window.of((slice(1, None, 2), ..., 0), (5, 4, 3))
    Window(whole=(5, 4, 3), axes=(Cut(start=1, count=2, step=2, dropped=False), \
Cut(start=0, count=4, step=1, dropped=False), Cut(start=0, count=1, step=1, dropped=True)))
    >>> Window.of((slice(1, None, 2), ..., 0), (5, 4, 3)).shape
    (2, 4)
    """

    whole: tuple[int, ...]
    axes: tuple[Cut, ...]

    @classmethod
    def of(cls, key: object, shape: Sequence[int]) -> Window:
        """Return the window that a basic index picks of an array of `shape`.

        Parameters
        ----------
        key : int, slice, Ellipsis or a tuple of them
        shape : sequence of int

        Raises
        ------
        IndexError
            As NumPy's.
        """
        full = _expanded(key if isinstance(key, tuple) else (key,), len(shape))
        cuts = (_picked(k, n, axis) for axis, (k, n) in enumerate(zip(full, shape, strict=True)))
        return cls(tuple(shape), tuple(cuts))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the window."""
        return tuple(cut.count for cut in self.axes if not cut.dropped)

    @property
    def kept(self) -> tuple[int, ...]:
        """For each axis of the window, the axis of the whole that it is of."""
        return tuple(axis for axis, cut in enumerate(self.axes) if not cut.dropped)

    @property
    def index(self) -> tuple[int | slice, ...]:
        """The same for NumPy."""
        return tuple(cut.index for cut in self.axes)

    @property
    def is_all(self) -> bool:
        """Whether it is all of the array, as it is."""
        return all(cut.is_all(n) for cut, n in zip(self.axes, self.whole, strict=True))

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def then(self, other: Window) -> Window:
        """Return the window that `other` is of this one."""
        inner = iter(other.axes)
        return Window(
            self.whole, tuple(cut if cut.dropped else cut.then(next(inner)) for cut in self.axes)
        )

    def part(self, corner: Sequence[int], sides: Sequence[int], steps: Steps) -> tuple[Cut, ...]:
        """Return what a box of the window, with steps, has of each axis of the whole."""
        asked = iter(map(Cut, corner, sides, steps))
        return tuple(cut if cut.dropped else cut.then(next(asked)) for cut in self.axes)

    def bounds(
        self, corner: Sequence[int], sides: Sequence[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the box of the whole that has all elements of a box of the window."""
        cuts = self.part(corner, sides, (1,) * len(sides))
        return tuple(cut.low for cut in cuts), tuple(cut.span for cut in cuts)

    def __str__(self) -> str:
        cuts = zip(self.axes, self.whole, strict=True)
        return f"[{', '.join(cut.written(n) for cut, n in cuts)}]"


def _expanded(keys: tuple[object, ...], ndim: int) -> tuple[object, ...]:
    """Return one key for each axis."""
    gaps = sum(key is Ellipsis for key in keys)
    if gaps > 1 or len(keys) - gaps > ndim:
        raise IndexError(f"expected at most {ndim} indices and one '...', got {keys}")
    at = next((n for n, key in enumerate(keys) if key is Ellipsis), len(keys))
    missing = (slice(None),) * (ndim - len(keys) + gaps)
    return (*keys[:at], *missing, *keys[at + gaps :])


def _picked(key: object, n: int, axis: int) -> Cut:
    """Return what one key picks of an axis of length `n`."""
    if isinstance(key, slice):
        taken = range(*key.indices(n))
        return _cut(taken.start, len(taken), taken.step)
    if isinstance(key, bool):
        raise IndexError("expected whole numbers and slices, got a truth value; index with slices")
    index = operator.index(cast(SupportsIndex, key))
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    return Cut(index % n, 1, 1, dropped=True)


@dataclass(frozen=True)
class WindowText:
    """A window as it is written after an address, by index or by coordinate.

    Parameters
    ----------
    text : str
        With its brackets: ``[31:59, :, ::2]``, ``[time=2001-03, lat=30:60]``.
    """

    text: str

    @property
    def is_by_label(self) -> bool:
        """Whether it names coordinates."""
        return "=" in self.text

    @property
    def keys(self) -> tuple[Key, ...]:
        """The index.

        Raises
        ------
        InputError
            It is none.
        """
        return tuple(map(self._key, self.text[1:-1].split(",")))

    @property
    def labels(self) -> dict[str, str | slice]:
        """The labels by the names of their coordinates: one, or a slice from one to another.

        Raises
        ------
        InputError
            They are written in another way.
        """
        found: dict[str, str | slice] = {}
        for word in self.text[1:-1].split(","):
            name, equals, given = (piece.strip() for piece in word.partition("="))
            if not equals or not name or not given or name in found:
                raise InputError(
                    f"expected NAME=VALUE or NAME=FROM:TO, each name once, got {word.strip()!r} "
                    f"in {self.text}; write [time=2001-03, lat=30:60]"
                )
            found[name] = self._label(given)
        return found

    def __str__(self) -> str:
        return self.text

    def _key(self, word: str) -> Key:
        found = _INDEX.fullmatch(word.strip())
        if found is None or (found[5] is not None and int(found[5]) == 0):
            raise InputError(
                f"expected whole numbers, slices FROM:TO:STEP and '...', got {word.strip()!r} in "
                f"{self.text}; write [31:59, :, ::2]"
            )
        if found[1] is not None:
            return int(found[1])
        if found[2] is not None:
            return Ellipsis
        return slice(*(None if n is None else int(n) for n in found.group(3, 4, 5)))

    def _label(self, given: str) -> str | slice:
        """Return a label, or the slice between two; times of the day have colons as well."""
        if _LABEL.fullmatch(given):
            return given
        for at in (place.start() for place in re.finditer(":", given)):
            ends = given[:at].strip(), given[at + 1 :].strip()
            if all(map(_LABEL.fullmatch, ends)):
                return slice(*(end or None for end in ends))
        raise InputError(
            f"expected VALUE or FROM:TO, got {given!r} in {self.text}; write [time=2001-03, "
            "lat=30:60]"
        )


def split_window(path: str) -> tuple[str, WindowText | None]:
    """Split what follows the file's name into the path and the window in brackets at its end.

    Brackets that hold neither an index nor names with values belong to the path.
    """
    at = path.rfind("[")
    if at < 0 or not path.endswith("]") or not _MARKED.fullmatch(path[at + 1 : -1]):
        return path, None
    return path[:at], WindowText(path[at:])
