"""Which reader a dataset gets. A new read path is one class, and its place in `READERS`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.reading.chunked import ChunkReader, PlainChunkReader
from sharedcompute.hdf5.reading.library import H5pyReader
from sharedcompute.hdf5.reading.mapped import CopyReader, MmapReader
from sharedcompute.hdf5.reading.row_reader import Layout, Reader

if TYPE_CHECKING:
    from sharedcompute.hdf5.reading.source import DatasetSource

READERS: tuple[type[Reader], ...] = (
    MmapReader,
    CopyReader,
    PlainChunkReader,
    ChunkReader,
    H5pyReader,
)
"""The read paths, the fastest first; the last one reads everything."""


def choose(layout: Layout) -> tuple[str, str]:
    """The name of the read path for `layout`, and one phrase that says why."""
    refused = layout.storage
    for reader in READERS:
        fits, why = reader.verdict(layout)
        if fits:
            return reader.name, why or refused
        # "It is not contiguous" says less than why chunks of that kind cannot be read.
        refused = refused if why == layout.storage else why
    raise AssertionError("the last reader reads everything")


FEW = 64
"""Chunks are looked up by HDF5, one by one, where only one in so many is wanted."""


def open_for(source: DatasetSource, corner: tuple[int, ...], shape: tuple[int, ...]) -> Reader:
    """Open `source` to read one box, once."""
    return H5pyReader(source) if wants_few(source, corner, shape) else source.open()


def wants_few(source: DatasetSource, corner: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a box has so few of the chunks that HDF5 had better look them up, one by one.

    Asking HDF5 where all chunks lie takes 1 us each: 1 s for a million of them.
    """
    if source.chunks is None or source.read_path not in (PlainChunkReader.name, ChunkReader.name):
        return False
    axes = zip(corner, shape, source.chunks, strict=True)
    wanted = math.prod(-(-(at + side) // c) - at // c for at, side, c in axes)
    return wanted * FEW < math.prod(ChunkGrid(source.shape, source.chunks).counts)


def open_reader(source: DatasetSource) -> Reader:
    """Open `source` by its read path."""
    classes = {reader.name: reader for reader in READERS}
    opened: Any = classes[source.read_path]
    return opened(source)  # type: ignore[no-any-return]
