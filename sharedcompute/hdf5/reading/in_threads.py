"""A box of a dataset read by several threads of this process, each with a reader of its own."""

from __future__ import annotations

import itertools
from typing import Any

from numpy.typing import NDArray

from sharedcompute.hdf5.reading.boxes import UNIT_NBYTES, boxes_of, decoded_nbytes
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
    if threads == 1 or wants_few(source, corner, values.shape):
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
                at = tuple(first + side.start for first, side in zip(corner, box, strict=True))
                reader.read_box(at, values[box])

    side_by_side(min(threads, len(boxes)), body, lambda: stopped.append(True))


def _threads(source: Stored, corner: tuple[int, ...], shape: tuple[int, ...]) -> int:
    small = decoded_nbytes(source, shape, corner) < FROM_NBYTES
    return 1 if small or not _reads_without_hdf5(source) else min(default_workers(), THREADS)


def _reads_without_hdf5(source: Stored) -> bool:
    """Return whether threads gain: HDF5 does one thing at a time."""
    if source.parts:
        return all(_reads_without_hdf5(part.source) for part in source.parts)
    return source.read_path != "h5py"
