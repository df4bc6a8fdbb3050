"""HDF5's Fletcher-32 checksum, by a kernel of ours."""

from __future__ import annotations

from typing import Any

from h5py import h5z

from sharedcompute.errors import DecodeError
from sharedcompute.hdf5.filters.codec import (
    Bytes,
    Codec,
    DecodeStep,
    Decoding,
    EncodeRequest,
    EncodeStep,
    Encoding,
    Values,
    as_bytes,
    placed,
    without_options,
)
from sharedcompute.kernels.filters import fletcher32

FLETCHER32: int = h5z.FILTER_FLETCHER32


def _decode_step(values: Values, itemsize: int, room: int) -> DecodeStep:
    del values, itemsize, room
    return _verified


def _verified(data: Bytes, out: Bytes | None) -> Bytes:
    if data.size < 4:
        raise DecodeError(f"its {data.size} bytes have no room for a checksum")
    found = fletcher32(data[:-4])
    stored = int.from_bytes(data[-4:].tobytes(), "little")
    # Before 1.6.3, HDF5 on little-endian machines swapped the bytes of each half, and still takes
    # such checksums.
    swapped = int.from_bytes(data[[-3, -4, -1, -2]].tobytes(), "little")
    if found not in (stored, swapped):
        raise DecodeError("its fletcher32 checksum does not match")
    return placed(data[:-4], out)


def _encode_step(encoded: EncodeRequest) -> EncodeStep:
    del encoded
    return _with_checksum


def _with_checksum(data: Any) -> bytes:
    checksum = fletcher32(as_bytes(data))
    return b"".join((data, int(checksum).to_bytes(4, "little")))


CODEC = Codec(
    "fletcher32",
    FLETCHER32,
    without_options,
    decoding=Decoding("our own kernel", _decode_step),
    encoding=Encoding(_encode_step),
    growth=lambda _: 4,
)
