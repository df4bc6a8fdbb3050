"""Metadata that a result keeps: attributes, dimension scales, CF's companion variables.

References
----------
CF conventions 1.11, chapters 5 (coordinate systems) and 7 (cell boundaries).
"""

from __future__ import annotations

import itertools
from typing import Any, TypeGuard

import h5py
from numpy.typing import NDArray

from sharedcompute.hdf5.copying.attributes import copy_attributes
from sharedcompute.hdf5.copying.carried_values import CarriedValues
from sharedcompute.hdf5.copying.companion_data import copy_data, holds_the_same
from sharedcompute.hdf5.copying.related import RelatedVariables
from sharedcompute.hdf5.format.cf import AXIS_ATTRIBUTES, COMPANIONS, OF_THE_VALUES
from sharedcompute.hdf5.format.dimensions import (
    ID,
    NO_VARIABLE,
    SHADOW,
    Axes,
    has_no_variable,
    is_scale,
    make_dimension,
    number_dimensions,
    of_coordinate,
)
from sharedcompute.hdf5.format.names import Object, item_at, key, path_of, raw, text_attribute
from sharedcompute.hdf5.inspection.companions import basename, find_companion, relative, scales_of
from sharedcompute.hdf5.inspection.joined_rows import NotJoinedError
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.files import open_file


