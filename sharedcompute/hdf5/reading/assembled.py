"""Rows of a dataset that consists of parts of others: joined files, virtual datasets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.reading.parts import cover
from sharedcompute.hdf5.reading.row_reader import Reader, RowBuffer, read_only
from sharedcompute.hdf5.reading.scratch import open_at_once
from sharedcompute.hdf5.reading.stored import Part, Stored
from sharedcompute.hdf5.window import Steps


class AssembledReader(Reader):
    """Rows from the readers of a source's parts, which are opened when their rows are read.

    Rows that one part has all of are what its own reader gives: no copy is made of them.

    Parameters
    ----------
    source : Stored
        One that has parts.
    open_reader : callable
        Opens a reader of a part's source.
    """

    def __init__(self, source: Stored, open_reader: Callable[[Stored], Reader]) -> None:
        self._source = source
        self._open_reader = open_reader
        self._parts = source.parts
        self._starts = np.array([part.corner[0] for part in self._parts])
        self._stops = np.array([part.stop for part in self._parts])
        fill = source.dtype.type(0) if source.fill.shown is None else source.fill.shown
        self._fill = None if cover(self._parts, source.shape) else fill
        self._limit = open_at_once(source)
        self._opened: OrderedDict[tuple[str, str], Reader] | None = OrderedDict()
        self._scratch = RowBuffer(source)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)``: of one part, or assembled in this reader's buffer."""
        if self._opened is None:
            raise ValueError("expected an open reader, got a closed one; open the source again")
        start, stop, _ = slice(start, stop).indices(self._source.shape[0])
        count = max(0, stop - start)
        touched = self._touched(start, start + count)
        if len(touched) == 1:
            passed = self._pass_on(touched[0], start, count)
            if passed is not None:
                return passed
        rows = self._scratch.rows(count)
        self.read_box((start, *(0 for _ in rows.shape[1:])), rows)
        return read_only(rows)

    def read_box(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` from the parts that it has elements of."""
        if self._fill is not None:
            out[...] = self._fill
        steps = steps or (1,) * out.ndim
        for part in self._touched(corner[0], corner[0] + (len(out) - 1) * steps[0] + 1):
            picked = part.picked(corner, out.shape, steps)
            if picked is None:
                continue
            inside, source_corner, source_sides, source_steps = picked
            reader = self._reader(part.source)
            # Only axes of length 1 come and go: NumPy makes no copy for that.
            target = out[inside].reshape(source_sides)
            if part.unpacking is None:
                reader.read_box(source_corner, target, source_steps)
            else:
                stored = np.empty(source_sides, part.source.dtype)
                reader.read_box(source_corner, stored, source_steps)
                target[...] = part.unpacking.of(stored)

    def close(self) -> None:
        """Close the parts' readers."""
        for reader in (self._opened or {}).values():
            reader.close()
        self._opened = None
        self._scratch.drop()

    def _touched(self, start: int, stop: int) -> list[Part]:
        """Return the parts with elements in the rows ``[start, stop)``."""
        if start >= stop:
            return []
        found = np.flatnonzero((self._starts < stop) & (self._stops > start))
        return [self._parts[number] for number in found]

    def _pass_on(self, part: Part, start: int, count: int) -> NDArray[Any] | None:
        """Return the rows as the part's reader gives them; None where it has not all of them."""
        columns = self._source.shape[1:]
        all_rows = part.corner[0] <= start and start + count <= part.stop
        if not all_rows or part.shape[1:] != columns or part.unpacking is not None:
            return None
        corner, sides = part.in_source((start, *part.corner[1:]), (count, *columns))
        if any(corner[1:]) or sides[1:] != part.source.shape[1:]:
            return None
        rows = self._reader(part.source).read(corner[0], corner[0] + sides[0])
        return rows.reshape((count, *columns))

    def _reader(self, source: Stored) -> Reader:
        """Return the reader of a part's source; the one used least recently is closed for it."""
        assert self._opened is not None
        key = (source.file, source.name)
        reader = self._opened.pop(key, None)
        if reader is None:
            while len(self._opened) >= self._limit:
                self._opened.popitem(last=False)[1].close()
            reader = self._open_reader(source)
        self._opened[key] = reader
        return reader
