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

from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.reductions.accumulator import WIDE
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.planning.fit import ROUNDS
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.planned import Into, Stripe, everything, stripe_shape

AGAIN = 1.5
"""Times that a filtered chunk may be decoded before it pays to keep the decoded rows."""

OFTEN = 3.0
"""Times in one pass from which on even a detour over the disk pays."""


@dataclass(frozen=True)
class Load:
    """All chunks are decoded before the passes begin.

    Parameters
    ----------
    source : DatasetSource
    into : {"memory", "file"}
        Shared memory (private for the serial engine), or a file without a name.
    stripes : tuple of (int, int)
        Ranges of axis 1, one loaded and reduced after the other; one range is all of it.
    times : float
        How often each chunk would be decoded without this.
    """

    source: DatasetSource
    into: Into
    stripes: tuple[Stripe, ...]
    times: float

    @property
    def nbytes(self) -> int:
        """Bytes of the largest stripe."""
        sizes = (math.prod(stripe_shape(self.source, stripe)) for stripe in self.stripes)
        return max(sizes) * self.source.dtype.itemsize


def times_decoded(work: Pass, feed: int) -> float:
    """Return how often a chunk of a feed is decoded in a pass, on average."""
    source, halo = work.feeds[feed], work.halos[feed]
    if not isinstance(source, DatasetSource):
        return 1.0
    if source.chunk_rows <= 1:
        return 1.0 + 2 * halo / work.blocks.rows
    chunk = source.chunk_rows
    edges = 2 * math.ceil(halo / chunk)
    aligned = source.row_alignment % chunk == 0 and work.strip % source.row_alignment == 0
    aligned = aligned and not source.begins_inside
    if not aligned:
        edges += 1
    # A reader keeps the chunks that its strip ends in, where they are not too large.
    step = work.blocks.rows if source.keeps_chunks else work.strip
    return 1.0 + edges * chunk / min(step, source.shape[0])


def choose_loads(
    passes: Sequence[Pass], iterated: Pass | None, room: int, shared_room: int, disk_room: int
) -> tuple[Load, ...]:
    """Choose what to load of all that passes read, given the bytes that are left for it.

    Parameters
    ----------
    iterated : Pass or None
        What a fit goes over again and again.
    room : int
        Bytes of memory beside what the passes take.
    shared_room, disk_room : int
        Bytes free for shared blocks, and for a file.
    """
    again = [(work, 1) for work in passes] + ([(iterated, ROUNDS)] if iterated else [])
    feeds = (feed for work, _ in again for feed in work.feeds)
    in_stripes = iterated is None and all(map(_by_columns, passes))
    found: list[Load] = []
    room = min(room, shared_room)
    for source in {id(f): f for f in feeds if isinstance(f, DatasetSource)}.values():
        times = [
            (times_decoded(work, number), rounds)
            for work, rounds in again
            for number, feed in enumerate(work.feeds)
            if feed is source
        ]
        once, total = max(t for t, _ in times), sum(t * rounds for t, rounds in times)
        load = _choose(source, once, total, room, disk_room, in_stripes)
        if load is not None:
            found.append(load)
            room -= load.nbytes if load.into == "memory" else 0
            disk_room -= load.nbytes if load.into == "file" else 0
    return tuple(found)


def _choose(
    source: DatasetSource, once: float, times: float, room: int, disk_room: int, in_stripes: bool
) -> Load | None:
    # What is mapped needs no decoding, and the system keeps it: a copy would only take its room.
    if not source.nbytes or source.read_path == "mmap":
        return None
    if times < (AGAIN if source.filtered else OFTEN):
        return None
    whole = (everything(source),)
    if source.nbytes <= room:
        return Load(source, "memory", whole, times)
    if once < OFTEN:
        return None
    if in_stripes:
        stripes = _stripes(source, room)
        if stripes:
            return Load(source, "memory", stripes, times)
    return Load(source, "file", whole, times) if source.nbytes <= disk_room else None


def _by_columns(work: Pass) -> bool:
    """Return whether a pass only reduces one array over rows, so that each column is for itself."""
    return not (
        len(work.feeds) > 1
        or work.stores
        or work.gathers
        or work.wanted
        or not all(step.stage.elementwise for step in work.steps)
        or any(output.reduction.axes != (0,) or output.exact for output in work.reductions)
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
