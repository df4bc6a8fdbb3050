"""The grid of chunks of a dataset, and where in the file each of them lies."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from h5py import h5d
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Box = tuple[tuple[int, ...], tuple[int, ...]]
Sides: TypeAlias = "tuple[slice[int, int, None], ...]"
"""A corner and the sides from there."""


class Piece(NamedTuple):
    """The piece of a box that one chunk has.

    Parameters
    ----------
    number : int
        The chunk, in C order over the grid.
    inside : tuple of slice
        Where the piece lies in the box.
    of_chunk : tuple of slice
        And in the chunk.
    """

    number: int
    inside: tuple[slice, ...]
    of_chunk: tuple[slice, ...]


@dataclass(frozen=True)
class ChunkGrid:
    """The grid of chunks that a dataset is cut into: integers only.

    Parameters
    ----------
    shape, chunks : tuple of int
    lead : tuple of int
        Elements along each axis that the first chunk has before the array: a window may begin
        inside of a chunk. Without it none.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    lead: tuple[int, ...] = ()

    @property
    def _lead(self) -> tuple[int, ...]:
        return self.lead or (0,) * len(self.shape)

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        axes = zip(self.shape, self.chunks, self._lead, strict=True)
        return tuple(-(-(n + before) // c) if n else 0 for n, c, before in axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """The difference of the numbers of neighbouring chunks along each axis."""
        counts = self.counts
        return tuple(math.prod(counts[axis + 1 :]) for axis in range(len(counts)))

    def __len__(self) -> int:
        return math.prod(self.counts)

    def corner(self, number: int) -> tuple[int, ...]:
        """Return the first element of a chunk."""
        return tuple(side.start for side in self.box(number))

    def box(self, number: int) -> Sides:
        """Return where a chunk lies, cut at the edges of the dataset."""
        index = map(int, np.unravel_index(number, self.counts))
        sides = zip(index, self.chunks, self._lead, self.shape, strict=True)
        return tuple(
            slice(max(0, i * c - before), min((i + 1) * c - before, n)) for i, c, before, n in sides
        )

    def pieces(
        self, corner: tuple[int, ...], shape: tuple[int, ...], steps: tuple[int, ...] = ()
    ) -> Iterator[Piece]:
        """Yield the chunks of a box that is not empty, in C order.

        Parameters
        ----------
        corner, shape : tuple of int
        steps : tuple of int
            Only every ``step``-th element along each axis; `shape` is that of these.
        """
        steps = steps or (1,) * len(shape)
        places = (at + before for at, before in zip(corner, self._lead, strict=True))
        axes = zip(places, shape, self.chunks, self.strides, steps, strict=True)
        for parts in itertools.product(*(_cuts(*axis) for axis in axes)):
            numbers, inside, of_chunk = zip(*parts, strict=True)
            yield Piece(sum(numbers), inside, of_chunk)


def box_at(corner: tuple[int, ...], shape: tuple[int, ...]) -> Sides:
    """Return the index of a box of `shape` that begins at `corner`."""
    return tuple(slice(at, at + side) for at, side in zip(corner, shape, strict=True))


def elements_at(
    corner: tuple[int, ...], shape: tuple[int, ...], steps: tuple[int, ...]
) -> tuple[slice, ...]:
    """Return the index of `shape` elements from `corner` on, every ``step``-th along each axis."""
    axes = zip(corner, shape, steps or (1,) * len(shape), strict=True)
    return tuple(slice(at, at + max(0, (side - 1) * step + 1), step) for at, side, step in axes)


def _cuts(at: int, side: int, chunk: int, stride: int, step: int) -> list[tuple[int, slice, slice]]:
    """Cut one axis of a box at the borders of chunks; those with no element of it are left out."""
    cuts, done = [], 0
    while done < side:
        first = at + done * step
        index, inside = divmod(first, chunk)
        until = min(side, -(-((index + 1) * chunk - at) // step))
        of_chunk = slice(inside, inside + (until - 1 - done) * step + 1, step)
        cuts.append((index * stride, slice(done, until), of_chunk))
        done = until
    return cuts


@dataclass(frozen=True)
class ChunkLocations:
    """Where chunks lie: arrays with one entry for each.

    Parameters
    ----------
    offset, size : ndarray of int64
        Bytes from the start of the file, and of the stored chunk; size 0 where none was written.
    mask : ndarray of int64
        Which filters were left out, one bit each.
    """

    offset: Ints
    size: Ints
    mask: Ints

    def in_file_order(self) -> Ints:
        """Return the entries of stored chunks, in the order in which they lie in the file."""
        stored = np.flatnonzero(self.size)
        order: Ints = stored[np.argsort(self.offset[stored], kind="stable")]
        return order


class ChunkIndex:
    """The places of all stored chunks of an open dataset.

    HDF5 lists all of them at once, 1 us each: for one chunk by its coordinates it walks
    through the whole index (0.1 ms each for 10,000 chunks, HDF5 2.0).

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
    grid : ChunkGrid
    """

    def __init__(self, dataset: h5d.DatasetID, grid: ChunkGrid) -> None:
        # Flat lists of integers: 10,000 tuples that are kept would set off the garbage collector,
        # which took longer than all the rest.
        corners: list[int] = []
        table: list[int] = []

        def note(chunk: Any) -> None:
            corners.extend(chunk.chunk_offset)
            table.extend((chunk.byte_offset, chunk.size, chunk.filter_mask))

        dataset.chunk_iter(note)
        at = np.array(corners, np.int64).reshape(-1, len(grid.shape))
        numbers = (at // np.array(grid.chunks, np.int64)) @ np.array(grid.strides, np.int64)
        # Chunks beyond the edge of a dataset that has shrunk are no longer its own.
        own = (at < np.array(grid.shape, np.int64)).all(axis=1)
        order = np.flatnonzero(own)[np.argsort(numbers[own], kind="stable")]
        self._numbers: Ints = numbers[order]
        places = np.array(table, np.int64).reshape(-1, 3)[order]
        self._places = ChunkLocations(*np.ascontiguousarray(places.T))

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def numbers(self) -> list[int]:
        """The stored chunks, in C order over the grid."""
        return [int(number) for number in self._numbers]

    @property
    def end(self) -> int:
        """The byte after the last stored chunk."""
        ends = self._places.offset + self._places.size
        return int(ends.max()) if len(ends) else 0

    def places(self, numbers: Ints) -> ChunkLocations:
        """Return where these chunks lie."""
        if not len(self._numbers):
            none = np.zeros(len(numbers), np.int64)
            return ChunkLocations(none, none, none)
        at = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        stored = self._numbers[at] == numbers
        every = self._places
        return ChunkLocations(every.offset[at], np.where(stored, every.size[at], 0), every.mask[at])


def contiguous_runs(
    first: Ints, after: Ints, most: int, together: NDArray[np.bool_] | bool = True
) -> list[slice]:
    """Return runs of consecutive entries, each beginning where the one before it ends.

    Parameters
    ----------
    first, after : ndarray of int64
        The byte where each begins, and the byte after it, in the order of `first`.
    most : int
        Bytes of a run at most, but for a single larger entry.
    together : ndarray of bool, optional
        Whether each may be read at once with the one before it; from the second on.
    """
    found: list[slice] = []
    begin = 0
    follows = [False, *((first[1:] == after[:-1]) & together).tolist()]
    starts, ends = first.tolist(), after.tolist()
    for i in range(1, len(starts) + 1):
        if i == len(starts) or not follows[i] or ends[i] - starts[begin] > most:
            found.append(slice(begin, i))
            begin = i
    return found
