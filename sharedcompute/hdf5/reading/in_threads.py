"""A box of a dataset read by several threads of this process, each with a reader of its own."""

from __future__ import annotations

import itertools
from typing import Any

from numpy.typing import NDArray

from sharedcompute.hdf5.reading.boxes import UNIT_NBYTES, boxes_of, decoded_nbytes, moved
from sharedcompute.hdf5.reading.library import H5pyReader
from sharedcompute.hdf5.reading.read_paths import wants_few
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.stored import Stored
from sharedcompute.system.machine import default_workers
from sharedcompute.system.threads import side_by_side

THREADS = 8
"""Between two chunks a reader holds the interpreter's lock: more threads wait for each other."""

FROM_NBYTES = 2 << 20
"""Bytes of chunks from which on it pays to open the file in a second thread."""

PARTS = 8
"""Boxes for each thread: they end within an eighth of its time of each other."""


def read_in_threads(source: DatasetSource, corner: tuple[int, ...], values: NDArray[Any]) -> None:
    """Fill `values` with the box of their shape that begins at `corner`.

    Raises
    ------
    InputError
        A chunk is damaged.
    InputChanged
        A file is not what it was when this description was made.
    """
    threads = _threads(source, corner, values.shape)
    if threads == 1:
        with source.open_for(corner, values.shape) as reader:
            reader.read_box(corner, values)
        return
    least = min(UNIT_NBYTES, values.nbytes // (PARTS * threads))
    boxes = boxes_of(source, values.shape, corner, least)
    # Asked by all threads: `next` holds the interpreter's lock.
    numbers = itertools.count()
    stopped: list[bool] = []

    def body(_: int) -> None:
        with source.open() as reader:
            while not stopped and (number := next(numbers)) < len(boxes):
                box = boxes.box(number)
                reader.read_box(moved(box, corner), values[box])

    side_by_side(min(threads, len(boxes)), body, lambda: stopped.append(True))


def _threads(source: Stored, corner: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return how many gain: HDF5 does one thing at a time."""
    small = decoded_nbytes(source, shape, corner) < FROM_NBYTES
    by_hdf5 = any(dataset.read_path == H5pyReader.name for dataset in source.datasets)
    alone = small or by_hdf5 or wants_few(source, corner, shape)
    return 1 if alone else min(default_workers(), THREADS)
