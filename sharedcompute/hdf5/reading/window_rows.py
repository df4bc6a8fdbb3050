"""What the rows of a window are of its dataset: where they lie in chunks, and in the file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sharedcompute.hdf5.window import Cut, Window

if TYPE_CHECKING:
    from sharedcompute.hdf5.reading.stored import Stored


def on_grid(cut: Cut, side: int) -> tuple[int, int]:
    """Return the elements of a cut in a chunk of `side`, and those that the first lacks."""
    step = abs(cut.step)
    if side % step:
        return max(1, side // step), 0
    before = cut.start % side if cut.step > 0 else side - 1 - cut.start % side
    return side // step, before // step


def rows_of(source: Stored, window: Window) -> tuple[Cut, int]:
    """Return what the rows of a window are of an axis of the whole, and its chunks' side there."""
    axis, whole = window.kept[0], source.whole
    if axis == 0:
        return window.axes[0], whole.chunk_rows
    return window.axes[axis], whole.chunks[axis] if whole.chunks else 1


def window_alignment(source: Stored, window: Window) -> int:
    """Return the rows of a window after which its rows and the chunks begin again together."""
    cut, side = rows_of(source, window)
    side = source.whole.row_alignment if window.kept[0] == 0 else side
    return min(side // math.gcd(side, cut.step), max(1, source.shape[0]))


def has_whole_rows(window: Window) -> bool:
    """Return whether all elements of some neighbouring rows of the whole are the window's rows."""
    rows, *others = zip(window.axes, window.whole, strict=True)
    plain = rows[0].step == 1 and not rows[0].dropped
    return plain and all(cut.is_all(n) for cut, n in others)


def lies_in_rows(window: Window) -> bool:
    """Return whether the rows of a window follow each other in an array that lies in C order."""
    axis = window.kept[0]
    others = zip(window.axes[axis + 1 :], window.whole[axis + 1 :], strict=True)
    return window.axes[axis].step == 1 and all(cut.is_all(n) for cut, n in others)
