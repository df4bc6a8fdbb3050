"""A filter's codec: all that is known of one filter, in one entry.

HDF5 stores not the options that a user chose but what the filter's ``set_local`` callback derived
from them for one dataset: the element size, the chunk's shape, the fill value stand before or
between the options, or in their place. Given to a second dataset as they are they mean something
else: bitshuffle takes them for another block size and codec, zfp for another mode. So each codec
has a way back from stored values to options that any dataset can be given, or none: it is then
never applied again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import DecodeError

Values = tuple[int, ...]
"""A filter's client data as stored, or the options that a user gives it."""

Bytes = NDArray[np.uint8]

DecodeStep = Callable[[Bytes, Bytes | None], Bytes]
"""Undo one filter: (data, out) to out, which is made where it is None, and must fit else."""

ChunkBytes = Bytes | bytes | bytearray
"""A chunk between two filters that encode."""

EncodeStep = Callable[[ChunkBytes], ChunkBytes]
"""Apply one filter to the bytes of a chunk."""

SLACK_NBYTES = 64 << 10


@dataclass(frozen=True)
class Decoding:
    """Decoding of a filter's chunks without the HDF5 library.

    Parameters
    ----------
    by : str
        The decoder, for a person: ``libdeflate``.
    step : callable
        ``step(values, itemsize, room)`` returns the `DecodeStep` for a filter with these stored
        values, in a dataset of that itemsize; before it, a chunk has at most `room` bytes.
    guarded : bool
        No damaged chunk can crash it.
    available : callable
        Whether the decoder is installed.
    warm_up : callable
        Compile what it takes, so that workers find it in numba's cache.
    """

    by: str
    step: Callable[[Values, int, int], DecodeStep]
    guarded: bool = True
    available: Callable[[], bool] = lambda: True
    warm_up: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class EncodeRequest:
    """A filter that is about to encode the chunks of a dataset.

    Parameters
    ----------
    options : tuple of int
        As a user gives them.
    itemsize : int
        Of the stored dtype, in bytes.
    shuffled : bool
        The pipeline begins with HDF5's byte shuffle.
    isal : int or None
        The level at which ISA-L is to do it.
    """

    options: Values
    itemsize: int
    shuffled: bool
    isal: int | None = None


@dataclass(frozen=True)
class Encoding:
    """Encoding of a filter's chunks without the HDF5 library.

    Parameters
    ----------
    step : callable
        Returns the `EncodeStep` for an `EncodeRequest`.
    warm_up : callable
        As of `Decoding`.
    """

    step: Callable[[EncodeRequest], EncodeStep]
    warm_up: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Choice:
    """A name by which ``--filter`` asks for a codec.

    Parameters
    ----------
    name : str
    options : callable
        The codec's options for a level.
    levels : (int, int) or None
        The lowest and the highest level; None where it has none.
    default : int
        The level where none is named.
    shuffled : bool
        HDF5's byte shuffle goes before it, unless the user says otherwise.
    isal : bool
        The level is ISA-L's.
    """

    name: str
    options: Callable[[int], Values]
    levels: tuple[int, int] | None = None
    default: int = 0
    shuffled: bool = False
    isal: bool = False

    @property
    def label(self) -> str:
        """The name, with the default level where there are levels."""
        return f"{self.name}:{self.default}" if self.levels else self.name


def as_stored(stored: Values) -> Values:
    """Return stored values unchanged: they are the options."""
    return stored


def without_options(stored: Values) -> Values:  # noqa: ARG001
    """Return no options: the filter has none."""
    return ()


def _never(options: Values) -> bool:  # noqa: ARG001
    return False


def always(options: Values) -> bool:  # noqa: ARG001
    """Return True: the filter is lossy whatever its options are."""
    return True


def _not_promised(options: Values) -> float | None:  # noqa: ARG001
    return None


def _some_slack(nbytes: int) -> int:
    return nbytes + SLACK_NBYTES


@dataclass(frozen=True)
class Codec:
    """One filter: its number, its names, its options, and how chunks are decoded and encoded.

    Parameters
    ----------
    name : str
    code : int
        The number that the HDF Group registered.
    options : callable or None
        ``options(stored)`` returns the options to give a dataset of any chunk shape, fill value and
        dtype, from the values that are stored with one; None for values that it does not
        understand. None instead of a callable: no way has been tested, and the filter is not
        applied again. HDF5 itself makes stored values of options, in the filter's ``set_local``.
    label : callable, optional
        The name for a person, by the options; default: `name` alone.
    choices : tuple of Choice
        The names that ``--filter`` takes.
    portable : bool
        It keeps every bit of any numeric dtype, so that any result may have it.
    lossy : callable
        Whether it stores other numbers than it is given, by the options.
    tolerance : callable
        By how much a number may change at most, by the options; None where that is not promised.
    decoding : Decoding or None
        None leaves its chunks to HDF5.
    encoding : Encoding or None
        None encodes them in HDF5's own bytes, by HDF5.
    growth : callable
        By how many bytes it can make so many of them longer, at most.
    """

    name: str
    code: int
    options: Callable[[Values], Values | None] | None = as_stored
    label: Callable[[Values], str] | None = None
    choices: tuple[Choice, ...] = ()
    portable: bool = True
    lossy: Callable[[Values], bool] = _never
    tolerance: Callable[[Values], float | None] = _not_promised
    decoding: Decoding | None = None
    encoding: Encoding | None = None
    growth: Callable[[int], int] = _some_slack

    def named(self, options: Values) -> str:
        """Return the name for a person: ``gzip:4``, ``bitshuffle-lz4``."""
        return self.name if self.label is None else self.label(options)


def with_level(name: str) -> Callable[[Values], str]:
    """Return a label ``name:LEVEL`` of the first option."""
    return lambda options: f"{name}:{options[0]}" if options else name


def inner_name(names: dict[int, str] | tuple[str, ...], index: int) -> str:
    """Return the name of an inner codec."""
    try:
        return names[index]
    except (KeyError, IndexError):
        return "unknown"


def as_bytes(data: Any) -> Bytes:
    """Return `data` as a read-only array: numba compiles a kernel again for one that is not."""
    return np.frombuffer(memoryview(data).toreadonly(), np.uint8)


def placed(data: Bytes, out: Bytes | None) -> Bytes:
    """Return `data`, copied to `out` where there is one.

    Raises
    ------
    DecodeError
        They differ in length.
    """
    if out is None:
        return data
    if data.size != out.size:
        raise wrong_length(data.size, out.size)
    out[:] = data
    return out


def wrong_length(found: int, expected: int) -> DecodeError:
    """Return the error of data that decode to more or fewer bytes than a chunk has."""
    return DecodeError(f"it decodes to {found} bytes where a chunk has {expected}")
