"""Scales and companions beside a dataset, and the axes of it that each of them is along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import h5py

from sharedcompute.hdf5.format.cf import AXIS_ATTRIBUTES
from sharedcompute.hdf5.format.dimensions import has_no_variable, is_scale
from sharedcompute.hdf5.format.names import path_of, text_attribute
from sharedcompute.hdf5.inspection.companions import find_companion, scales_of
from sharedcompute.hdf5.inspection.joined_rows import NotJoinedError
from sharedcompute.hdf5.window import Cut, Window


class RelatedVariables:
    """Scales and companions of a dataset, as far as a result of it can have them.

    Parameters
    ----------
    original : h5py.Dataset
    axes : sequence of (int or None)
        The axes of the original that the result still has.
    window : Window or None
        What the result is of the original.

    Attributes
    ----------
    scales : list of list of h5py.Dataset
        The scales of each axis of the original.
    """

    def __init__(
        self, original: h5py.Dataset, axes: Sequence[int | None], window: Window | None
    ) -> None:
        self._original = original
        self._axes = axes
        self._window = window
        self.scales = [scales_of(original, axis) for axis in range(original.ndim)]
        self._axis_of = {path_of(s): axis for axis, found in enumerate(self.scales) for s in found}

    def reached(self) -> Iterator[tuple[h5py.Dataset, h5py.Dataset | None]]:
        """Yield what the axes and the coordinates lead to; with cells' edges, their coordinate."""
        scales = [s for axis in self._axes if axis is not None for s in self.scales[axis]]
        words = text_attribute(self._original, "coordinates").split()
        named = (find_companion(self._original, word) for word in words)
        queue: list[tuple[h5py.Dataset, h5py.Dataset | None]]
        queue = [(item, None) for item in (*scales, *named) if item is not None]
        seen: set[str] = set()
        while queue:
            item, of = queue.pop()
            if path_of(item) in seen or has_no_variable(item) or not self.stays(item):
                continue
            seen.add(path_of(item))
            yield item, of
            for axis in range(item.ndim if item.shape else 0):
                queue += [(scale, None) for scale in scales_of(item, axis)]
            edges = (find_companion(item, text_attribute(item, name)) for name in AXIS_ATTRIBUTES)
            queue += [(found, item) for found in edges if found is not None]

    def along(self, item: h5py.Dataset) -> list[set[int]]:
        """Return for each axis of `item` the axes of the original that it is, or may be."""
        if not item.shape:
            return []
        if path_of(item) in self._axis_of:
            return [{self._axis_of[path_of(item)]}, *(set[int]() for _ in item.shape[1:])]
        scales = [scales_of(item, axis) for axis in range(item.ndim)]
        if any(scales):
            named = [{self._axis_of.get(path_of(s)) for s in found} - {None} for found in scales]
            return [{axis for axis in found if axis is not None} for found in named]
        if is_scale(item):
            return [set() for _ in item.shape]
        lengths = self._original.shape
        return [{axis for axis, n in enumerate(lengths) if n == side} for side in item.shape]

    def cut(self, item: h5py.Dataset, of: h5py.Dataset | None = None) -> list[Cut | None] | None:
        """Return what of each axis of `item` belongs to the window; None where all of it does.

        Parameters
        ----------
        item : h5py.Dataset
        of : h5py.Dataset or None
            The coordinate whose cells' edges it has: the first axes of both are the same.

        Raises
        ------
        NotJoinedError
            An axis may be one or another, which are cut in different ways.
        """
        if self._window is None or not item.shape:
            return None
        along = self.along(item)
        if of is not None and not any(scales_of(item, axis) for axis in range(item.ndim)):
            along = [*self.along(of), *(set[int]() for _ in item.shape)][: item.ndim]
        found: list[Cut | None] = []
        for axes in along:
            cuts = {(self._window.axes[axis], self._window.whole[axis]) for axis in axes}
            if len(cuts) > 1:
                raise NotJoinedError("it cannot be told which axis it belongs to")
            cut, n = cuts.pop() if cuts else (None, 0)
            found.append(None if cut is None or cut.is_all(n) else cut)
        return found if any(found) else None

    def stays(self, item: h5py.Dataset) -> bool:
        """Return whether the result still has all axes that `item` is along."""
        return all(axis in self._axes for found in self.along(item) for axis in found)
