"""The choice of a reader. A new read path is one class, and its place in `READERS`."""

from __future__ import annotations

import math
from collections.abc import Callable

from sharedcompute.errors import InputChanged
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.reading.assembled import AssembledReader
from sharedcompute.hdf5.reading.chunked import ChunkReader, PlainChunkReader
from sharedcompute.hdf5.reading.library import H5pyReader
from sharedcompute.hdf5.reading.mapped import CopyReader, MmapReader
from sharedcompute.hdf5.reading.row_reader import Layout, Reader, StoredReader
from sharedcompute.hdf5.reading.stored import Stored
from sharedcompute.hdf5.reading.windowed import WindowReader
from sharedcompute.hdf5.safety.input_files import InputFiles

READERS: tuple[type[StoredReader], ...] = (
    MmapReader,
    CopyReader,
    PlainChunkReader,
    ChunkReader,
    H5pyReader,
)
"""The read paths, the fastest first; the last one reads everything."""

_BY_NAME = {reader.name: reader for reader in READERS}


def choose_read_path(layout: Layout) -> tuple[str, str]:
    """Return the name of the read path for `layout`, and one phrase that says why."""
    refused = layout.storage
    for reader in READERS:
        fits, why = reader.verdict(layout)
        if fits:
            return reader.name, why or refused
        # "It is not contiguous" says less than why chunks of that kind cannot be read.
        refused = refused if why == layout.storage else why
    raise AssertionError("the last reader reads everything")


LIST_US, READY_US, DECODED_PER_US = 3, 100_000, 300
"""What asking HDF5 where a chunk lies takes; what of that is accepted, as the next box is likely to
be of the same dataset; and how many bytes HDF5 decodes in a microsecond."""


def wants_few(source: Stored, corner: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Return whether a box has so few of the chunks that HDF5 had better read these by itself.

    To decode chunks here HDF5 is asked where all of them lie: 3 s for a million of them.
    """
    if source.window is not None:
        return wants_few(source.whole, *source.window.bounds(corner, shape))
    if source.chunks is None or source.read_path not in (PlainChunkReader.name, ChunkReader.name):
        return False
    axes = zip(corner, shape, source.chunks, strict=True)
    wanted = math.prod(-(-(at + side) // c) - at // c for at, side, c in axes)
    decoded = wanted * math.prod(source.chunks) * source.element_nbytes
    every = math.prod(ChunkGrid(source.shape, source.chunks).counts)
    return every * LIST_US > READY_US + decoded / DECODED_PER_US


def open_reader(source: Stored) -> Reader:
    """Open a reader of `source` by its read path, or by those of its parts.

    Raises
    ------
    InputChanged
        A file is not what it was when the description was made.
    """
    if source.window is not None:
        return WindowReader(source, open_reader)
    if source.parts:
        return _unchanged(source, lambda: AssembledReader(source, open_reader))
    return _unchanged(source, lambda: _BY_NAME[source.read_path](source))


def open_for(source: Stored, corner: tuple[int, ...], shape: tuple[int, ...]) -> Reader:
    """Open a reader of `source` to read one box, once.

    Raises
    ------
    InputChanged
        As `open_reader`.
    """
    if source.window is not None:
        box = source.window.bounds(corner, shape)
        return WindowReader(source, lambda whole: open_for(whole, *box))
    if wants_few(source, corner, shape):
        return _unchanged(source, lambda: H5pyReader(source))
    return open_reader(source)


def _unchanged(source: Stored, opened: Callable[[], Reader]) -> Reader:
    """Open a reader if the files are what they were. Parts check theirs themselves."""
    own = InputFiles(source.seen)
    with own.unchanged():
        reader = opened()
    try:
        # After the opening: what is at the path now is what was opened, or newer.
        own.check()
    except InputChanged:
        reader.close()
        raise
    return reader
