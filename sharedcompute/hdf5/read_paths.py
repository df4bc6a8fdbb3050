"""Which reader a dataset gets. A new read path is one class, and its place in `READERS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sharedcompute.hdf5.chunk_reader import ChunkReader, PlainChunkReader
from sharedcompute.hdf5.readers import CopyReader, H5pyReader, Layout, MmapReader, Reader

if TYPE_CHECKING:
    from sharedcompute.hdf5.source import DatasetSource

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


def open_reader(source: DatasetSource) -> Reader:
    """Open `source` by its read path."""
    classes = {reader.name: reader for reader in READERS}
    opened: Any = classes[source.read_path]
    return opened(source)  # type: ignore[no-any-return]
