"""What lies in memory or in a file before and after the passes, and the bytes that takes.

Before: chunks that are decoded first (`Load`). After: results whose chunks strips of rows cannot
follow, which are held until all rows are there and then encoded in boxes of whole chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sharedcompute.hdf5.sink import DatasetSink
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.machine import disk_free
from sharedcompute.operations.base import ArraySpec
from sharedcompute.plan.blocks import followed
from sharedcompute.plan.cost import Projection, project
from sharedcompute.plan.loading import Into, Load, choose_load
from sharedcompute.plan.passes import Keep, Pass


@dataclass(frozen=True)
class Staged:
    """What lies somewhere else than in its file.

    Parameters
    ----------
    load : Load or None
        Chunks are decoded before the passes begin.
    held : tuple of ({"memory", "file"} or None)
        For each keep of the last pass: where its rows are held until all are there.
    projection : Projection
    """

    load: Load | None
    held: tuple[Into | None, ...]
    projection: Projection


def followed_by(keep: Keep, spec: ArraySpec) -> int:
    """The chunk rows of a result that strips follow; 1 where it is held instead."""
    return followed(spec.rows, spec.row_bytes, keep.sink.row_alignment)


def stage(
    passes: tuple[Pass, ...], engine: str, workers: int, budget: int | None, folder: Path
) -> Staged:
    """Choose what is loaded and held, in the memory that the passes leave.

    Parameters
    ----------
    budget : int or None
        Bytes for all processes; None: what is available.
    folder : Path
        Where files may be made.
    """
    nothing = Load("file", ((0, 0),), 0.0)
    room, shared_room = project(passes, engine, workers, nothing).left(budget)
    load = choose_load(passes, room, shared_room, disk_free(folder))
    room = min(room, shared_room)
    source = passes[-1].source
    if load is not None and load.into == "memory" and isinstance(source, DatasetSource):
        room -= load.nbytes(source)
    held: list[Into | None] = []
    for keep in passes[-1].keeps:
        spec = passes[-1].spec(keep.depth)
        if not isinstance(keep.sink, DatasetSink) or _fits_strips(keep, spec):
            held.append(None)
            continue
        held.append("memory" if spec.nbytes <= room else "file")
        room -= spec.nbytes if spec.nbytes <= room else 0
    projection = project(passes, engine, workers, load, tuple(held))
    return Staged(load, tuple(held), projection)


def _fits_strips(keep: Keep, spec: ArraySpec) -> bool:
    return followed_by(keep, spec) == min(keep.sink.row_alignment, max(1, spec.rows))
