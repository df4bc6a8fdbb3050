"""Boxes of whole chunks: what a worker or a thread decodes at a time."""

from __future__ import annotations

import math

from sharedcompute.hdf5.format.chunks import ChunkGrid, Sides
from sharedcompute.hdf5.reading.stored import Stored

UNIT_NBYTES = 1 << 20
"""What is decoded at a time, at least: so much hides what a claim costs."""


def boxes_of(
    source: Stored, shape: tuple[int, ...], corner: tuple[int, ...] = (), least: int | None = None
) -> ChunkGrid:
    """Return the boxes that a box of a source is decoded in, each chunk of it once.

    Parameters
    ----------
    source : Stored
    shape : tuple of int
        Of the box.
    corner : tuple of int
        Where it begins; by default where the source does.
    least : int, optional
        Bytes of each at the least, of which a chunk may have few; by default `UNIT_NBYTES`.
    """
    if source.grid is None:
        # Rows: as one box, one worker would convert everything, in a buffer as large.
        return units(shape, (1, *shape[1:]), source.dtype.itemsize, least=least)
    chunks, lead = source.grid
    first = corner or (0,) * len(shape)
    before = tuple((n + at) % c for n, at, c in zip(lead, first, chunks, strict=True))
    return units(shape, chunks, source.dtype.itemsize, before if any(before) else (), least)


def moved(box: Sides, corner: tuple[int, ...]) -> tuple[int, ...]:
    """Return where a part of a box begins in the source, where the box begins at `corner`."""
    return tuple(first + side.start for first, side in zip(corner, box, strict=True))


def decoded_nbytes(source: Stored, shape: tuple[int, ...], corner: tuple[int, ...]) -> int:
    """Return the bytes of the chunks that a box has something of."""
    whole = source.whole
    if source.grid is None or whole.chunks is None:
        return math.prod(shape) * source.dtype.itemsize
    return len(boxes_of(source, shape, corner, 0)) * math.prod(whole.chunks) * whole.element_nbytes


def units(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    itemsize: int,
    lead: tuple[int, ...] = (),
    least: int | None = None,
) -> ChunkGrid:
    """Return boxes of whole chunks of at least `least` bytes, grown along the last axes first.

    Parameters
    ----------
    lead : tuple of int
        Elements that the first chunk has before the array.
    """
    least = UNIT_NBYTES if least is None else least
    ends = tuple(n + before for n, before in zip(shape, lead or (0,) * len(shape), strict=True))
    sides = [max(1, min(c, n)) for c, n in zip(chunks, ends, strict=True)]
    for axis in reversed(range(len(sides))):
        wanted = max(1, least // max(1, math.prod(sides) * itemsize))
        sides[axis] = min(ends[axis], chunks[axis] * wanted) or 1
    return ChunkGrid(shape, tuple(sides), lead)
