"""Windows by coordinates: labels of a dataset's axes, looked up in the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.calendars import TimeUnits
from sharedcompute.hdf5.format.coordinate import Coordinate
from sharedcompute.hdf5.format.dimensions import has_no_variable
from sharedcompute.hdf5.format.names import raw, text, text_attribute
from sharedcompute.hdf5.format.packing import packing_of
from sharedcompute.hdf5.inspection.companions import basename, find_companion, scales_of
from sharedcompute.hdf5.inspection.joined_rows import JoinRequest, NotJoinedError, join_rows
from sharedcompute.hdf5.reading.stored import Stored
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.safety.sandbox import once, run_sandboxed
from sharedcompute.hdf5.window import Window
from sharedcompute.validation.names import suggestion


def selected(source: Stored, labels: Mapping[str, object]) -> Window:
    """Return the window of a dataset that labels of its coordinates pick, as ``xarray`` does.

    Parameters
    ----------
    source : DatasetSource
    labels : mapping of str to object
        For each dimension that is named: a number, a name or a point in time (`datetime`,
        `numpy.datetime64`) that must be there and drops the axis; a text with a date, perhaps in
        part, for all in it; or a slice from one of these to another, both included. In a
        coordinate that descends, a range may be given in either direction.

    Raises
    ------
    InputError
        There is no such dimension; it has no coordinate; or the coordinate has no such value.
    """
    known = once(source.reads.names, _coordinates_at_once, source)
    keys: list[object] = [slice(None)] * len(source.shape)
    picked: set[int] = set()
    for name, label in labels.items():
        if name not in known:
            raise InputError(
                f"expected a dimension of {source}, got {name!r}; "
                f"{suggestion(name, known) if known else 'its axes have no names: use an index'}"
            )
        axis, coordinate = known[name]
        if axis in picked:
            raise InputError(f"{name}: expected one label for axis {axis} of {source}, got two")
        if coordinate is None:
            raise InputError(
                f"{name}: expected a coordinate of {source} with this name, got a dimension "
                "without one; use an index"
            )
        picked.add(axis)
        keys[axis] = coordinate.pick(label)
    return Window.of(tuple(keys), source.shape)


_SCALING = ("scale_factor", "add_offset")

Named = dict[str, tuple[int, Coordinate | None]]
"""Axes and their coordinates, by the names of the dimensions."""


def _coordinates_at_once(source: Stored) -> Named:
    return run_sandboxed(source.file, _coordinates, source)


def _coordinates(source: Stored) -> Named:
    """Return the coordinates of all axes of a source, cut to its window."""
    window = source.window or Window.of((), source.shape)
    found: Named = {}
    with open_file(source.file) as file:
        dataset: h5py.Dataset = file[raw(source.path)]
        for axis, original in enumerate(window.kept):
            for name, item in _of_axis(dataset, original):
                values = None if item is None else _values(source.whole, original, item)
                if values is None or len(values) != window.whole[original]:
                    found.setdefault(name, (axis, None))
                    continue
                assert item is not None
                made = _coordinate(name, str(source), item, values[window.axes[original].index])
                found.setdefault(name, (axis, made))
    return found


def _of_axis(dataset: h5py.Dataset, axis: int) -> list[tuple[str, h5py.Dataset | None]]:
    """Return the names of an axis, with their coordinate variables."""
    scales = scales_of(dataset, axis)
    found = [(basename(s), None if has_no_variable(s) else s) for s in scales]
    label = dataset.dims[axis].label if not scales else ""
    if label:
        found.append((label, find_companion(dataset, label)))
    return found


def _values(whole: Stored, axis: int, item: h5py.Dataset) -> NDArray[Any] | None:
    """Return the values of a coordinate, those of all joined files; None where it is none."""
    if item.ndim != 1 or h5py.check_ref_dtype(item.dtype) is not None:
        return None
    if not whole.glob:
        return np.asarray(item[()])
    (joined,) = join_rows(whole, [JoinRequest(item, axis == 0)]).values()
    if isinstance(joined, NotJoinedError):
        return None
    return np.asarray(item[()]) if joined is None else joined


def _coordinate(name: str, place: str, item: h5py.Dataset, values: NDArray[Any]) -> Coordinate:
    """Return a coordinate with its values decoded."""
    if values.dtype.kind in "OS":
        words = [text(v) if isinstance(v, bytes) else str(v) for v in values.tolist()]
        return Coordinate(name, place, np.array(words, np.str_))
    values = _unpacked(item, values.astype(values.dtype.newbyteorder("=")))
    made = Coordinate(name, place, values)
    units = text_attribute(item, "units")
    if " since " not in units:
        return made
    try:
        since = TimeUnits.parse(units, text_attribute(item, "calendar"))
    except ValueError:
        # Months have no length: their numbers can be picked, and no dates.
        return made
    return replace(made, values=since.ticks(values), units=since)


def _unpacked(item: h5py.Dataset, values: NDArray[Any]) -> NDArray[Any]:
    packing = packing_of(item)
    numbers = [None if packing is None else packing.number(n, basename(item)) for n in _SCALING]
    scale, offset = numbers
    if scale is not None:
        values = values * scale
    return values if offset is None else values + offset
