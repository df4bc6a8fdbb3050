"""The rows of the last read, kept for the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.reading.row_reader import RowBuffer
from sharedcompute.hdf5.reading.stored import Stored


class KeptRows:
    """The rows of the last read, widened to whole chunks.

    Reads that overlap (the halo of a stencil) or end inside of chunks find here what is decoded
    already: each chunk is decoded once while reads go forward.

    Parameters
    ----------
    source : Stored
    widen : callable
        Returns the rows that are decoded where ``[start, stop)`` are wanted.
    fill : callable
        Fills an array with the rows from a corner on.
    """

    def __init__(
        self,
        source: Stored,
        widen: Callable[[int, int], tuple[int, int]],
        fill: Callable[[tuple[int, ...], NDArray[Any]], None],
    ) -> None:
        self._source = source
        self._fill = fill
        self._widen = widen if source.keeps_chunks else _as_it_is
        self._scratch = RowBuffer(source)
        self._first = self._last = 0

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)``; a view of this object's buffer."""
        if start == stop or not self._source.row_nbytes:
            return np.empty((stop - start, *self._source.shape[1:]), self._source.dtype)
        first, last = self._widen(start, stop)
        if not (self._first <= first and last <= self._last):
            self._move(first, last)
        here = start - self._first
        return self._scratch.rows(self._last - self._first)[here : here + stop - start]

    def drop(self) -> None:
        """Give the memory back."""
        self._scratch.drop()
        self._first = self._last = 0

    def _move(self, first: int, last: int) -> None:
        kept_from, kept_to = max(first, self._first), min(last, self._last)
        old = self._scratch.rows(self._last - self._first)[kept_from - self._first :][
            : max(0, kept_to - kept_from)
        ]
        self._first = self._last = 0  # should a chunk be damaged, nothing here holds
        rows = self._scratch.rows(last - first)
        missing = [(first, last)]
        if len(old):
            rows[kept_from - first : kept_to - first] = old
            missing = [(first, kept_from), (kept_to, last)]
        beside = (0,) * (len(self._source.shape) - 1)
        for a, b in missing:
            self._fill((a, *beside), rows[a - first : b - first])
        self._first, self._last = first, last


def _as_it_is(start: int, stop: int) -> tuple[int, int]:
    """Return the rows that are wanted: a chunk has too many to be kept."""
    return start, stop
