"""Windows of datasets: their description as sources, and rows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.reading.kept_rows import KeptRows
from sharedcompute.hdf5.reading.row_reader import Reader, RowBuffer, read_only
from sharedcompute.hdf5.reading.stored import Part, Stored
from sharedcompute.hdf5.reading.window_rows import has_whole_rows, rows_of
from sharedcompute.hdf5.window import Cut, Steps, Window

S = TypeVar("S", bound=Stored)


def windowed(source: S, window: Window) -> S:
    """Return a window of a dataset as a source: its rows are read from the chunks it touches.

    No file is opened. A window of a window is one of the dataset.

    Parameters
    ----------
    source : DatasetSource
    window : Window
        Of its shape.

    Raises
    ------
    InputError
        It has no axis left.
    """
    if window.is_all:
        return source
    if not window.shape:
        raise InputError(
            f"expected a window of {source} with at least one axis, got the one number {window}; "
            "write N:N+1 for one of the indices"
        )
    whole = source.whole
    if source.window is not None:
        window = source.window.then(window)
    corner, span = window.bounds((0,) * len(window.shape), window.shape)
    sides = None
    if whole.chunks is not None:
        # Past its edge a result that is stored in the same chunks has nothing.
        sides = tuple(max(1, min(whole.chunks[a], window.axes[a].count)) for a in window.kept)
    return replace(
        source,
        shape=window.shape,
        chunks=sides,
        maxshape=tuple(
            None if whole.maxshape[axis] is None else window.axes[axis].count
            for axis in window.kept
        ),
        offset=None,
        parts=(Part((0,) * len(window.shape), window.shape, whole, corner, span),),
        seen=(),
        window=window,
    )


class WindowReader(Reader):
    """Rows of a window from the reader of the whole.

    Where they lie in C order in the file, or are all that the whole has in its rows, no copy is
    made of them.

    Parameters
    ----------
    source : Stored
        One that is a window.
    open_reader : callable
        Opens a reader of the whole.
    """

    def __init__(self, source: Stored, open_reader: Callable[[Stored], Reader]) -> None:
        assert source.window is not None
        self._source = source
        self._window = source.window
        self._reader = open_reader(source.whole)
        self._whole_rows = has_whole_rows(self._window)
        self._view = None if self._whole_rows else self._c_ordered_view()
        self._kept = KeptRows(source, self._whole_chunks, self.read_box)
        self._scratch = RowBuffer(source)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)``: as the whole's reader gives them, or in a buffer."""
        start, stop, _ = slice(start, stop).indices(self._source.shape[0])
        stop = max(start, stop)
        if self._whole_rows:
            first = self._window.axes[0].start
            return self._reader.read(first + start, first + stop)
        if self._view is not None:
            return self._view[start:stop]
        if self._source.whole.parts or self._source.whole.chunks is None:
            rows = self._scratch.rows(stop - start)
            self.read_box((start, *(0 for _ in rows.shape[1:])), rows)
        else:
            rows = self._kept.rows(start, stop)
        return read_only(rows)

    def read_box(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` with no other elements read than its own, and those of their chunks."""
        if not out.size:
            return
        cuts = self._window.part(corner, out.shape, steps or (1,) * out.ndim)
        target = out[tuple(np.newaxis if cut.dropped else _as_stored(cut) for cut in cuts)]
        self._reader.read_box(
            tuple(cut.low for cut in cuts), target, tuple(abs(cut.step) for cut in cuts)
        )

    def close(self) -> None:
        """Close the reader of the whole, and drop the buffers."""
        self._reader.close()
        self._view = None
        self._kept.drop()
        self._scratch.drop()

    def _c_ordered_view(self) -> NDArray[Any] | None:
        """Return the window as it lies in the file, if each of its rows follows the last."""
        found = self._reader.view(self._window.index)
        return found if found is not None and found.flags.c_contiguous else None

    def _whole_chunks(self, start: int, stop: int) -> tuple[int, int]:
        """Return the rows of the window that lie in the same chunks as ``[start, stop)``."""
        cut, side = rows_of(self._source, self._window)
        asked = cut.then(Cut(start, stop - start))
        first, last = asked.low, asked.low + asked.span - 1
        first, last = first // side * side, last // side * side + side - 1
        if cut.step < 0:
            first, last = last, first
        begin, end = -(-(first - cut.start) // cut.step), (last - cut.start) // cut.step
        return max(0, begin), min(cut.count, end + 1)


def _as_stored(cut: Cut) -> slice:
    """Return the index that puts an axis in the order of the file."""
    return slice(None, None, -1 if cut.step < 0 else 1)
