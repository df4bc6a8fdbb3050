"""Stored chunks decoded without the HDF5 library: at the speed of the codec, on every core."""

from __future__ import annotations

from sharedcompute.hdf5.filters.codec import Bytes, DecodeStep, as_bytes, placed
from sharedcompute.hdf5.filters.pipeline import Pipeline, StoredFilter
from sharedcompute.hdf5.filters.registry import codec_of


def decodes(pipeline: Pipeline) -> tuple[bool, str]:
    """Return whether `Decoder` can undo `pipeline`, and by what, or which filter is why not.

    Filters that are bound to a dtype or lossy, and those that are not known, are left to HDF5.
    """
    phrases = []
    for step in reversed(pipeline):
        decoding = codec_of(step.code).decoding
        if decoding is None or not decoding.available():
            return False, f"{step.name} is left to HDF5"
        phrases.append(f"{step.name} by {decoding.by}")
    return True, ", ".join(phrases) or "no filter"


def is_guarded(pipeline: Pipeline) -> bool:
    """Return whether no filter is undone by a codec that a damaged chunk could let crash."""
    decodings = [codec_of(step.code).decoding for step in pipeline]
    return all(decoding is not None and decoding.guarded for decoding in decodings)


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
            steps.append((1 << number, _decode_step(step, itemsize, room)))
            room += codec_of(step.code).growth(room)
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
        stored = as_bytes(data)
        for undo in steps[:-1]:
            stored = as_bytes(undo(stored, None))
        (steps[-1] if steps else placed)(stored, out)


def warm_up(pipeline: Pipeline) -> None:
    """Compile what decoding takes, so that workers find it in numba's cache."""
    for step in pipeline:
        decoding = codec_of(step.code).decoding
        if decoding is not None:
            decoding.warm_up()


def _decode_step(step: StoredFilter, itemsize: int, room: int) -> DecodeStep:
    decoding = codec_of(step.code).decoding
    if decoding is None:
        raise ValueError(f"expected a filter that can be decoded here, got number {step.code}")
    return decoding.step(step.values, itemsize, room)
