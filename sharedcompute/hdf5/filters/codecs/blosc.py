"""Blosc and Blosc2.

References
----------
The ``set_local`` of Blosc (``blosc_filter.c``) and of Blosc2 (``blosc2_filter.c``).
"""

from __future__ import annotations

from collections.abc import Callable

from sharedcompute.hdf5.filters.codec import Bytes, Choice, Codec, Values, inner_name
from sharedcompute.hdf5.filters.plugins import plugin_decoding

BLOSC, BLOSC2 = 32001, 32026

_INNER = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_INNER2 = ("blosclz", "lz4", "lz4hc", "unused", "zlib", "zstd")


def _label(name: str, inner: tuple[str, ...]) -> Callable[[Values], str]:
    def label(options: Values) -> str:
        codec = inner_name(inner, options[6]) if len(options) > 6 else "blosclz"
        return f"{name}-{codec}:{options[4]}" if len(options) > 4 else f"{name}-{codec}"

    return label


def _options(stored: Values) -> Values:
    # The first four are set_local's: two versions, the element's size, the chunk's.
    return (0, 0, 0, 0, *stored[4:7])


def _options2(stored: Values) -> Values:
    # The second is the block size that the user asked for, 0 for any; the chunk's shape stands
    # after the seventh.
    return (0, stored[1] if len(stored) > 1 else 0, 0, 0, *stored[4:7])


def _is_inside(values: Values, room: int, data: Bytes) -> bool:
    del values
    # Its header: bytes that come out, of a block, and stored.
    if data.size < 16:
        return False
    after, block, before = data[4:16].view("<u4").tolist()
    return bool(before == data.size and block > 0 and after <= room)


CODEC = Codec(
    "blosc",
    BLOSC,
    _options,
    label=_label("blosc", _INNER),
    decoding=plugin_decoding(BLOSC, _is_inside),
)

CODEC2 = Codec(
    "blosc2",
    BLOSC2,
    _options2,
    label=_label("blosc2", _INNER2),
    choices=(Choice("blosc2-zstd", lambda level: (0, 0, 0, 0, level, 1, 5), (0, 9), 5),),
    decoding=plugin_decoding(BLOSC2),
)
