"""The values that scales and companions have in a result: joined, and cut to a window."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.copying.related import RelatedVariables
from sharedcompute.hdf5.format.dimensions import has_no_variable
from sharedcompute.hdf5.format.names import path_of
from sharedcompute.hdf5.inspection.joined_rows import Joined, JoinRequest, NotJoinedError, join_rows
from sharedcompute.hdf5.reading.stored import Stored


class CarriedValues:
    """The values that scales and companions of one dataset have in a result of it.

    Parameters
    ----------
    source : Stored
        The input of the result.
    related : RelatedVariables
        Of the input's dataset; of joined files, of that of the first.
    """

    def __init__(self, source: Stored, related: RelatedVariables) -> None:
        self._source = source
        self._related = related
        self._joined = self._join() if source.glob else {}

    def of(self, item: h5py.Dataset, coordinate: h5py.Dataset | None) -> NDArray[Any] | None:
        """Return what belongs to the result where that is not what `item` holds.

        Parameters
        ----------
        item : h5py.Dataset
        coordinate : h5py.Dataset or None
            The coordinate whose cells' edges it has.

        Raises
        ------
        NotJoinedError
            Joined files have nothing that goes together, or it is unknown what a window has of it.
        """
        joined = self._joined.get(path_of(item))
        if isinstance(joined, NotJoinedError):
            raise joined
        cut = self._related.cut(item, coordinate)
        if cut is None or has_no_variable(item):
            return joined
        values = np.asarray(item[()]) if joined is None else joined
        return values[tuple(slice(None) if side is None else side.index for side in cut)]

    def has_another_length(self, scale: h5py.Dataset) -> bool:
        """Return whether a dimension has, or may have, another length in the result."""
        joined = bool(self._source.glob) and 0 in self._related.along(scale)[0]
        return joined or self._related.cut(scale) is not None

    def length(self, scale: h5py.Dataset) -> int:
        """Return the length of a dimension in the result."""
        axes = self._related.along(scale)[0]
        if self._source.window is not None:
            for axis in axes:
                return self._source.window.axes[axis].count
        return self._source.shape[0] if 0 in axes else int(scale.shape[0])

    def _join(self) -> dict[str, Joined]:
        """Join what the axes and the coordinates of joined files lead to."""
        found: dict[str, Joined] = {}
        wanted: list[JoinRequest] = []
        for item, of in self._related.reached():
            along = self._related.along(item)
            of_rows = any(0 in axes for axes in along)
            if of_rows and (along[0] != {0} or any(0 in axes for axes in along[1:])):
                found[path_of(item)] = NotJoinedError("its rows cannot be told from its columns")
            else:
                wanted.append(JoinRequest(item, of_rows, of))
        return found | join_rows(self._source.whole, wanted)
