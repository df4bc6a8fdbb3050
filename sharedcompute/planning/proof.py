"""Samples of datasets stored in another way, which HDF5 reads back: they must equal the input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.reading.boxes import units
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.planning.recode import Recoding

ALL_NBYTES = 16 << 20
"""Datasets up to this size are read back whole."""

SHARE = 64
"""Of larger ones one part in so many is read, or `ALL_NBYTES` where that is more: on both sides,
decoded. HDF5 inflates 0.3 GB/s, and gzip:4 with both ends of it runs at 0.1 GB/s."""

STRIP_NBYTES = 1 << 20
"""Bytes of the strips that a contiguous dataset is cut into."""

SHARE_AT_ONCE = 16
"""Of the datasets that HDF5 stores itself, one in so many is read back: to do so takes a third of
the time that it takes to store one."""

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Sample:
    """Boxes of a dataset.

    Parameters
    ----------
    boxes : ChunkGrid
        Chunks, or many at once where all of them are read.
    numbers : tuple of int
        Those that are read, in order; none where nothing is read.
    """

    boxes: ChunkGrid
    numbers: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """True if all is read."""
        return len(self.numbers) == len(self.boxes)


def samples_of(
    copies: Mapping[int, Recoding], at_once: Mapping[int, Recoding]
) -> list[tuple[int, Recoding, Sample]]:
    """Choose what to read back of each dataset, by its address in the input.

    Of those that HDF5 stores itself, the first of each kind and others spread evenly. None that are
    large: little of them was ever written, and HDF5 encodes nothing. And none with a filter that
    changes numbers without a tolerance: there is no encoder but HDF5's own to compare with.

    Parameters
    ----------
    copies : mapping of int to Recoding
        Stored by workers.
    at_once : mapping of int to Recoding
        Stored by HDF5.
    """
    found = [(at, made, sample_of(made)) for at, made in copies.items()]
    kinds = set()
    for number, (at, made) in enumerate(at_once.items()):
        kind = made.storage, made.source.stored_dtype
        known = all(step.tolerance is not None for step in made.storage.filters)
        chosen = kind not in kinds or number % SHARE_AT_ONCE == 0
        if chosen and known and made.source.nbytes <= ALL_NBYTES:
            kinds.add(kind)
            found.append((at, made, sample_of(made)))
    return [(at, made, sample) for at, made, sample in found if sample.numbers]


def sample_of(recoding: Recoding) -> Sample:
    """Choose what to read back: the same for any number of workers.

    The first and the last chunk, one at the end of each axis, and others spread evenly.
    """
    source, storage = recoding.source, recoding.storage
    row = max(1, source.row_nbytes)
    rows = min(max(1, STRIP_NBYTES // row), max(1, source.shape[0]))
    chunks = storage.chunks or (rows, *source.shape[1:])
    if source.nbytes <= ALL_NBYTES:
        boxes = units(source.shape, chunks, source.dtype.itemsize)
        return Sample(boxes, tuple(range(len(boxes))))
    grid = ChunkGrid(source.shape, chunks)
    most = max(ALL_NBYTES, source.nbytes // SHARE) // _cost(source, chunks)
    return Sample(grid, _spread(grid, most))


def _cost(source: DatasetSource, chunks: tuple[int, ...]) -> int:
    """Return the bytes decoded to compare one chunk: itself, and the input's that it lies in."""
    read = source.chunks or chunks
    wide = 1
    for here, there, n in zip(chunks, read, source.shape, strict=True):
        # As many of the input's as a chunk can touch, which is one more where it follows none.
        fits = here % there == 0 or there % here == 0
        wide *= min((-(-here // there) + (not fits)) * there, n)
    return (math.prod(chunks) + wide) * source.dtype.itemsize


def _spread(grid: ChunkGrid, most: int) -> tuple[int, ...]:
    count = len(grid)
    sides = zip(grid.counts, grid.strides, strict=True)
    wanted = [0, count - 1, *((n - 1) * stride for n, stride in sides)]
    # Multiples of the golden section: evenly spread, however many, and in step with no grid.
    wanted += [int((at * _GOLDEN) % 1 * count) for at in range(1, min(most, count) + 1)]
    return tuple(sorted(list(dict.fromkeys(wanted))[: max(2, most)]))
