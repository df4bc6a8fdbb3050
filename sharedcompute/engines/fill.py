"""Filling a dataset of the output box by box, whatever its chunks are."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from sharedcompute.engines.order import InOrder
from sharedcompute.engines.recode import RecodeWork
from sharedcompute.engines.work import Engine
from sharedcompute.events import BlockDone, Event, Listener
from sharedcompute.hdf5.chunk_index import ChunkGrid
from sharedcompute.hdf5.sink import Created


def fill(
    created: Created, source: Any, boxes: ChunkGrid, folder: Path, engine: Engine, listen: Listener
) -> None:
    """Write all of `source` to a dataset.

    Parameters
    ----------
    boxes : ChunkGrid
        What a worker does at a time: whole chunks of the dataset each.
    folder : Path
        For chunks that wait for their turn.
    """
    order = InOrder(lambda _, chunks: created.store(chunks), folder)

    def watch(event: Event) -> None:
        if isinstance(event, BlockDone):
            order.done(event.block)
        listen(event)

    with contextlib.closing(order):
        engine.run(RecodeWork(boxes, source, created.target), order.add, watch)
