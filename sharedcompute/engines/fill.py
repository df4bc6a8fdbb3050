"""Filling a dataset of the output box by box, whatever its chunks are."""

from __future__ import annotations

from typing import Any

from sharedcompute.engines.durability.notes import Notes
from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.engine import Engine
from sharedcompute.engines.units.recode import RecodeWork
from sharedcompute.events import Listener
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.writing.sink import Created


def fill(
    created: Created,
    source: Any,
    boxes: ChunkGrid,
    section: Section,
    engine: Engine,
    listen: Listener,
) -> None:
    """Write all of `source` to a dataset.

    Parameters
    ----------
    boxes : ChunkGrid
        What a worker does at a time: whole chunks of the dataset each.
    section : Section
        Takes the notes.
    """
    work = RecodeWork(boxes, source, created.target)
    with Notes(section, work, [created]) as notes:
        left = notes.left(listen)
        engine.run(work, notes.deliver, notes.watch(listen), left)
