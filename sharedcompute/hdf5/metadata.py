"""What a result keeps of its input: attributes, dimension scales, and CF's companion variables.

References
----------
HDF5 Dimension Scale Specification; NetCDF-4 file format specification, section "Dimensions"; CF
conventions 1.11, chapters 5 (coordinate systems) and 7 (cell boundaries).
"""

from __future__ import annotations

import itertools
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.attributes import copy_attributes
from sharedcompute.hdf5.files import open_file
from sharedcompute.hdf5.filters import for_result, pipeline_of
from sharedcompute.hdf5.joined import rows_of_all
from sharedcompute.hdf5.links import follow
from sharedcompute.hdf5.lookup import AXIS_ATTRIBUTES, COMPANIONS, text_attribute
from sharedcompute.hdf5.opening import Describer
from sharedcompute.hdf5.reach import Reach
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.hdf5.storage import lies_here, replace_filters

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""How netCDF names the scale of a dimension that has no coordinates."""


def copy_metadata(
    source: DatasetSource,
    dataset: h5py.Dataset,
    *,
    drop_axis0: bool = False,
    file_attributes: bool = True,
    leave_out: frozenset[str] = frozenset(),
) -> None:
    """Give a result what describes its input.

    Scales and companions are put beside the result, under their own names; one that is there
    already is used if it is equal, and else the new one gets a number behind its name.

    Parameters
    ----------
    source : DatasetSource
        The input.
    dataset : h5py.Dataset
        The result, in the output file.
    drop_axis0 : bool
        The result has no rows: it is a reduction. What belongs to rows is left out.
    file_attributes : bool
        Copy the attributes of the file as well (``Conventions``, ``title``). For a new file.
    leave_out : frozenset of str
        Attributes of the input that do not hold for the result.
    """
    with open_file(source.file) as file:
        original = file[source.path]
        copy_attributes(original, dataset, leave_out)
        if file_attributes:
            copy_attributes(file, dataset.file)
        carrier = _Carrier(source, original, dataset, drop_axis0)
        carrier.carry_axes()
        carrier.carry_companions()


class _Carrier:
    """One result's scales and companions on their way from file to file.

    What belongs to the rows of joined files is joined as they are, or left out where it cannot be.

    Parameters
    ----------
    source : DatasetSource
    original, result : h5py.Dataset
        Of joined files, the original is the dataset of the first.
    drop_axis0 : bool
    """

    def __init__(
        self,
        source: DatasetSource,
        original: h5py.Dataset,
        result: h5py.Dataset,
        drop_axis0: bool,
    ) -> None:
        self._source = source
        self._original = original
        self._result = result
        self._dropped = 1 if drop_axis0 else 0
        self._rows = {scale.name for scale in _scales(original, 0)}
        self._carried: dict[str, h5py.Dataset | None] = {}

    def carry_axes(self) -> None:
        """Make, attach and label the scales of each axis that the result still has."""
        for axis in range(self._dropped, self._original.ndim):
            new = axis - self._dropped
            # An operation may have changed the length of an axis; its scale means nothing then.
            if new >= self._result.ndim or self._source.shape[axis] != self._result.shape[new]:
                continue
            if self._original.dims[axis].label:
                self._result.dims[new].label = self._original.dims[axis].label
            for scale in _scales(self._original, axis):
                self._attach(self._result.dims[new], scale)

    def carry_companions(self) -> None:
        """Copy what the result's attributes name, and let them name what was copied."""
        for attribute in COMPANIONS:
            text = text_attribute(self._original, attribute)
            words = []
            for word in text.split():
                found = _beside(self._original, word.removesuffix(":"))
                if found is None or (self._dropped and self._of_rows(found)):
                    continue
                carried = self._carry(found)
                if carried is None:
                    continue
                name = carried.name.rpartition("/")[2]
                words.append(name + (":" if word.endswith(":") else ""))
            if words:
                _replace_text(self._result, attribute, " ".join(words))
            elif text:
                self._result.attrs.pop(attribute, None)

    def _of_rows(self, item: h5py.Dataset) -> bool:
        """Whether `item` has one entry for each row of the original."""
        if not item.shape:
            return False
        if item.name in self._rows:
            return True
        scales = [scale.name for axis in range(item.ndim) for scale in _scales(item, axis)]
        if scales:
            return any(name in self._rows for name in scales)
        return bool(item.shape[0] == self._original.shape[0])

    def _attach(self, dimension: Any, scale: h5py.Dataset) -> None:
        carried = self._carry(scale)
        if carried is not None:
            dimension.attach_scale(carried)

    def _carry(self, item: h5py.Dataset) -> h5py.Dataset | None:
        """Copy a scale or companion with its own scales and its cells' edges, once.

        None where it belongs to the rows of joined files and cannot be joined.
        """
        if item.name in self._carried:
            return self._carried[item.name]
        values = None
        if self._source.glob and self._of_rows(item):
            values = rows_of_all(self._source, item)
            if values is None:
                self._carried[item.name] = None
                return None
        copied, is_new = self._place(item, values)
        self._carried[item.name] = copied
        if not is_new:
            return copied
        copy_attributes(item, copied)
        if text_attribute(item, "CLASS") == "DIMENSION_SCALE":
            copied.make_scale(_scale_name(item, copied))
        for axis in range(item.ndim if item.shape else 0):
            for scale in _scales(item, axis):
                self._attach(copied.dims[axis], scale)
        for attribute in AXIS_ATTRIBUTES:
            edges = _beside(item, text_attribute(item, attribute))
            if edges is None:
                continue
            carried = self._carry(edges)
            if carried is None:
                copied.attrs.pop(attribute, None)
            else:
                _replace_text(copied, attribute, carried.name.rpartition("/")[2])
        return copied

    def _place(self, item: h5py.Dataset, values: NDArray[Any] | None) -> tuple[h5py.Dataset, bool]:
        """The copy of `item`, or of other `values`, and whether it had to be made."""
        group = self._result.parent
        path = _relative(item.name, self._original.parent.name)
        for number in itertools.count():
            name = f"{path}_{number}" if number else path
            there = group.get(name)
            if there is None:
                return _copy_data(item, group, name, values), True
            if there != self._result and _equal(item, there, values):
                return there, False
        raise AssertionError("unreachable")


