"""What is to know of each filter: one entry each, used by whoever stores a dataset anew.

HDF5 stores not what a user chose but what the filter's ``set_local`` callback made of it for one
dataset: the element size, the chunk's shape, the fill value stand before or between the options, or
in their place. Given to a second dataset as they are they mean something else: bitshuffle takes
them for another block size and codec, zfp for another mode. So each filter has a way back from
stored options to those that any dataset can be given, or none: it is then never applied again.

References
----------
``H5Zscaleoffset.c``, ``H5Znbit.c``, ``H5Zszip.c`` of HDF5; the ``set_local`` of H5Z-ZFP
(``H5Zzfp.c``), bitshuffle (``bshuf_h5filter.c``), Blosc and Blosc2 (``blosc2_filter.c``); zfp's
``zfp_write_header`` and ``zfp_stream_mode``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from h5py import h5z

GZIP, SHUFFLE, FLETCHER32 = h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32
LZF, SCALEOFFSET = h5z.FILTER_LZF, h5z.FILTER_SCALEOFFSET
SZIP, NBIT = h5z.FILTER_SZIP, h5z.FILTER_NBIT
LZ4, BITSHUFFLE, ZSTD, BLOSC, BLOSC2, BZIP2 = 32004, 32008, 32015, 32001, 32026, 307
ZFP, SZ, FCIDECOMP, SZ3, SPERR, HTJ2K = 32013, 32017, 32018, 32024, 32028, 32033

Values = tuple[int, ...]
"""A filter's client data, or the options that a user gives it."""


@dataclass(frozen=True)
class Known:
    """What is to know of a filter.

    Parameters
    ----------
    name : callable
        What a person calls it, by the options.
    own : callable or None
        The options to give a dataset of any chunk shape, fill value and dtype, from those that are
        stored with one; it gives None for values that it does not understand. None: nobody has
        tested a way, and the filter is not applied again.
    portable : bool
        It keeps every bit of any numeric dtype, so that any result may have it.
    lossy : callable
        Whether it stores other numbers than it is given, by the options.
    tolerance : callable
        By how much a number may change at most, by the options; None where that is not promised.
    """

    name: Callable[[Values], str]
    own: Callable[[Values], Values | None] | None = lambda stored: stored
    portable: bool = True
    lossy: Callable[[Values], bool] = lambda _: False
    tolerance: Callable[[Values], float | None] = lambda _: None


def _pick(names: dict[int, str] | tuple[str, ...], index: int) -> str:
    try:
        return names[index]
    except (KeyError, IndexError):
        return "unknown"


_BITSHUFFLE_CODECS = {0: "bitshuffle", 2: "bitshuffle-lz4", 3: "bitshuffle-zstd"}
_BLOSC_CODECS = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_BLOSC2_CODECS = ("blosclz", "lz4", "lz4hc", "unused", "zlib", "zstd")


def _bitshuffle_name(options: Values) -> str:
    codec = options[1] if len(options) > 1 else 0
    level = f":{options[2]}" if codec == 3 and len(options) > 2 else ""
    return _pick(_BITSHUFFLE_CODECS, codec) + level


def _blosc_name(kind: str, codecs: tuple[str, ...]) -> Callable[[Values], str]:
    def name(options: Values) -> str:
        codec = _pick(codecs, options[6]) if len(options) > 6 else "blosclz"
        return f"{kind}-{codec}:{options[4]}" if len(options) > 4 else f"{kind}-{codec}"

    return name


def _level(kind: str) -> Callable[[Values], str]:
    return lambda options: f"{kind}:{options[0]}" if options else kind


def _plain(kind: str) -> Callable[[Values], str]:
    return lambda _: kind


def _nothing(stored: Values) -> Values:  # noqa: ARG001
    return ()


def _always(options: Values) -> bool:  # noqa: ARG001
    return True


def _own_blosc(stored: Values) -> Values:
    # The first four are set_local's: two versions, the element's size, the chunk's.
    return (0, 0, 0, 0, *stored[4:7])


def _own_blosc2(stored: Values) -> Values:
    # The second is the block size that the user asked for, 0 for any; the chunk's shape stands
    # behind the seventh.
    return (0, stored[1] if len(stored) > 1 else 0, 0, 0, *stored[4:7])


def _own_scaleoffset(stored: Values) -> Values | None:
    """Scale type and factor. What follows is the chunk's size, the dtype and the fill value.

    A number of bits that was chosen for the chunks of one dataset may be too small for larger
    ones, and numbers would be cut: 0 lets HDF5 take as many as each chunk needs.
    """
    if len(stored) < 2:
        return None
    return (stored[0], 0 if stored[0] == h5z.SO_INT else stored[1])


