"""The filters that are known here: one entry each.

A new filter is an entry in `CODECS`, with functions of its own, if it needs any, in a module of
`codecs`. All else follows from the entry, the conformance tests included.

References
----------
``H5Znbit.c``, ``H5Zszip.c`` of HDF5; the HDF Group's list of registered filters.
"""

from __future__ import annotations

from h5py import h5z

from sharedcompute.hdf5.filters.codec import (
    Bytes,
    Choice,
    Codec,
    Values,
    always,
    with_level,
    without_options,
)
from sharedcompute.hdf5.filters.codecs import (
    bitshuffle,
    blosc,
    byte_shuffle,
    bzip2,
    fletcher32,
    gzip,
    scaleoffset,
    zfp,
)
from sharedcompute.hdf5.filters.plugins import plugin_decoding
from sharedcompute.kernels.filters import sized_blocks

LZ4, ZSTD = 32004, 32015


def _is_inside_lz4(values: Values, room: int, data: Bytes) -> bool:
    del values
    return bool(sized_blocks(data, 0, room))


CODECS: tuple[Codec, ...] = (
    gzip.CODEC,
    Codec(
        "zstd",
        ZSTD,
        label=with_level("zstd"),
        choices=(Choice("zstd", lambda level: (level,), (1, 22), 3, shuffled=True),),
        decoding=plugin_decoding(ZSTD),
    ),
    Codec(
        "lz4",
        LZ4,
        choices=(Choice("lz4", lambda _: (0,), shuffled=True),),
        decoding=plugin_decoding(LZ4, _is_inside_lz4),
    ),
    Codec(
        "lzf",
        h5z.FILTER_LZF,
        without_options,
        choices=(Choice("lzf", lambda _: (), shuffled=True),),
    ),
    bitshuffle.CODEC,
    blosc.CODEC2,
    blosc.CODEC,
    bzip2.CODEC,
    byte_shuffle.CODEC,
    fletcher32.CODEC,
    Codec("szip", h5z.FILTER_SZIP, lambda stored: stored[:2], portable=False),
    Codec("nbit", h5z.FILTER_NBIT, without_options, portable=False),
    scaleoffset.CODEC,
    zfp.CODEC,
    Codec("sz", 32017, None, portable=False, lossy=always),
    Codec("fcidecomp", 32018, None, portable=False, lossy=always),
    Codec("sz3", 32024, None, portable=False, lossy=always),
    Codec("sperr", 32028, None, portable=False, lossy=always),
    Codec("htj2k", 32033, None, portable=False, lossy=always),
)
"""In the order in which ``--filter`` lists what it takes."""

_UNKNOWN = Codec("unknown", -1, None, portable=False)

_BY_CODE = {codec.code: codec for codec in CODECS}

CHOICES = {choice.name: (codec, choice) for codec in CODECS for choice in codec.choices}
"""Codec and choice by the name that ``--filter`` takes."""


def codec_of(code: int) -> Codec:
    """Return the codec of a filter's number; of one that is not known, one that does nothing."""
    return _BY_CODE.get(code, _UNKNOWN)


def is_known(code: int) -> bool:
    """Return whether a filter's number has an entry."""
    return code in _BY_CODE
