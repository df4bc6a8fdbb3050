"""Joined rows: what belongs to the rows of joined files, joined in the same units.

References
----------
CF conventions 1.11, section 4.4 (time coordinate) and chapter 7 (bounds have their coordinate's
units).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.format.calendars import TimeUnits
from sharedcompute.hdf5.format.layout import lies_here
from sharedcompute.hdf5.format.names import Object, path_of, text_attribute
from sharedcompute.hdf5.format.packing import MASKS, NOT_PACKED, Packing, comparable, packing_of
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.safety.links import follow

if TYPE_CHECKING:
    from sharedcompute.hdf5.reading.stored import Stored


class NotJoinedError(Exception):
    """The reason why entries of several files cannot be joined, in one phrase."""


@dataclass(frozen=True)
class JoinRequest:
    """Something of the first file that the result is to have.

    Parameters
    ----------
    item : h5py.Dataset
    of_rows : bool
        It has an entry for each row, along its first axis. If not, it is to be the same in all
        files that have it.
    coordinate : h5py.Dataset or None
        The coordinate whose cells' edges it has: they are in its units.
    """

    item: h5py.Dataset
    of_rows: bool
    coordinate: h5py.Dataset | None = None


Joined = NDArray[Any] | NotJoinedError | None
"""The entries of all files; or why there are none; or nothing, for what is as in the first file."""


def join_rows(source: Stored, wanted: Sequence[JoinRequest]) -> dict[str, Joined]:
    """Join what is wanted of all joined files, by the names in the first.

    Each file is opened once. Entries of rows are joined, times in other units are converted to
    those of the first file. They have the item's dtype, or one that holds those of all files.
    """
    joins = {path_of(want.item): _Join(want) for want in wanted}
    for part in source.parts:
        name = Path(part.source.file).name
        left = [join for join in joins.values() if join.problem is None]
        if part.source.file == source.file:
            # Opened again and closed, it would leave types with a dangling file: the next access
            # to a dataset of strings that has a fill value crashes (HDF5 2.0).
            for join in left:
                join.take(join.wanted.item, join.wanted.coordinate, part.shape[0], name)
            continue
        with open_file(part.source.file) as file:
            policy = AccessPolicy.of(part.source.file, False)
            for join in left:
                of = join.wanted.coordinate
                beside = None if of is None else follow(file, path_of(of), policy)
                join.take(
                    follow(file, path_of(join.wanted.item), policy), beside, part.shape[0], name
                )
    return {name: join.result() for name, join in joins.items()}


class _Join:
    """One variable of the first file, joined with those of all others.

    Attributes
    ----------
    problem : NotJoinedError or None
        Why it cannot be joined.
    """

    def __init__(self, wanted: JoinRequest) -> None:
        self.wanted = wanted
        self.problem: NotJoinedError | None = None
        self._first = _Entries(wanted.item, wanted.coordinate)
        self._values: list[NDArray[Any]] = []
        self._same = None if wanted.of_rows else np.asarray(wanted.item[()])

    def take(self, found: Object | None, coordinate: Object | None, rows: int, file: str) -> None:
        """Take what a file has in its place."""
        try:
            there = found if isinstance(found, h5py.Dataset) and lies_here(found) else None
            if self.wanted.of_rows:
                self._values.append(self._entries(there, coordinate, rows))
            elif there is not None:
                self._compare(there)
        except ValueError as why:
            self.problem = NotJoinedError(f"{why} ({file})")

    def result(self) -> Joined:
        """Return what all files have."""
        if self.problem is not None or not self.wanted.of_rows:
            return self.problem
        return _together(self._values, self.wanted.item.dtype)

    def _entries(
        self, found: h5py.Dataset | None, coordinate: Object | None, rows: int
    ) -> NDArray[Any]:
        if found is None:
            raise ValueError("not all files have it")
        if found.shape != (rows, *self.wanted.item.shape[1:]):
            raise ValueError(f"it has the shape {found.shape} beside {rows} rows")
        return _Entries(found, coordinate).like(self._first)

    def _compare(self, found: h5py.Dataset) -> None:
        if found == self.wanted.item:
            return
        assert self._same is not None
        values = np.asarray(found[()])
        real = values.dtype.kind in "fc" and self._same.dtype.kind in "fc"
        units = text_attribute(found, "units")
        same_units = units == text_attribute(self.wanted.item, "units")
        if not same_units or not np.array_equal(values, self._same, equal_nan=real):
            raise ValueError("not all files have the same")


class _Entries:
    """Entries of one file, with the units and the packing of their numbers.

    Parameters
    ----------
    dataset : h5py.Dataset
    coordinate : h5py.Dataset or None
        Its units hold where the dataset has none.
    """

    def __init__(self, dataset: h5py.Dataset, coordinate: Object | None) -> None:
        self.dataset = dataset
        near = [dataset] if coordinate is None else [dataset, coordinate]
        self.units, self.calendar = (
            next(filter(None, (text_attribute(item, name) for item in near)), "")
            for name in ("units", "calendar")
        )

    @cached_property
    def packing(self) -> Packing:
        """The packing of its numbers."""
        return packing_of(self.dataset) or NOT_PACKED

    def like(self, first: _Entries) -> NDArray[Any]:
        """Return the values in the units of `first`.

        Raises
        ------
        ValueError
            They mean something else; in one phrase.
        """
        values = np.asarray(self.dataset[()])
        if self.dataset == first.dataset:
            return values
        numbers = values.dtype.kind in "biufc"
        if numbers != (first.dataset.dtype.kind in "biufc"):
            raise ValueError("numbers and others do not go together")
        if not numbers:
            return values
        if first.packing != self.packing:
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
    """Return ``values * factor + shift``; missing ones stay, whole numbers stay whole."""
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
    """Return all values one after the other, in `dtype` where it holds them."""
    joined = np.concatenate(values)
    if joined.dtype.kind not in "biufc" or joined.dtype == dtype:
        return joined
    with np.errstate(all="ignore"):
        cast = joined.astype(dtype)
    same = np.array_equal(cast.astype(joined.dtype), joined, equal_nan=joined.dtype.kind in "fc")
    return cast if same else joined
