"""Readers of rows, and what they share: layouts, read-ahead, buffers."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.filters.pipeline import Pipeline
from sharedcompute.hdf5.reading.stored import Stored
from sharedcompute.hdf5.window import Steps

AHEAD_NBYTES = 16 << 20
"""Bytes after the last read that the kernel is asked to fetch, so that a cold disk is kept busy
while rows are decoded and computed with."""


@dataclass(frozen=True)
class Layout:
    """The layout of a dataset, which decides on its read path.

    Parameters
    ----------
    storage : str
        ``contiguous``, ``chunked``, ``compact``, ``virtual`` or ``external``.
    plain : bool
        The stored bytes are what NumPy's dtype means in its byte order.
    native : bool
        And that is this machine's.
    offset : int or None
        Bytes from the start of the file, a user block included, to the data of a contiguous
        dataset; None where there are none yet.
    nbytes : int
        Of the whole dataset.
    alignment : int
        That the dtype needs.
    filters : tuple of Filter
        Of its chunks.
    together : bool
        The elements follow each other; those of a member of a compound have others between them.
    """

    storage: str
    plain: bool
    native: bool
    offset: int | None
    nbytes: int
    alignment: int
    filters: Pipeline = ()
    together: bool = True


class Reader(ABC):
    """Rows of one dataset, in one process.

    `read` gives an array that is valid until the next `read` or `close`: it may be a buffer that
    is used again.
    """

    @abstractmethod
    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)``: C-contiguous, native byte order, read-only."""

    @abstractmethod
    def read_box(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out`, of native byte order, with the box of its shape that begins at `corner`.

        With `steps`, only every ``step``-th element along each axis is read.
        """

    def view(self, index: tuple[int | slice, ...]) -> NDArray[Any] | None:
        """Return a part of the data as they lie in the file; None where they cannot be used so."""
        del index
        return None

    def stores(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Return whether a box may have anything but fill values."""
        del corner, shape
        return True

    @abstractmethod
    def close(self) -> None:
        """Close the file. Harmless when done twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class StoredReader(Reader):
    """Rows of one stored dataset by one read path.

    Parameters
    ----------
    source : Stored
        One whose `Layout` the path has accepted.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, source: Stored) -> None: ...

    @staticmethod
    @abstractmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Return whether this path can read such a dataset, and why it can or cannot.

        An empty phrase where it can: for no other reason than that the paths before it cannot.
        """


class ReadAhead:
    """Announces to the kernel what will be read next, where it is not in memory yet.

    Parameters
    ----------
    fd : int
        The open file; the caller closes it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._until = 0
        self._byte = bytearray(1)

    def after(self, place: int) -> None:
        """Announce what comes after `place`, half a window at a time and nothing twice."""
        ahead = self._until - place
        if AHEAD_NBYTES // 2 < ahead <= AHEAD_NBYTES or not hasattr(os, "posix_fadvise"):
            return
        first = self._until if 0 < ahead <= AHEAD_NBYTES else place
        self._until = place + AHEAD_NBYTES
        last = min(self._until, self._size)
        if first < last and not self._is_cached(last - 1):
            os.posix_fadvise(self._fd, first, last - first, os.POSIX_FADV_WILLNEED)

    def _is_cached(self, place: int) -> bool:
        """Return whether a byte is in memory.

        To announce a warm file took 15 % of a fast reduction.
        """
        try:
            os.preadv(self._fd, [self._byte], place, os.RWF_NOWAIT)
        except (OSError, AttributeError):
            # Not there, or a system that does not say.
            return False
        return True


class RowBuffer:
    """A buffer for rows that grows to the largest block and is used again.

    A fresh array for each block costs more in page faults than the copy into it does.
    """

    def __init__(self, source: Stored) -> None:
        self._source = source
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)

    def rows(self, count: int) -> NDArray[Any]:
        """Return room for `count` rows, with whatever the last block left in it."""
        nbytes = count * self._source.row_nbytes
        if nbytes > self._bytes.size:
            self._bytes = np.empty(nbytes, np.uint8)
        flat = self._bytes[:nbytes].view(self._source.dtype)
        return flat.reshape((count, *self._source.shape[1:]))

    def drop(self) -> None:
        """Give the memory back."""
        self._bytes = np.empty(0, np.uint8)


def read_only(rows: NDArray[Any]) -> NDArray[Any]:
    """Return a view of `rows` that cannot be written."""
    shown = rows.view()
    shown.flags.writeable = False
    return shown
