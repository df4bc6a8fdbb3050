"""What belongs to the rows of joined files: put together from all of them, in the same units.

References
----------
CF conventions 1.11, section 4.4 (time coordinate) and chapter 7 (bounds have their coordinate's
units).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.calendars import TimeUnits
from sharedcompute.hdf5.files import open_file
from sharedcompute.hdf5.links import follow
from sharedcompute.hdf5.lookup import text_attribute
from sharedcompute.hdf5.packing import MASKS, NOT_PACKED, Packing, comparable, packing_of
from sharedcompute.hdf5.reach import Reach
from sharedcompute.hdf5.storage import lies_here

if TYPE_CHECKING:
    from sharedcompute.hdf5.source import DatasetSource


class NotJoinedError(Exception):
    """Why entries of several files cannot be put together, in one phrase."""


def rows_of_all(
    source: DatasetSource, item: h5py.Dataset, coordinate: h5py.Dataset | None = None
) -> NDArray[Any]:
    """What `item` of the first file, with an entry for each of its rows, has in all files.

    Times in other units are brought to those of the first file.

    Parameters
    ----------
    source : DatasetSource
        Of joined files.
    item : h5py.Dataset
    coordinate : h5py.Dataset or None
        The coordinate whose cells' edges it has: they are in its units.

    Returns
    -------
    ndarray, shape (rows of all files, ...)
        Of the item's dtype, or of one that holds the entries of all files.

    Raises
    ------
    NotJoinedError
        It is not in all files, or with another meaning.
    """
    first, values = _Entries(item, coordinate), []
    for part, (file, found) in zip(source.parts, _in_all(source, item), strict=True):
        if found is None:
            raise NotJoinedError(f"{file} has none")
        if found.shape != (part.shape[0], *item.shape[1:]):
            raise NotJoinedError(f"it has shape {found.shape} in {file}")
        beside = None if coordinate is None else found.file.get(coordinate.name)
        try:
            values.append(_Entries(found, beside).like(first))
        except ValueError as why:
            raise NotJoinedError(f"{why} ({Path(source.file).name} and {file})") from None
    return _together(values, item.dtype)


def differing(source: DatasetSource, item: h5py.Dataset) -> str | None:
    """The name of a file in which `item`, which does not belong to rows, has other values."""
    ours = item[()]
    for file, found in _in_all(source, item):
        if found is None:
            continue
        if found.shape != item.shape or not _equal(ours, found[()]):
            return file
        texts = [text_attribute(one, "units") for one in (item, found)]
        if texts[0] != texts[1]:
            return file
    return None


def _in_all(source: DatasetSource, item: h5py.Dataset) -> Iterator[tuple[str, Any]]:
    """The names of the files, and what each has in the place of `item`: a dataset, or None."""
    for part in source.parts:
        if part.source.file == source.file:
            # Opened again and closed, it would leave the item's type with a dangling file: the next
            # look at a dataset of strings that has a fill value crashes (HDF5 2.0).
            yield Path(source.file).name, item
            continue
        with open_file(part.source.file) as file:
            found = follow(file, item.name, Reach.of(part.source.file, False))
            there = isinstance(found, h5py.Dataset) and lies_here(found)
            yield Path(part.source.file).name, found if there else None


class _Entries:
    """What one file has, with the units and the packing of its numbers.

    Parameters
    ----------
    dataset : h5py.Dataset
    coordinate : h5py.Dataset or None
        Its units hold where the dataset has none.
    """

    def __init__(self, dataset: h5py.Dataset, coordinate: Any) -> None:
        self.dataset = dataset
        near = [dataset] if coordinate is None else [dataset, coordinate]
        self.units, self.calendar = (
            next(filter(None, (text_attribute(item, name) for item in near)), "")
            for name in ("units", "calendar")
        )
        self.packing = packing_of(dataset) or NOT_PACKED

    def like(self, first: _Entries) -> NDArray[Any]:
        """The values in the units of `first`.

        Raises
        ------
        ValueError
            They mean something else; in one phrase.
        """
        values = np.asarray(self.dataset[()])
        numbers = values.dtype.kind in "biufc"
        if numbers != (first.dataset.dtype.kind in "biufc"):
            raise ValueError("numbers and others do not go together")
        if not numbers:
            return values
        attribute = first.packing.differs(self.packing, first.dataset.dtype)
        if attribute is not None:
            raise ValueError(f"{attribute} differs")
        if (self.units, self.calendar.lower()) == (first.units, first.calendar.lower()):
            return values
        if " since " not in self.units or " since " not in first.units:
            if self.units == first.units:
                return values
            raise ValueError(f"the units {first.units!r} and {self.units!r} differ")
        ours, theirs = (TimeUnits.parse(e.units, e.calendar) for e in (self, first))
        factor, shift = ours.to(theirs)
        if factor == 1 and shift == 0:
            return values
        if {"scale_factor", "add_offset"} & {*self.packing.changes(values.dtype)}:
            raise ValueError("packed times are in other units")
        return _rebased(values, factor, shift, self.packing)


def _rebased(
    values: NDArray[Any], factor: Fraction, shift: Fraction, packing: Packing
) -> NDArray[Any]:
    """``values * factor + shift``, missing ones as they are; whole numbers where all are."""
    dtype = values.dtype.newbyteorder("=")
    numbers = [n for name in MASKS for n in packing.fills(name, dtype, "") or []]
    missing = np.isin(values, comparable(numbers, dtype, dtype))
    if dtype.kind in "iu" and factor.denominator == shift.denominator == 1:
        # As Python's numbers, which do not overflow.
        times = np.where(missing, values, values.astype(object) * int(factor) + int(shift))
        if all(-(1 << 63) <= time < 1 << 63 for time in times.flat):
            return times.astype(np.int64)
    exact = values.astype(np.float64)
    moved = exact * float(factor.numerator) / float(factor.denominator) + float(shift)
    return np.where(missing, exact, moved)


def _together(values: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """All values one after the other, in `dtype` where it holds them."""
    joined = np.concatenate(values)
    if joined.dtype.kind not in "biufc" or joined.dtype == dtype:
        return joined
    with np.errstate(all="ignore"):
        cast = joined.astype(dtype)
    same = np.array_equal(cast.astype(joined.dtype), joined, equal_nan=joined.dtype.kind in "fc")
    return cast if same else joined


def _equal(ours: Any, theirs: Any) -> bool:
    """Whether values are the same, NaN too, in whatever dtype."""
    a, b = np.asarray(ours), np.asarray(theirs)
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc")
