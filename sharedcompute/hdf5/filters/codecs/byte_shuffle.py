"""HDF5's byte shuffle, by a kernel of ours."""

from __future__ import annotations

from functools import partial

import numpy as np
from h5py import h5z

from sharedcompute.hdf5.filters.codec import (
    Bytes,
    ChunkBytes,
    Codec,
    Decoding,
    EncodeRequest,
    EncodeStep,
    Encoding,
    Values,
    as_bytes,
    without_options,
    wrong_length,
)
from sharedcompute.kernels.filters import shuffle, unshuffle

SHUFFLE: int = h5z.FILTER_SHUFFLE


def _decode_step(values: Values, itemsize: int, room: int) -> partial[Bytes]:
    del room
    return partial(_unshuffled, values[0] if values else itemsize)


def _unshuffled(itemsize: int, data: Bytes, out: Bytes | None) -> Bytes:
    if out is None:
        out = np.empty(data.size, np.uint8)
    elif data.size != out.size:
        raise wrong_length(data.size, out.size)
    unshuffle(data, itemsize, out)
    return out


def _encode_step(encoded: EncodeRequest) -> EncodeStep:
    return partial(_shuffled, encoded.itemsize)


def _shuffled(itemsize: int, data: ChunkBytes) -> ChunkBytes:
    planes = np.empty(len(data), np.uint8)
    shuffle(as_bytes(data), itemsize, planes)
    return planes


def _compile_unshuffle() -> None:
    _unshuffled(1, as_bytes(b"0"), None)


def _compile_shuffle() -> None:
    _shuffled(1, b"0")


CODEC = Codec(
    "shuffle",
    SHUFFLE,
    without_options,
    decoding=Decoding("our own kernel", _decode_step, warm_up=_compile_unshuffle),
    encoding=Encoding(_encode_step, warm_up=_compile_shuffle),
    growth=lambda _: 0,
)
