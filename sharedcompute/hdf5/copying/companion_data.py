"""The data of scales and companions: copied without their attributes, and compared."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from sharedcompute.hdf5.copying.storage import replace_filters
from sharedcompute.hdf5.filters.pipeline import pipeline_of
from sharedcompute.hdf5.filters.selection import for_result
from sharedcompute.hdf5.format.dimensions import has_no_variable, is_scale
from sharedcompute.hdf5.format.layout import lies_here
from sharedcompute.hdf5.format.names import key, raw


def copy_data(
    item: h5py.Dataset, group: h5py.Group, name: str, values: NDArray[Any] | None = None
) -> h5py.Dataset:
    """Copy a dataset without its attributes; with `values`, as if it had these."""
    if h5py.check_string_dtype(item.dtype) is not None and lies_here(item):
        # H5Ocopy copies a fill value of variable length as a pointer into the old file, and the
        # copy cannot be opened then (HDF5 2.0: bad global heap collection signature).
        data = item[()] if values is None else values
        fixed = item.dtype.kind == "S" and values is not None
        return group.create_dataset(key(name), data=data, dtype=data.dtype if fixed else item.dtype)
    dcpl = item.id.get_create_plist()
    if item.dtype.kind in "biufc" and lies_here(item):
        return _copy_numbers(item, group, name, dcpl, values)
    if values is not None:
        return group.create_dataset(key(name), data=values, dtype=item.dtype)
    item.file.copy(item, group, name=key(name), without_attrs=True)
    copied: h5py.Dataset = group[raw(name)]
    return copied


def _copy_numbers(
    item: h5py.Dataset,
    group: h5py.Group,
    name: str,
    dcpl: h5p.PropDCID,
    values: NDArray[Any] | None,
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
        limits = (grows, *values.shape[1:])
        space = h5s.create_simple(values.shape, limits)
        if dcpl.get_layout() == h5d.COMPACT:
            # All rows may be too many for an object header.
            dcpl.set_layout(h5d.CONTIGUOUS)
        elif dcpl.get_layout() == h5d.CHUNKED:
            dcpl = _fitting(dcpl, limits)
    kind = item.id.get_type().copy()
    if values is not None and values.dtype.newbyteorder("=") != item.dtype.newbyteorder("="):
        # Not all files have the dtype of the first.
        kind = h5t.py_create(values.dtype)
    made = h5d.create(group.id, raw(name), kind, space, dcpl)
    copied = h5py.Dataset(made)
    # A netCDF dimension without a variable is a dataset of any length that was never written.
    if values is not None:
        copied[()] = values
    elif item.size and item.id.get_storage_size():
        copied[()] = item[()]
    return copied


def _fitting(dcpl: h5p.PropDCID, limits: tuple[int, ...]) -> h5p.PropDCID:
    """Return the properties with chunks that are no longer than a dataset can be."""
    if 0 in limits:
        # No chunk is: without elements nothing is stored.
        plain = h5p.create(h5p.DATASET_CREATE)
        plain.set_obj_track_times(False)
        return plain
    sides = zip(dcpl.get_chunk(), limits, strict=True)
    dcpl.set_chunk(tuple(c if most == h5s.UNLIMITED else min(c, most) for c, most in sides))
    return dcpl


def holds_the_same(item: h5py.Dataset, there: h5py.Dataset, values: NDArray[Any] | None) -> bool:
    """Return whether `there` holds what `item` does, or other `values` of its kind."""
    shape, dtype = (item.shape, item.dtype) if values is None else (values.shape, values.dtype)
    if there.shape != shape or there.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        return False
    if not lies_here(item) or is_scale(there) != is_scale(item):
        return False
    if has_no_variable(item) or has_no_variable(there):
        return has_no_variable(item) == has_no_variable(there)
    old, new = item[()] if values is None else values, there[()]
    return np.asarray(old).tobytes() == np.asarray(new).tobytes() or bool(np.all(old == new))
