"""Decoding all chunks before the passes begin: when it pays, and where it goes.

Rows are cut into blocks along the chunks where that leaves enough blocks. Where it does not (a real
file has chunks of (1819, 9) in (1819, 3115), so one strip of chunks is the whole dataset), every
block would have to decode chunks that its neighbours decode as well. Then the workers first decode
all chunks together, each once, into memory that they share; or, for reductions over rows that do
not fit, into one stripe of columns after the other; or else into a file without a name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.reductions.accumulator import WIDE
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.planning.passes import Pass, needs
from sharedcompute.planning.planned import Into, Stripe, everything, stripe_shape

AGAIN = 1.5
"""Times that a filtered chunk may be decoded before it pays to keep the decoded rows."""

OFTEN = 3.0
"""Times in one pass from which on even a detour over the disk pays."""

UNIT_NBYTES = 1 << 20
"""What a worker decodes at a time, at least: so much hides what a claim costs."""


@dataclass(frozen=True)
class Load:
    """All chunks are decoded before the passes begin.

    Parameters
    ----------
    into : {"memory", "file"}
        Shared memory (private for the serial engine), or a file without a name.
    stripes : tuple of (int, int)
        Ranges of axis 1, one loaded and reduced after the other; one range is all of it.
    times : float
        How often each chunk would be decoded without this.
    """

    into: Into
    stripes: tuple[Stripe, ...]
    times: float

    def nbytes(self, source: DatasetSource) -> int:
        """Return the bytes of the largest stripe."""
        sizes = (math.prod(stripe_shape(source, stripe)) for stripe in self.stripes)
        return max(sizes) * source.dtype.itemsize


def units(shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int) -> ChunkGrid:
    """Return boxes of whole chunks of at least `UNIT_NBYTES`, grown along the last axes first."""
    sides = [max(1, min(c, n)) for c, n in zip(chunks, shape, strict=True)]
    for axis in reversed(range(len(sides))):
        wanted = max(1, UNIT_NBYTES // max(1, math.prod(sides) * itemsize))
        sides[axis] = min(shape[axis], chunks[axis] * wanted) or 1
    return ChunkGrid(shape, tuple(sides))


def load_boxes(source: DatasetSource, shape: tuple[int, ...]) -> ChunkGrid:
    """Return what a worker decodes at a time of `shape`, all of the source or a stripe of it."""
    # Without chunks, rows: as one box, one worker would convert everything, in a buffer as large.
    return units(shape, source.chunks or (1, *shape[1:]), source.dtype.itemsize)


def times_decoded(work: Pass) -> float:
    """Return how often a chunk is decoded in a pass, on average."""
    source = work.source
    if not isinstance(source, DatasetSource) or source.chunk_rows <= 1:
        rows, halo = work.blocks.rows, sum(stage.halo for stage in work.stages)
        return 1.0 + 2 * halo / rows if isinstance(source, DatasetSource) else 1.0
    chunk = source.chunk_rows
    halo = sum(stage.halo for stage in work.stages)
    edges = 2 * math.ceil(halo / chunk)
    aligned = source.row_alignment % chunk == 0 and work.strip % source.row_alignment == 0
    aligned = aligned and not source.begins_inside
    if not aligned:
        edges += 1
    # A reader keeps the chunks that its strip ends in, where they are not too large.
    step = work.blocks.rows if source.keeps_chunks else work.strip
    return 1.0 + edges * chunk / min(step, source.shape[0])


def choose_load(
    passes: Sequence[Pass], room: int, shared_room: int, disk_room: int, rounds: int
) -> Load | None:
    """Choose what to load, given the bytes that are left for it.

    Parameters
    ----------
    room : int
        Bytes of memory beside what the passes take.
    shared_room, disk_room : int
        Bytes free for shared blocks, and for a file.
    rounds : int
        How often the rows are read for each pass; with more than one, they are not cut in stripes.
    """
    source = passes[-1].source
    # What is mapped needs no decoding, and the system keeps it: a copy would only take its room.
    if not isinstance(source, DatasetSource) or not source.nbytes or source.read_path == "mmap":
        return None
    once = max(map(times_decoded, passes))
    times = rounds * sum(map(times_decoded, passes))
    if times < (AGAIN if source.filtered else OFTEN):
        return None
    room = min(room, shared_room)
    whole = (everything(source),)
    if source.nbytes <= room:
        return Load("memory", whole, times)
    if once < OFTEN:
        return None
    if rounds == 1 and all(map(_by_columns, passes)):
        stripes = _stripes(source, room)
        if stripes:
            return Load("memory", stripes, times)
    return Load("file", whole, times) if source.nbytes <= disk_room else None


def _by_columns(work: Pass) -> bool:
    """Return whether a pass only reduces over rows, so that each column stands for itself."""
    return not (
        work.stores
        or needs(work.stages)
        or not all(stage.elementwise for stage in work.stages)
        or any(output.reduction.over_all for output in work.reductions)
    )


def _stripes(source: DatasetSource, room: int) -> tuple[Stripe, ...]:
    """Return ranges of axis 1 that follow the chunks and fit `room`; none where that cannot be.

    A stripe has as many columns as make rows wide: narrow ones would be folded into lanes, and
    other bits come out.
    """
    if source.ndim < 2 or source.chunks is None:
        return ()
    columns, chunk = source.shape[1], source.chunks[1]
    each = source.nbytes // columns
    beside = math.prod(source.shape[2:])
    step = room // max(1, each) // chunk * chunk
    if step < 1 or step * beside < WIDE:
        return ()
    cuts = list(range(0, columns, step))
    if len(cuts) > 1 and (columns - cuts[-1]) * beside < WIDE:
        # The last one is too narrow: it gets a chunk's columns from the one before.
        cuts[-1] -= math.ceil(WIDE / beside / chunk) * chunk
        if (cuts[-1] - cuts[-2]) * beside < WIDE:
            return ()
    return tuple(zip(cuts, [*cuts[1:], columns], strict=True))


def stripe_of(work: Pass, first: int, last: int) -> Pass:
    """Return the pass over columns ``[first, last)`` of axis 1, with the source of all of it."""
    spec = work.spec(0)
    if spec.shape[1:2] in ((), (last - first,)):
        return work
    reductions = []
    for output in work.reductions:
        whole = output.reduction.spec
        cut = ArraySpec((whole.shape[0], last - first, *whole.shape[2:]), whole.dtype)
        reductions.append(replace(output, reduction=replace(output.reduction, spec=cut)))
    return replace(work, reductions=tuple(reductions))