def _is_lossy_scaleoffset(options: Values) -> bool:
    return options[:1] != (h5z.SO_INT,)


def _scaleoffset_tolerance(options: Values) -> float | None:
    # The factor is the number of decimals, a signed number; and within that of the fill value a
    # number becomes the fill value.
    digits = struct.unpack("i", struct.pack("I", options[1]))[0]
    return 10.0**-digits if options[0] == h5z.SO_FLOAT_DSCALE else None


RATE, PRECISION, ACCURACY, EXPERT, REVERSIBLE = 1, 2, 3, 4, 5
"""zfp's modes, as the first option has them."""

_ZFP_MAGIC = int.from_bytes(b"zfp\x05", "little")
_ZFP_LEAST_EXPONENT = -1074


def _own_zfp(stored: Values) -> Values | None:
    """The mode, from zfp's own header: 32 bits of magic, 52 of dtype and shape, 12 or 64 of mode.

    A rate is stored as the bits of a block, whose size goes with the number of dimensions.
    """
    bits = sum(value << (32 * at) for at, value in enumerate(stored[1:]))
    if bits & 0xFFFFFFFF != _ZFP_MAGIC:
        return None
    per_block = 4 ** (1 + (bits >> 34 & 3))
    mode = bits >> 84 & 0xFFF
    return _zfp_long(bits >> 96, per_block) if mode == 0xFFF else _zfp_short(mode, per_block)


def _zfp_short(mode: int, per_block: int) -> Values:
    if mode < 2048:
        return (RATE, 0, *_double((mode + 1) / per_block), 0, 0)
    if mode < 2176:
        return (PRECISION, 0, mode - 2048 + 1, 0, 0, 0)
    if mode == 2176:
        return (REVERSIBLE, 0, 0, 0, 0, 0)
    return (ACCURACY, 0, *_double(math.ldexp(1, mode - 2177 + _ZFP_LEAST_EXPONENT)), 0, 0)


def _zfp_long(bits: int, per_block: int) -> Values:
    least, most = 1 + (bits & 0x7FFF), 1 + (bits >> 15 & 0x7FFF)
    if least == most:
        return (RATE, 0, *_double(most / per_block), 0, 0)
    exponent = (bits >> 37 & 0x7FFF) - 16495
    return (EXPERT, 0, least, most, 1 + (bits >> 30 & 0x7F), exponent & 0xFFFFFFFF)


def _double(number: float) -> tuple[int, int]:
    low, high = struct.unpack("II", struct.pack("d", number))
    return low, high


def _is_lossy_zfp(options: Values) -> bool:
    return options[:1] != (REVERSIBLE,)


def _zfp_tolerance(options: Values) -> float | None:
    if options[0] != ACCURACY:
        return None
    tolerance: float = struct.unpack("d", struct.pack("II", *options[2:4]))[0]
    return tolerance


KNOWN: dict[int, Known] = {
    GZIP: Known(_level("gzip")),
    SHUFFLE: Known(_plain("shuffle"), _nothing),
    FLETCHER32: Known(_plain("fletcher32"), _nothing),
    SZIP: Known(_plain("szip"), lambda stored: stored[:2], portable=False),
    NBIT: Known(_plain("nbit"), _nothing, portable=False),
    SCALEOFFSET: Known(
        _plain("scaleoffset"),
        _own_scaleoffset,
        portable=False,
        lossy=_is_lossy_scaleoffset,
        tolerance=_scaleoffset_tolerance,
    ),
    BZIP2: Known(_level("bzip2")),
    LZF: Known(_plain("lzf"), _nothing),
    BLOSC: Known(_blosc_name("blosc", _BLOSC_CODECS), _own_blosc),
    LZ4: Known(_plain("lz4")),
    BITSHUFFLE: Known(_bitshuffle_name, lambda stored: stored[3:]),
    ZSTD: Known(_level("zstd")),
    BLOSC2: Known(_blosc_name("blosc2", _BLOSC2_CODECS), _own_blosc2),
    ZFP: Known(
        _plain("zfp"), _own_zfp, portable=False, lossy=_is_lossy_zfp, tolerance=_zfp_tolerance
    ),
    SZ: Known(_plain("sz"), None, portable=False, lossy=_always),
    FCIDECOMP: Known(_plain("fcidecomp"), None, portable=False, lossy=_always),
    SZ3: Known(_plain("sz3"), None, portable=False, lossy=_always),
    SPERR: Known(_plain("sperr"), None, portable=False, lossy=_always),
    HTJ2K: Known(_plain("htj2k"), None, portable=False, lossy=_always),
}
"""The filters that are known here, by the numbers that the HDF Group registered."""

UNKNOWN = Known(_plain("unknown"), None, portable=False)
"""Any other."""
