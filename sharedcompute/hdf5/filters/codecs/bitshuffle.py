"""Bitshuffle, alone or with LZ4 or Zstd.

References
----------
``bshuf_h5filter.c``.
"""

from __future__ import annotations

from sharedcompute.hdf5.filters.codec import Bytes, Choice, Codec, Values, inner_name
from sharedcompute.hdf5.filters.plugins import plugin_decoding
from sharedcompute.kernels.filters import sized_blocks

BITSHUFFLE = 32008

_INNER = {0: "bitshuffle", 2: "bitshuffle-lz4", 3: "bitshuffle-zstd"}


def _label(options: Values) -> str:
    codec = options[1] if len(options) > 1 else 0
    level = f":{options[2]}" if codec == 3 and len(options) > 2 else ""
    return inner_name(_INNER, codec) + level


def _is_inside(values: Values, room: int, data: Bytes) -> bool:
    if len(values) < 5 or values[4] == 0:
        return True
    return bool(sized_blocks(data, values[2], room))


CODEC = Codec(
    "bitshuffle",
    BITSHUFFLE,
    # Before them: two versions and the element's size.
    lambda stored: stored[3:],
    label=_label,
    choices=(
        Choice("bitshuffle-lz4", lambda _: (0, 2)),
        Choice("bitshuffle-zstd", lambda level: (0, 3, level), (1, 22), 3),
    ),
    decoding=plugin_decoding(BITSHUFFLE, _is_inside),
)
