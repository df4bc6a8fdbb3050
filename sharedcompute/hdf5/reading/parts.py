"""Datasets put together from boxes of other datasets: where each box lies here and there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sharedcompute.hdf5.reading.source import DatasetSource

Box = tuple[tuple[int, ...], tuple[int, ...]]
"""A corner and the sides from there."""


@dataclass(frozen=True)
class Unpacking:
    """How stored rows become the numbers that they mean. It pickles.

    Those of equal sources are equal.

    Parameters
    ----------
    kernel : callable or None
        ``kernel(rows, out, *args)``, both C-contiguous; None where a cast does it.
    args : tuple
    dtype : numpy.dtype
        Of what it gives.
    taken : numpy.dtype or None
        What rows are cast to before; None: they are taken as they are.
    """

    kernel: Callable[..., None] | None
    args: tuple[Any, ...] = field(compare=False)
    dtype: np.dtype[Any]
    taken: np.dtype[Any] | None = None

    def of(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The numbers that `rows` mean."""
        if self.kernel is None:
            return rows.astype(self.dtype)
        rows = np.ascontiguousarray(rows, self.taken)
        out: NDArray[Any] = np.empty(rows.shape, self.dtype)
        self.kernel(rows, out, *self.args)
        return out


@dataclass(frozen=True)
class Part:
    """A box of a source that is a box of another dataset, perhaps in another file.

    Both boxes have the same sides, but for sides of length 1, which either may have more of: a
    frame of ``(ny, nx)`` is the box ``(1, ny, nx)`` of a stack.

    Parameters
    ----------
    corner : tuple of int
        Where the box begins in the whole.
    shape : tuple of int
    source : DatasetSource
        Where its elements lie.
    source_corner : tuple of int
        Where the box begins there.
    source_shape : tuple of int
    unpacking : Unpacking or None
        What is done with the rows of the source; None: they are taken as they are.
    """

    corner: tuple[int, ...]
    shape: tuple[int, ...]
    source: DatasetSource
    source_corner: tuple[int, ...]
    source_shape: tuple[int, ...]
    unpacking: Unpacking | None = None

    @property
    def stop(self) -> int:
        """The row of the whole after its last one."""
        return self.corner[0] + self.shape[0]

    @property
    def row_alignment(self) -> int:
        """Rows of the whole that one chunk of the source has."""
        ours, theirs = long_axes(self.shape), long_axes(self.source_shape)
        if not ours or ours[0] != 0:
            return 1
        if theirs[0] == 0:
            return self.source.row_alignment
        return self.source.chunks[theirs[0]] if self.source.chunks else 1

    def shared(self, corner: Sequence[int], shape: Sequence[int]) -> Box | None:
        """What it has in common with a box of the whole, in the coordinates of the whole."""
        first = tuple(map(max, self.corner, corner))
        ends = zip(self.corner, self.shape, corner, shape, strict=True)
        last = (min(a + m, b + n) for a, m, b, n in ends)
        sides = tuple(stop - start for start, stop in zip(first, last, strict=True))
        return (first, sides) if min(sides) > 0 else None

    def in_source(self, corner: Sequence[int], shape: Sequence[int]) -> Box:
        """The box of the source that lies at a box of the whole which this part has all of."""
        first, sides = list(self.source_corner), list(self.source_shape)
        axes = zip(long_axes(self.shape), long_axes(self.source_shape), strict=True)
        for here, there in axes:
            first[there] += corner[here] - self.corner[here]
            sides[there] = shape[here]
        return tuple(first), tuple(sides)


def long_axes(shape: Sequence[int]) -> list[int]:
    """The axes that are not of length 1."""
    return [axis for axis, side in enumerate(shape) if side != 1]


def cover(parts: Sequence[Part], shape: Sequence[int]) -> bool:
    """Whether parts that do not overlap leave nothing of `shape` out."""
    return sum(math.prod(part.shape) for part in parts) == math.prod(shape)


def overlap(parts: Sequence[Part]) -> bool:
    """Whether any two parts have an element in common.

    Each part is compared with those that share rows with it: time goes by the parts times the most
    of them in one row, and a stack of 10,000 frames takes no longer than 10,000 steps.
    """
    active: list[Part] = []
    for part in sorted(parts, key=lambda part: part.corner):
        active = [other for other in active if other.stop > part.corner[0]]
        if any(other.shared(part.corner, part.shape) for other in active):
            return True
        active.append(part)
    return False


def merge(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The same boxes, those of one source as one where they go on along rows there and here.

    A stack whose frames were mapped one by one from one array is that array again.
    """
    made: list[Part] = []
    for part in sorted(parts, key=lambda part: (part.corner[1:], part.corner[0])):
        if made and _goes_on(made[-1], part):
            sides = (made[-1].shape[0] + part.shape[0], *part.shape[1:])
            made[-1] = replace(made[-1], shape=sides, source_shape=sides)
        else:
            made.append(part)
    return tuple(made)


def _goes_on(part: Part, other: Part) -> bool:
    """Whether `other` follows `part` in the whole as it does in the source of both."""
    if part.source is not other.source or part.shape[1:] != other.shape[1:]:
        return False
    if part.shape != part.source_shape or other.shape != other.source_shape:
        return False
    here, there = (part.stop, *part.corner[1:]), list(part.source_corner)
    there[0] += part.shape[0]
    return other.corner == here and other.source_corner == tuple(there)


def most_in_a_row(parts: Sequence[Part]) -> int:
    """The most parts that any one row has elements of."""
    starts = np.sort([part.corner[0] for part in parts])
    stops = np.sort([part.stop for part in parts])
    begun = np.searchsorted(starts, starts, side="right")
    ended = np.searchsorted(stops, starts, side="right")
    return int((begun - ended).max(initial=0))


def read_paths(parts: Sequence[Part]) -> str:
    """The read paths that the parts take, for a person."""
    return ", ".join(dict.fromkeys(_paths(parts)))


def _paths(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        yield from _paths(part.source.parts) if part.source.parts else (part.source.read_path,)
