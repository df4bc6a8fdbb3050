"""netCDF dimensions as HDF5 has them: scales, those that have no variable, and which axis is which.

Readers want all axes of a dataset labelled by scales or none: xarray's h5netcdf refuses a mixture.

References
----------
HDF5 Dimension Scale Specification; NetCDF-4 file format specification, section "Dimensions".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from sharedcompute.hdf5.format.names import raw, text_attribute
from sharedcompute.hdf5.format.objects import objects

Axes = Sequence[int | None]
"""For each axis of a result, the input's axis that it is; None for a new one."""

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""NetCDF's name for the scale of a dimension that has no coordinates."""

ID, IDS = "_Netcdf4Dimid", "_Netcdf4Coordinates"
"""Attributes with netCDF's number of a dimension, and those of a coordinate of several."""

SHADOW = "_nc4_non_coord_"
"""Begins the name of a variable that is called like a dimension and is not its coordinate."""


def axes_that_stay(before: Sequence[int], after: Sequence[int]) -> list[int | None]:
    """Return which axes of an array are still there when its shape became another.

    With as many axes, those that kept their length in their place. With fewer or more, those whose
    length no other axis has, before or after, as long as they keep their order: what could be one
    axis or another is none.
    """
    if len(before) == len(after):
        return [axis if before[axis] == n else None for axis, n in enumerate(after)]
    found: list[int | None] = []
    for n in after:
        alone = list(before).count(n) == 1 and list(after).count(n) == 1
        found.append(list(before).index(n) if alone else None)
    kept = [axis for axis in found if axis is not None]
    return found if kept == sorted(kept) else [None] * len(after)


def is_scale(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is the scale of a dimension."""
    return text_attribute(dataset, "CLASS") == "DIMENSION_SCALE"


def has_no_variable(scale: h5py.Dataset) -> bool:
    """Return whether a scale only says that there is a dimension."""
    return text_attribute(scale, "NAME").startswith("This is a netCDF")


def make_dimension(group: h5py.Group, name: str, length: int, *, grows: bool) -> h5py.Dataset:
    """Make a dimension without a variable, as netCDF does: a scale that is never written."""
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_obj_track_times(False)
    dcpl.set_attr_creation_order(h5p.CRT_ORDER_TRACKED)
    if grows:
        dcpl.set_chunk((max(1, min(length, 1024)),))
    space = h5s.create_simple((length,), (h5s.UNLIMITED if grows else length,))
    made = h5py.Dataset(h5d.create(group.id, raw(name), h5t.IEEE_F32BE, space, dcpl))
    made.make_scale(f"{NO_VARIABLE}{length:10d}")
    return made


def of_coordinate(scale: h5py.Dataset) -> list[h5py.Dataset | None]:
    """Return the dimensions of a coordinate that has several: an array of characters, say.

    A scale cannot have scales, so netCDF numbers all dimensions and notes the numbers.
    """
    wanted = np.atleast_1d(scale.attrs.get(IDS, [])).tolist()
    if len(wanted) != scale.ndim:
        return [None] * scale.ndim
    known = {int(found.attrs[ID]): found for found in _all_scales(scale.file) if ID in found.attrs}
    return [known.get(number) for number in wanted]


def number_dimensions(file: h5py.File, several: Mapping[str, Sequence[h5py.Dataset]]) -> None:
    """Give all dimensions of a file numbers, and note those of coordinates that have several.

    Parameters
    ----------
    several : mapping of str to sequence of h5py.Dataset
        These coordinates' dimensions, by the coordinates' paths.
    """
    scales = _all_scales(file)
    following = 1 + max((int(s.attrs[ID]) for s in scales if ID in s.attrs), default=-1)
    for scale in scales:
        if ID not in scale.attrs:
            scale.attrs[ID] = np.int32(following)
            following += 1
    for path, dimensions in several.items():
        ids = np.array([dimension.attrs[ID] for dimension in dimensions], np.int32)
        file[path].attrs[IDS] = ids


def _all_scales(file: h5py.File) -> list[h5py.Dataset]:
    return [s for _, s in objects(file) if isinstance(s, h5py.Dataset) and is_scale(s)]