def _copy_data(
    item: h5py.Dataset, group: h5py.Group, name: str, values: NDArray[Any] | None = None
) -> h5py.Dataset:
    """Copy a dataset without its attributes; with `values`, as if it had these."""
    if h5py.check_string_dtype(item.dtype) is not None and lies_here(item):
        # H5Ocopy copies a fill value of variable length as a pointer into the old file, and the
        # copy cannot be opened then (HDF5 2.0: bad global heap collection signature).
        data = item[()] if values is None else values
        return group.create_dataset(name, data=data, dtype=item.dtype)
    dcpl = item.id.get_create_plist()
    if item.dtype.kind in "biufc" and lies_here(item):
        return _copy_numbers(item, group, name, dcpl, values)
    if values is not None:
        return group.create_dataset(name, data=values, dtype=item.dtype)
    item.file.copy(item, group, name=name, without_attrs=True)
    return group[name]


def _copy_numbers(
    item: h5py.Dataset, group: h5py.Group, name: str, dcpl: Any, values: NDArray[Any] | None
) -> h5py.Dataset:
    """Copy a dataset of numbers without the times at which the copy was made.

    H5Ocopy keeps them where the input does, and the same job would make other bytes each time.
    """
    dcpl.set_obj_track_times(False)
    # Stored options are not those that a filter is given.
    replace_filters(for_result(pipeline_of(dcpl)), dcpl)
    space = item.id.get_space()
    if values is not None:
        grows = h5s.UNLIMITED if item.maxshape[0] is None else len(values)
        space = h5s.create_simple(values.shape, (grows, *values.shape[1:]))
    made = h5d.create(group.id, name.encode(), item.id.get_type().copy(), space, dcpl)
    copied = h5py.Dataset(made)
    # A netCDF dimension without a variable is a dataset of any length that was never written.
    if item.size and item.id.get_storage_size():
        copied[()] = item[()] if values is None else values
    return copied


def _scales(dataset: h5py.Dataset, axis: int) -> list[h5py.Dataset]:
    """The scales of one axis; none where the file's references cannot be followed."""
    if text_attribute(dataset, "CLASS") == "DIMENSION_SCALE":
        return []
    reach = Reach.of(dataset.file.filename, False)
    try:
        return [_here(scale, reach) for scale in dataset.dims[axis].values()]
    except (RuntimeError, KeyError, ValueError):
        return []


def _beside(item: h5py.Dataset, name: str) -> h5py.Dataset | None:
    """The dataset that CF means by `name`: in the group of `item`, else in one above it."""
    group = item.parent
    reach = Reach.of(item.file.filename, False)
    while name:
        found = _within(group, name, reach)
        if isinstance(found, h5py.Dataset):
            return found
        if group.name == "/":
            return None
        group = group.parent
    return None


def _within(group: h5py.Group, name: str, reach: Reach) -> Any:
    """What `name` leads to; None for nothing, and for what a link may not be followed to.

    Also not with --allow-external: that is for the rows.
    """
    try:
        return _here(follow(group, name, reach), reach)
    except InputError:
        return None


def _here(item: Any, reach: Reach) -> Any:
    """The `item`; one whose rows lie elsewhere is looked at before anything is asked of it.

    Raises
    ------
    InputError
        Its rows may not be read.
    """
    if isinstance(item, h5py.Dataset) and not lies_here(item):
        Describer(reach).source(item)
    return item


def _relative(path: str, folder: str) -> str:
    """`path` from `folder`; only its last part where it lies outside."""
    inside = folder.rstrip("/") + "/"
    return path.removeprefix(inside) if path.startswith(inside) else path.rpartition("/")[2]


def _equal(item: h5py.Dataset, there: Any, values: NDArray[Any] | None) -> bool:
    """Whether `there` holds what `item` does, or other `values` of its kind."""
    if not isinstance(there, h5py.Dataset):
        return False
    shape = item.shape if values is None else values.shape
    if there.shape != shape or there.dtype != item.dtype or not lies_here(item):
        return False
    if text_attribute(there, "CLASS") != text_attribute(item, "CLASS"):
        return False
    old, new = item[()] if values is None else values, there[()]
    return np.asarray(old).tobytes() == np.asarray(new).tobytes() or bool(np.all(old == new))


def _scale_name(item: h5py.Dataset, copied: h5py.Dataset) -> str:
    """The scale's own name; netCDF's text for a dimension without a variable must stay."""
    old = text_attribute(item, "NAME")
    if not old.startswith("This is a netCDF"):
        return str(copied.name.rpartition("/")[2])
    # It ends with the dimension's length, which joined files change.
    return old if copied.shape == item.shape else f"{NO_VARIABLE}{len(copied):10d}"


def _replace_text(item: Any, name: str, text: str) -> None:
    """Let the attribute say `text`, written again only where it says something else."""
    if text_attribute(item, name) != text:
        item.attrs[name] = text
