"""Chunks encoded in this process, by the fastest encoder that there is for their filters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.filters.codec import ChunkBytes, EncodeRequest, EncodeStep
from sharedcompute.hdf5.filters.codecs.byte_shuffle import SHUFFLE
from sharedcompute.hdf5.filters.encoder import EncodedBytes, Encoder
from sharedcompute.hdf5.filters.library_encoder import LibraryEncoder
from sharedcompute.hdf5.filters.pipeline import Filter, Pipeline, StoredFilter
from sharedcompute.hdf5.filters.registry import codec_of
from sharedcompute.hdf5.format.fill_value import Fill


def encoder(
    pipeline: Pipeline,
    chunks: tuple[int, ...],
    dtype: np.dtype[Any],
    fill: Fill,
    stored: tuple[StoredFilter, ...],
) -> Encoder:
    """Return the fastest encoder for `pipeline`.

    Parameters
    ----------
    fill : Fill
        Of the dataset: some filters see it.
    stored : tuple of StoredFilter
        The filters as the dataset has them.
    """
    if encodes_here(pipeline):
        return OwnEncoder(pipeline, chunks, dtype)
    return LibraryEncoder(pipeline, chunks, dtype, fill, stored)


def encodes_here(pipeline: Pipeline) -> bool:
    """Return whether `pipeline` is applied without HDF5."""
    return all(codec_of(step.code).encoding is not None for step in pipeline)


def check_encodes(
    pipeline: Pipeline, chunks: tuple[int, ...], dtype: np.dtype[Any], fill: Fill
) -> None:
    """Refuse filters that cannot be applied to such a dataset.

    Raises
    ------
    InputError
    """
    if not encodes_here(pipeline):
        made = LibraryEncoder(pipeline, chunks, dtype, fill)
        made.try_out()
        made.close()


class OwnEncoder(Encoder):
    """Encodes with codecs that have an encoder here; no HDF5."""

    def __init__(self, pipeline: Pipeline, chunks: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(pipeline, chunks, dtype)
        self._gathered = np.empty(chunks, dtype)
        self._steps = [
            (number, step.optional, _encode_step(step, pipeline, dtype.itemsize))
            for number, step in enumerate(pipeline)
        ]

    def encode(self, chunks: Iterable[NDArray[Any]]) -> Iterator[EncodedBytes]:
        """Encode each chunk by itself."""
        for chunk in chunks:
            whole = chunk
            if not chunk.flags.c_contiguous or chunk.dtype != self._dtype:
                whole = self._gathered
                np.copyto(whole, chunk, casting="unsafe")
            yield self._encode(whole.reshape(-1).view(np.uint8))

    def _encode(self, data: ChunkBytes) -> EncodedBytes:
        mask = 0
        for number, optional, step in self._steps:
            made = step(data)
            # HDF5's own rule: a filter is left out where deflate does not fit zlib's bound. Only
            # ISA-L at level 0 can be larger. One that is merely no smaller is kept, as by HDF5:
            # not every reader of others looks at the mask.
            if optional and len(made) > math.ceil(len(data) * 1.001) + 12:
                mask |= 1 << number
            else:
                data = made
        return mask, bytes(data)


def _encode_step(step: Filter, pipeline: Pipeline, itemsize: int) -> EncodeStep:
    encoding = codec_of(step.code).encoding
    assert encoding is not None
    shuffled = pipeline[0].code == SHUFFLE
    return encoding.step(EncodeRequest(step.options, itemsize, shuffled, step.isal))


def warm_up(pipeline: Pipeline) -> None:
    """Compile what encoding takes, so that workers find it in numba's cache."""
    for step in pipeline:
        encoding = codec_of(step.code).encoding
        if encoding is not None:
            encoding.warm_up()
