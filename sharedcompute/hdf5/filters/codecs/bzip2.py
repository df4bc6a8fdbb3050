"""bzip2: decoded by Python's own module.

Not by hdf5plugin's: that never returns from a stream that is cut (hdf5plugin 7.1).
"""

from __future__ import annotations

import bz2
from functools import partial

from sharedcompute.errors import DecodeError
from sharedcompute.hdf5.filters.codec import (
    Bytes,
    Codec,
    Decoding,
    Values,
    as_bytes,
    placed,
    with_level,
)


def _decode_step(values: Values, itemsize: int, room: int) -> partial[Bytes]:
    del values, itemsize
    return partial(_decompress, room)


def _decompress(room: int, data: Bytes, out: Bytes | None) -> Bytes:
    stream = bz2.BZ2Decompressor()
    try:
        made = stream.decompress(data.data, room)
    except (OSError, ValueError):
        raise DecodeError("its bzip2 stream is damaged") from None
    # The end is seen with the last bytes, or after them.
    if not stream.eof and (stream.needs_input or stream.decompress(b"", 1) or not stream.eof):
        raise DecodeError(f"its bzip2 stream is cut, or longer than {room} bytes")
    return placed(as_bytes(made), out)


CODEC = Codec(
    "bzip2", 307, label=with_level("bzip2"), decoding=Decoding("Python's bz2", _decode_step)
)
