"""Stored chunks decoded without the HDF5 library: at the speed of the codec, on every core."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import deflate
import numpy as np
from h5py import h5z
from numpy.typing import NDArray

from sharedcompute.errors import DecodeError
from sharedcompute.hdf5.filters import plugins
from sharedcompute.hdf5.filters.filter_pipeline import Pipeline
from sharedcompute.hdf5.filters.table import BZIP2, FLETCHER32, GZIP, SHUFFLE
from sharedcompute.kernels.filters import fletcher32, unshuffle

Bytes = NDArray[np.uint8]
_Step = Callable[[Bytes, Bytes | None], Bytes]
"""Undo one filter: (data, out) to out, which is made where it is None, and must fit else."""


@dataclass(frozen=True)
class StoredFilter:
    """One step of a pipeline as the file has it.

    Parameters
    ----------
    code : int
        The number that the HDF Group registered.
    optional : bool
        A chunk that the filter cannot make smaller is stored without it.
    values : tuple of int
        The client data, what the filter's ``set_local`` put there included.
    """

    code: int
    optional: bool
    values: tuple[int, ...]


def stored_filters(dcpl: Any) -> tuple[StoredFilter, ...]:
    """The filters of a dataset creation property list, in the order in which they are applied."""
    found = (dcpl.get_filter(index) for index in range(dcpl.get_nfilters()))
    return tuple(
        StoredFilter(code, bool(flags & h5z.FLAG_OPTIONAL), tuple(values))
        for code, flags, values, _ in found
    )


def decodes(pipeline: Pipeline) -> tuple[bool, str]:
    """Whether `Decoder` can undo `pipeline`, and one phrase: by what, or which filter is why not.

    Filters that are bound to a dtype or lossy, and those that nobody here knows, are left to HDF5.
    """
    phrases = []
    for step in reversed(pipeline):
        if step.code in _OWN:
            phrases.append(f"{step.name} by {_OWN[step.code]}")
        elif plugins.find(step.code) is not None:
            phrases.append(f"{step.name} by hdf5plugin's codec")
        else:
            return False, f"{step.name} is left to HDF5"
    return True, ", ".join(phrases) or "no filter"


def is_ours(pipeline: Pipeline) -> bool:
    """Whether no filter is undone by a codec that a damaged chunk could let crash."""
    return all(step.code in _OWN for step in pipeline)


class Decoder:
    """Undoes a dataset's filters, one chunk at a time.

    Parameters
    ----------
    stored : tuple of StoredFilter
        A pipeline that `decodes` accepts.
    itemsize : int
        Of the stored dtype, in bytes.
    nbytes : int
        Of one decoded chunk.
    """

    def __init__(self, stored: tuple[StoredFilter, ...], itemsize: int, nbytes: int) -> None:
        steps = []
        room = nbytes
        for number, step in enumerate(stored):
            steps.append((1 << number, _undo(step, itemsize, room)))
            room += _growth(step, room)
        self._steps = tuple(reversed(steps))

    def decode(self, data: memoryview | bytes, mask: int, out: Bytes) -> None:
        """Decode one chunk.

        Parameters
        ----------
        data : memoryview or bytes
            As stored in the file.
        mask : int
            Bit i is set where filter i was left out for this chunk.
        out : ndarray of uint8
            One-dimensional and contiguous, of a decoded chunk's size.

        Raises
        ------
        DecodeError
            The data are damaged, cut, or not of this length.
        """
        steps = [undo for bit, undo in self._steps if not mask & bit]
        stored = _bytes(data)
        for undo in steps[:-1]:
            stored = _bytes(undo(stored, None))
        (steps[-1] if steps else _placed)(stored, out)


def _bytes(data: Any) -> Bytes:
    """`data` as a read-only array: numba compiles a kernel again for one that can be written."""
    return np.frombuffer(memoryview(data).toreadonly(), np.uint8)


def _placed(data: Bytes, out: Bytes | None) -> Bytes:
    """`data`, copied to `out` where there is one."""
    if out is None:
        return data
    if data.size != out.size:
        raise plugins.wrong_length(data.size, out.size)
    out[:] = data
    return out


def _inflate(room: int, data: Bytes, out: Bytes | None) -> Bytes:
    # libdeflate checks the Adler-32, and ignores bytes behind the stream as zlib does.
    try:
        inflated = deflate.zlib_decompress(data, room)
    except deflate.DeflateError:
        raise DecodeError(
            f"its deflate stream is damaged, cut, or longer than {room} bytes"
        ) from None
    return _placed(_bytes(inflated), out)


def _unzipped(room: int, data: Bytes, out: Bytes | None) -> Bytes:
    stream = bz2.BZ2Decompressor()
    try:
        made = stream.decompress(data.data, room)
    except (OSError, ValueError):
        raise DecodeError("its bzip2 stream is damaged") from None
    # The end is seen with the last bytes, or after them.
    if not stream.eof and (stream.needs_input or stream.decompress(b"", 1) or not stream.eof):
        raise DecodeError(f"its bzip2 stream is cut, or longer than {room} bytes")
    return _placed(_bytes(made), out)


def warm_up(pipeline: Pipeline) -> None:
    """Compile here what decoding takes, so that workers find it in numba's cache."""
    if any(step.code == SHUFFLE for step in pipeline):
        _unshuffled(1, np.frombuffer(b"0", np.uint8), None)


def _unshuffled(itemsize: int, data: Bytes, out: Bytes | None) -> Bytes:
    if out is None:
        made = np.empty(data.size, np.uint8)
        unshuffle(data, itemsize, made)
        return made
    if data.size != out.size:
        raise plugins.wrong_length(data.size, out.size)
    unshuffle(data, itemsize, out)
    return out


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
    return _placed(data[:-4], out)


def _undo(step: StoredFilter, itemsize: int, room: int) -> _Step:
    """What undoes `step`; before it, a chunk has at most `room` bytes."""
    if step.code == GZIP:
        return partial(_inflate, room)
    if step.code == BZIP2:
        return partial(_unzipped, room)
    if step.code == SHUFFLE:
        return partial(_unshuffled, step.values[0] if step.values else itemsize)
    if step.code == FLETCHER32:
        return _verified
    plugin = plugins.find(step.code)
    if plugin is None:
        raise ValueError(f"expected a filter that can be decoded here, got number {step.code}")
    return partial(plugin.decode, step.values, room)


def _growth(step: StoredFilter, nbytes: int) -> int:
    """By how many bytes `step` can make `nbytes` of them longer, at most."""
    if step.code == SHUFFLE:
        return 0
    return 4 if step.code == FLETCHER32 else nbytes + (64 << 10)


_OWN = {
    GZIP: "libdeflate",
    BZIP2: "Python's bz2",
    SHUFFLE: "our own kernel",
    FLETCHER32: "our own kernel",
}
