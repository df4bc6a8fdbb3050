"""zfp: the mode that a user chose, from zfp's own header.

References
----------
The ``set_local`` of H5Z-ZFP (``H5Zzfp.c``); zfp's ``zfp_write_header`` and ``zfp_stream_mode``.
"""

from __future__ import annotations

import math
import struct

from sharedcompute.hdf5.filters.codec import Codec, Values

RATE, PRECISION, ACCURACY, EXPERT, REVERSIBLE = 1, 2, 3, 4, 5
"""zfp's modes, as the first option has them."""

_MAGIC = int.from_bytes(b"zfp\x05", "little")
_LEAST_EXPONENT = -1074


def _options(stored: Values) -> Values | None:
    """Return the mode from zfp's own header.

    That has 32 bits of magic, 52 of dtype and shape, 12 or 64 of mode.

    A rate is stored as the bits of a block, whose size goes with the number of dimensions.
    """
    bits = sum(value << (32 * at) for at, value in enumerate(stored[1:]))
    if bits & 0xFFFFFFFF != _MAGIC:
        return None
    per_block = 4 ** (1 + (bits >> 34 & 3))
    mode = bits >> 84 & 0xFFF
    return _long(bits >> 96, per_block) if mode == 0xFFF else _short(mode, per_block)


def _short(mode: int, per_block: int) -> Values:
    if mode < 2048:
        return (RATE, 0, *_double((mode + 1) / per_block), 0, 0)
    if mode < 2176:
        return (PRECISION, 0, mode - 2048 + 1, 0, 0, 0)
    if mode == 2176:
        return (REVERSIBLE, 0, 0, 0, 0, 0)
    return (ACCURACY, 0, *_double(math.ldexp(1, mode - 2177 + _LEAST_EXPONENT)), 0, 0)


def _long(bits: int, per_block: int) -> Values:
    least, most = 1 + (bits & 0x7FFF), 1 + (bits >> 15 & 0x7FFF)
    if least == most:
        return (RATE, 0, *_double(most / per_block), 0, 0)
    exponent = (bits >> 37 & 0x7FFF) - 16495
    return (EXPERT, 0, least, most, 1 + (bits >> 30 & 0x7F), exponent & 0xFFFFFFFF)


def _double(number: float) -> tuple[int, int]:
    low, high = struct.unpack("II", struct.pack("d", number))
    return low, high


def _is_lossy(options: Values) -> bool:
    return options[:1] != (REVERSIBLE,)


def _tolerance(options: Values) -> float | None:
    if options[0] != ACCURACY:
        return None
    tolerance: float = struct.unpack("d", struct.pack("II", *options[2:4]))[0]
    return tolerance


CODEC = Codec("zfp", 32013, _options, portable=False, lossy=_is_lossy, tolerance=_tolerance)
