"""Filling a dataset of the output box by box, whatever its chunks are."""

from __future__ import annotations

from typing import Any

from sharedcompute.engines.notes import Notes
from sharedcompute.engines.progress import Section
from sharedcompute.engines.recode import RecodeWork
from sharedcompute.engines.work import Engine
from sharedcompute.events import Listener
from sharedcompute.hdf5.chunk_index import ChunkGrid
from sharedcompute.hdf5.sink import Created


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