def copy_metadata(
    source: DatasetSource,
    dataset: h5py.Dataset,
    *,
    axes: Axes | None = None,
    attributes: bool = True,
    file_attributes: bool = True,
    leave_out: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Give a result what describes its input, or what of it belongs to the input's window.

    Scales and companions are put next to the result, under their own names; one that is there
    already is used if it is equal, and else the new one gets a number after its name. Either all
    axes of the result are labelled or none: what has no scale gets a dimension without a variable.

    Parameters
    ----------
    source : DatasetSource
        The input.
    dataset : h5py.Dataset
        The result, in the output file.
    axes : sequence of (int or None), optional
        For each axis of the result, the input's axis that it is, None for a new one; without it
        all are as they were. What belongs to an axis that is gone is left out.
    attributes : bool
        Copy the attributes of the input.
    file_attributes : bool
        Copy the attributes of the file as well (``Conventions``, ``title``). For a new file.
    leave_out : frozenset of str
        Attributes of the input that do not hold for the result.

    Returns
    -------
    tuple of str
        What a reader may miss, a line each.
    """
    with open_file(source.file) as file:
        original: h5py.Dataset = file[raw(source.path)]
        stay: Axes = range(source.ndim) if axes is None else axes
        if source.window is not None:
            kept = source.window.kept
            stay = [None if axis is None else kept[axis] for axis in stay]
        carrier = _Carrier(source, original, dataset, stay)
        if attributes and source.member is None:
            carrier.carry_attributes(original, dataset, leave_out)
        if file_attributes:
            carrier.carry_attributes(file, dataset.file)
        carrier.carry_axes()
        carrier.carry_companions()
        return carrier.finish()


class _Carrier:
    """Carries scales and companions of one result from file to file.

    What belongs to the rows of joined files is joined, or left out where it cannot be.

    Parameters
    ----------
    source : DatasetSource
    original, result : h5py.Dataset
        Of joined files, the original is the dataset of the first.
    axes : sequence of (int or None)
        For each axis of the result, that of the original.
    """

    def __init__(
        self, source: DatasetSource, original: h5py.Dataset, result: h5py.Dataset, axes: Axes
    ) -> None:
        self._source = source
        self._original = original
        self._result = result
        self._axes = list(axes)
        self._related = RelatedVariables(original, self._axes, source.window)
        self._carried: dict[str, h5py.Dataset | None] = {}
        self._values = CarriedValues(source, self._related)
        self._several: dict[str, list[h5py.Dataset]] = {}
        self._notes: list[str] = []

    def carry_attributes(
        self, item: Object, copied: Object, leave_out: frozenset[str] = frozenset()
    ) -> None:
        """Copy the attributes of an object, and note what cannot be."""
        for name, why in copy_attributes(item, copied, leave_out).items():
            self._notes.append(f"attribute {name} of {path_of(item)} is left out: {why}")

    def carry_axes(self) -> None:
        """Make, attach and label the scales of each axis that the result still has."""
        if is_scale(self._original) and self._place_of(self._original) == path_of(self._result):
            # It takes the place of the coordinate that it was computed from.
            if self._axes[:1] == [0]:
                self._make_scale(self._original, self._result)
            return
        for new, axis in enumerate(self._axes):
            if axis is None:
                continue
            if self._original.dims[axis].label:
                self._result.dims[new].label = self._original.dims[axis].label
            for scale in self._related.scales[axis]:
                self._attach(self._result, new, scale)
        self._complete(self._result)

    def carry_companions(self) -> None:
        """Copy what the result's attributes name, and let them name what was copied."""
        for attribute in COMPANIONS:
            text = text_attribute(self._original, attribute)
            words = []
            for word in text.split():
                found = find_companion(self._original, word.removesuffix(":"))
                if found is None or not self._related.stays(found):
                    continue
                carried = self._carry(found)
                if carried is None:
                    continue
                name = basename(carried).removeprefix(SHADOW)
                words.append(name + (":" if word.endswith(":") else ""))
            if words:
                _replace_text(self._result, attribute, " ".join(words))
            elif text:
                self._result.attrs.pop(attribute, None)

    def finish(self) -> tuple[str, ...]:
        """Give netCDF the numbers of dimensions it wants, and return what is to be reported."""
        carried = filter(None, self._carried.values())
        if self._several or any(ID in copied.attrs for copied in carried):
            number_dimensions(self._result.file, self._several)
        return tuple(self._notes)

    def _attach(self, dataset: h5py.Dataset, axis: int, scale: h5py.Dataset) -> None:
        dataset.dims[axis].attach_scale(self._carry(scale) or self._bare(scale))

    def _bare(self, scale: h5py.Dataset) -> h5py.Dataset:
        """Return the dimension of a scale whose values are left out."""
        name = relative(path_of(scale), path_of(self._original.parent))
        grows = scale.maxshape[0] is None
        return self._dimension(name, self._values.length(scale), grows=grows)

    def _dimension(self, name: str, length: int, *, grows: bool = False) -> h5py.Dataset:
        """Return a dimension without a variable, that which is there already if it is the same."""
        group = self._result.parent
        for number in itertools.count():
            numbered = f"{name}_{number}" if number else name
            there = item_at(group, numbered)
            if there is None:
                return make_dimension(group, numbered, length, grows=grows)
            if _is_dimension(there) and there.shape == (length,):
                return there
        raise AssertionError("unreachable")

    def _complete(self, dataset: h5py.Dataset) -> None:
        """Give a dataset with scales at some of its axes dimensions at the others."""
        if is_scale(dataset) or not any(map(len, dataset.dims)):
            return
        bare = [axis for axis in range(dataset.ndim) if not len(dataset.dims[axis])]
        for axis in bare:
            name = f"{basename(dataset)}_dim_{axis}"
            dimension = self._dimension(name, dataset.shape[axis])
            dataset.dims[axis].attach_scale(dimension)
            self._notes.append(
                f"axis {axis} of {path_of(dataset)} has no coordinates: it is the netCDF dimension "
                f"{basename(dimension)}, which has no variable"
            )

    def _carry(self, item: h5py.Dataset, of: h5py.Dataset | None = None) -> h5py.Dataset | None:
        """Copy a scale or companion with its own scales and its cells' edges, once.

        None where joined files do not have the same, or cannot be joined, or where it is unknown
        what of it belongs to a window.

        Parameters
        ----------
        of : h5py.Dataset or None
            The coordinate whose cells' edges it has.
        """
        if path_of(item) in self._carried:
            return self._carried[path_of(item)]
        try:
            values = self._values.of(item, of)
        except NotJoinedError as why:
            self._notes.append(f"{path_of(item)} of {self._source} is left out: {why}")
            self._carried[path_of(item)] = None
            return None
        if has_no_variable(item) and self._values.has_another_length(item):
            # Only its length is another one.
            return self._remember(item, self._bare(item))
        copied, is_new = self._place(item, values)
        self._remember(item, copied)
        if is_new:
            changed = OF_THE_VALUES if values is not None else frozenset[str]()
            self.carry_attributes(item, copied, changed)
            self._label(item, copied)
            self._carry_edges(item, copied)
        return copied

    def _remember(self, item: h5py.Dataset, copied: h5py.Dataset) -> h5py.Dataset:
        self._carried[path_of(item)] = copied
        return copied

    def _label(self, item: h5py.Dataset, copied: h5py.Dataset) -> None:
        """Give a copy the scales of what was copied, or make it a scale."""
        if not is_scale(item):
            for axis in range(item.ndim if item.shape else 0):
                for scale in scales_of(item, axis):
                    self._attach(copied, axis, scale)
            self._complete(copied)
            return
        self._make_scale(item, copied)

    def _make_scale(self, item: h5py.Dataset, copied: h5py.Dataset) -> None:
        """Make a copy of a scale one, of as many dimensions."""
        copied.make_scale(key(_scale_name(item, copied)))
        if item.ndim > 1:
            inner = [None if s is None else self._carry(s) for s in of_coordinate(item)[1:]]
            found = [copied, *(scale for scale in inner if scale is not None)]
            if len(found) == item.ndim:
                self._several[path_of(copied)] = found

    def _place_of(self, item: h5py.Dataset) -> str:
        """Return where a copy of `item` goes, if nothing is in its way."""
        path = relative(path_of(item), path_of(self._original.parent))
        return f"{path_of(self._result.parent).rstrip('/')}/{path}"

    def _carry_edges(self, item: h5py.Dataset, copied: h5py.Dataset) -> None:
        """Copy the edges of a coordinate's cells, and let it name what was copied."""
        for attribute in AXIS_ATTRIBUTES:
            edges = find_companion(item, text_attribute(item, attribute))
            if edges is None:
                continue
            carried = self._carry(edges, item)
            if carried is None:
                copied.attrs.pop(attribute, None)
            else:
                _replace_text(copied, attribute, basename(carried).removeprefix(SHADOW))

    def _place(self, item: h5py.Dataset, values: NDArray[Any] | None) -> tuple[h5py.Dataset, bool]:
        """Return the copy of `item`, or of other `values`, and whether it had to be made."""
        group = self._result.parent
        path = relative(path_of(item), path_of(self._original.parent))
        for number in itertools.count():
            name = f"{path}_{number}" if number else path
            there = item_at(group, name)
            if there is None:
                return copy_data(item, group, name, values), True
            if not isinstance(there, h5py.Dataset) or there == self._result:
                continue
            if holds_the_same(item, there, values):
                return there, False
        raise AssertionError("unreachable")


def _is_dimension(item: Object) -> TypeGuard[h5py.Dataset]:
    """Return whether it is a dimension without a variable."""
    return isinstance(item, h5py.Dataset) and is_scale(item) and has_no_variable(item)


def _scale_name(item: h5py.Dataset, copied: h5py.Dataset) -> str:
    """Return the scale's own name; netCDF's text for a dimension without a variable stays."""
    old = text_attribute(item, "NAME")
    if not has_no_variable(item):
        return basename(copied)
    # It ends with the dimension's length, which joined files change.
    return old if copied.shape == item.shape else f"{NO_VARIABLE}{len(copied):10d}"


def _replace_text(item: Object, name: str, text: str) -> None:
    """Let the attribute say `text`, written again only where it says something else."""
    if text_attribute(item, name) != text:
        item.attrs[name] = key(text)
