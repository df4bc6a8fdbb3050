"""Where the chunks of a dataset lie, asked of HDF5 once as long as the file stays as it is."""

from __future__ import annotations

from functools import lru_cache

import h5py

from sharedcompute.hdf5.filters.pipeline import StoredFilter, stored_filters
from sharedcompute.hdf5.format.chunks import ChunkGrid, ChunkIndex
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.safety.sandbox import FileStates, file_states

KEPT = 8
"""Lists that are kept, of `MOST_CHUNKS` at most: 32 bytes for each chunk. `once` would keep
hundreds."""

MOST_CHUNKS = 200_000

Listed = tuple[ChunkIndex, tuple[StoredFilter, ...]]


def listed(file: str, path: str, grid: ChunkGrid) -> Listed:
    """Return where the chunks of a dataset lie, and the filters that they went through.

    HDF5 takes 3 us for each chunk, and every thread and every window has a reader of its own.
    """
    if len(grid) > MOST_CHUNKS:
        return _listed(file, path, grid)
    return _kept(file, path, grid, file_states((file,)))


@lru_cache(maxsize=KEPT)
def _kept(file: str, path: str, grid: ChunkGrid, states: FileStates) -> Listed:
    del states
    return _listed(file, path, grid)


def _listed(file: str, path: str, grid: ChunkGrid) -> Listed:
    with open_file(file) as opened:
        dataset: h5py.Dataset = opened[raw(path)]
        index = ChunkIndex(dataset.id, grid)
        return index, stored_filters(dataset.id.get_create_plist())
