"""Where the elements of a dataset lie: in its own file or in others, and how many were written."""

from __future__ import annotations

import math

import h5py
from h5py import h5d, h5p

from sharedcompute.hdf5.format.chunks import ChunkGrid


def share_written(dataset: h5py.Dataset) -> float:
    """Return how much of a dataset with elements was ever written, from 0 to 1."""
    stored, dcpl = dataset.id.get_storage_size(), dataset.id.get_create_plist()
    if not stored or dcpl.get_layout() != h5d.CHUNKED:
        return float(stored > 0)
    grid = ChunkGrid(dataset.shape, dcpl.get_chunk())
    if not dcpl.get_nfilters():
        whole = len(grid) * math.prod(grid.chunks) * dataset.id.get_type().get_size()
        return float(min(1, stored / whole))
    # With filters the chunks must be counted, 0.1 us each.
    return float(min(1, dataset.id.get_num_chunks() / len(grid)))


def lies_here(dataset: h5py.Dataset) -> bool:
    """Return whether all rows of an `h5py.Dataset` lie in its own file."""
    return not files_of(dataset.id.get_create_plist())


def files_of(dcpl: h5p.PropDCID) -> list[str]:
    """Return the other files that rows lie in, by a dataset's creation properties."""
    external = [dcpl.get_external(index)[0] for index in range(dcpl.get_external_count())]
    names = [name.decode("utf-8", "surrogateescape") for name in external]
    if dcpl.get_layout() == h5d.VIRTUAL:
        names += [dcpl.get_virtual_filename(index) for index in range(dcpl.get_virtual_count())]
    return sorted(set(names))
