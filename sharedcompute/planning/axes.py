"""The axes of its input that a result still has: scales and coordinates hold for these."""

from __future__ import annotations

from collections.abc import Sequence

from sharedcompute.hdf5.format.dimensions import Axes, axes_that_stay
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.stages import Stage


def axes_after(shape: Sequence[int], stages: Sequence[Stage]) -> Axes:
    """Return the axes of the input, of `shape`, that the rows after some stages have."""
    axes: list[int | None] = list(range(len(shape)))
    row = tuple(shape[1:])
    for stage in stages:
        if stage.row_shape is None:
            continue
        found = axes_that_stay(row, stage.row_shape)
        gone = stage.new_axes
        kept = [None if gone or axis is None else axes[1 + axis] for axis in found]
        axes, row = [0, *kept], stage.row_shape
    return axes


def axes_of_fit(
    fit: Iterative, name: str, axes: Axes, row: Sequence[int], shape: Sequence[int]
) -> Axes:
    """Return the axes that a result of a fit has.

    Parameters
    ----------
    name : str
        The result's.
    axes, row
        The input's axes that the rows have which the fit sees, and the shape of such a row.
    shape : sequence of int
        The result's.
    """
    new: list[int | None] = [None] * len(shape)
    if name in fit.like_input and len(shape) == len(axes):
        return axes
    ahead = len(shape) - len(row)
    if name in fit.like_row and ahead >= 0 and tuple(shape[ahead:]) == tuple(row):
        return [*new[:ahead], *axes[1:]]
    return new
