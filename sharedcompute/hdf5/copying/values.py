"""Values copied from file to file as they lie in memory, whatever their type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5s, h5t
from numpy.typing import NDArray

from sharedcompute.hdf5.format.chunks import Box, ChunkGrid, ChunkIndex

BLOCK_NBYTES = 8 << 20
"""Bytes that are copied at once of a dataset without chunks."""

Translate = Callable[[h5t.TypeID, NDArray[np.uint8]], int]
"""Changes elements, shape (n, itemsize), of an HDF5 type in place; counts what was lost."""


def as_they_are(kind: h5t.TypeID, items: NDArray[np.uint8]) -> int:  # noqa: ARG001
    """Translate nothing."""
    return 0


def copy_attribute(old: h5a.AttrID, new: h5a.AttrID, translate: Translate = as_they_are) -> int:
    """Fill attribute `new` with the value of `old`, which has the same type and shape.

    Without conversion: netCDF fills a null-terminated string to its last byte, and a write from
    NumPy's own type would put the terminator over that. Rows of variable length are pointers to
    HDF5's memory then, which h5py frees when it has written them.

    Returns
    -------
    int
        The sum of what `translate` returned.
    """
    if not _count(old.get_space()):
        return 0
    kind = old.get_type().copy()
    raw = np.empty(old.shape, f"V{kind.get_size()}")
    old.read(raw, mtype=kind)
    lost = translate(kind, _items(raw))
    new.write(raw, mtype=kind)
    return lost


def copy_dataset(old: h5d.DatasetID, new: h5d.DatasetID, translate: Translate = as_they_are) -> int:
    """Fill dataset `new` with what is stored in `old`; as `copy_attribute`."""
    kind = old.get_type()
    kind = kind.copy() if kind.committed() else kind
    lost = 0
    for start, count in _boxes(old, kind.get_size()):
        place = memory = h5s.ALL
        if count != old.shape:
            place = old.get_space()
            place.select_hyperslab(start, count)
            memory = h5s.create_simple(count)
        raw = np.empty(count, f"V{kind.get_size()}")
        old.read(memory, place, raw, kind)
        lost += translate(kind, _items(raw))
        new.write(memory, place, raw, kind)
    return lost


def _items(raw: NDArray[Any]) -> NDArray[np.uint8]:
    return raw.reshape(-1).view(np.uint8).reshape(-1, raw.dtype.itemsize)


def _count(space: h5s.SpaceID) -> int:
    if space.get_simple_extent_type() == h5s.NULL:
        return 0
    return int(space.get_simple_extent_npoints())


def _boxes(dataset: h5d.DatasetID, itemsize: int) -> Iterator[Box]:
    """Yield start and shape of boxes of a dataset; what was never written is in none."""
    shape = dataset.shape
    if shape is None or not math.prod(shape) or not dataset.get_storage_size():
        return
    dcpl = dataset.get_create_plist()
    if not shape:
        yield (), ()
        return
    rows = max(1, BLOCK_NBYTES // (itemsize * math.prod(shape[1:])))
    if dcpl.get_layout() == h5d.CHUNKED:
        grid = ChunkGrid(shape, dcpl.get_chunk())
        if rows < shape[0] or dataset.get_num_chunks() < len(grid):
            for number in ChunkIndex(dataset, grid).numbers:
                box = grid.box(number)
                yield tuple(s.start for s in box), tuple(s.stop - s.start for s in box)
            return
    for row in range(0, shape[0], rows):
        yield (row, *(0 for _ in shape[1:])), (min(rows, shape[0] - row), *shape[1:])
