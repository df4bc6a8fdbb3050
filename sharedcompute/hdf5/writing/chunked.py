"""Chunks of a result, cut and encoded by the worker that has the rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.filters.encode import encoder
from sharedcompute.hdf5.filters.pipeline import Pipeline, StoredFilter
from sharedcompute.hdf5.format.chunks import box_at
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.writing.row_writer import EncodedChunk, RowTarget, RowWriter


@dataclass(frozen=True)
class ChunkTarget(RowTarget):
    """Rows of a chunked dataset, encoded by the worker that has them and stored by the parent.

    Parameters
    ----------
    shape, chunks : tuple of int
    dtype, stored_dtype : numpy.dtype
        Of the rows given, and in the file.
    filters : tuple of Filter
    fill : Fill
        Its value fills chunks beyond the edge of the dataset.
    stored : tuple of StoredFilter
        The filters as the dataset has them.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    stored_dtype: np.dtype[Any]
    filters: Pipeline
    fill: Fill
    stored: tuple[StoredFilter, ...]

    def open(self) -> ChunkEncoder:
        """Open a writer for this process."""
        return ChunkEncoder(self)


class ChunkEncoder(RowWriter):
    """Cuts boxes of a dataset into chunks and encodes them here, in the worker.

    A chunk over the edge is filled up, as HDF5 does, so that no chunk is ever decoded to be
    written in part.
    """

    def __init__(self, target: ChunkTarget) -> None:
        self._target = target
        self._encoder = encoder(
            target.filters, target.chunks, target.stored_dtype, target.fill, target.stored
        )
        self._filled: NDArray[Any] | None = None

    def write(self, start: int, rows: NDArray[Any]) -> list[EncodedChunk]:
        """Encode `rows`, which begin at a chunk and end at one or at the dataset's last row.

        Raises
        ------
        ValueError
            They do not.
        """
        return self.write_box((start, *(0 for _ in rows.shape[1:])), rows)

    def write_box(self, corner: tuple[int, ...], values: NDArray[Any]) -> list[EncodedChunk]:
        """Encode a box of whole chunks, but for those over the dataset's edge.

        Parameters
        ----------
        corner : tuple of int
            Where the box begins in the dataset: at a chunk, in every dimension.
        values : ndarray
            Ends at a chunk or at the dataset's edge, in every dimension.

        Raises
        ------
        ValueError
            It does not: two workers would each write a part of a chunk.
        """
        target = self._target
        ends = tuple(at + side for at, side in zip(corner, values.shape, strict=True))
        for low, high, step, side in zip(corner, ends, target.chunks, target.shape, strict=True):
            if low % step or (high % step and high != side):
                raise ValueError(
                    f"expected elements that follow chunks of {step}, got {low}:{high} "
                    f"of {side}; align the blocks to the chunks"
                )
        if not values.size:
            return []
        sides = zip(values.shape, target.chunks, strict=True)
        places = list(itertools.product(*(range(0, side, step) for side, step in sides)))
        encoded = self._encoder.encode(self._whole(values, place) for place in places)
        return [
            EncodedChunk(tuple(map(sum, zip(corner, place, strict=True))), mask, data)
            for place, (mask, data) in zip(places, encoded, strict=True)
        ]

    def close(self) -> None:
        """Drop what the encoder holds."""
        self._encoder.close()
        self._filled = None

    def _whole(self, values: NDArray[Any], place: tuple[int, ...]) -> NDArray[Any]:
        """Return the chunk at `place` of `values`, filled up at the edge; valid until the next."""
        target = self._target
        part = values[box_at(place, target.chunks)]
        if part.shape == target.chunks:
            return part
        if self._filled is None:
            self._filled = np.empty(target.chunks, target.stored_dtype)
        self._filled[...] = 0 if target.fill.value is None else target.fill.value
        self._filled[tuple(slice(0, side) for side in part.shape)] = part
        return self._filled
