"""Attributes, copied from one file to another with their types."""

from __future__ import annotations

import h5py
import numpy as np
from h5py import h5a

from sharedcompute.hdf5.copying.creation_order import attribute_names
from sharedcompute.hdf5.copying.values import copy_attribute
from sharedcompute.hdf5.format.cf import OF_THE_DTYPE, STRUCTURAL
from sharedcompute.hdf5.format.dtypes import FOREIGN
from sharedcompute.hdf5.format.marks import PREFIX
from sharedcompute.hdf5.format.names import Object, raw, text
from sharedcompute.hdf5.format.types import has_references


def copied_attributes(item: Object) -> list[str]:
    """Return the attributes that are copied: neither a library's own nor ours."""
    names = map(text, attribute_names(item.id))
    return [name for name in names if name not in STRUCTURAL and not name.startswith(PREFIX)]


def copy_attributes(
    source: Object, target: Object, leave_out: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Copy the attributes of one object to another, those that are there already left as they are.

    Parameters
    ----------
    source, target : h5py.Group or h5py.Dataset
    leave_out : frozenset of str
        Names of attributes that do not hold for the target.

    Returns
    -------
    dict of str to str
        The names of those that could not be copied, and why, a phrase each.
    """
    left = {}
    for name in copied_attributes(source):
        if name in leave_out or h5a.exists(target.id, raw(name)):
            continue
        if name in OF_THE_DTYPE and isinstance(target, h5py.Dataset):
            why = _copy_as(source, target, name)
        else:
            why = _copy(source, target, name)
        if why:
            left[name] = why
    return left


def _copy(source: Object, target: Object, name: str) -> str:
    """Copy one attribute with its stored type, whatever that is; why not, if it cannot be."""
    old = h5a.open(source.id, raw(name))
    # A copy: a named type belongs to its file.
    kind = old.get_type().copy()
    if has_references(kind):
        return "it refers to what is in the input's file"
    made = h5a.create(target.id, raw(name), kind, old.get_space())
    try:
        copy_attribute(old, made)
    except (OSError, RuntimeError):
        # Its text lies in a heap that HDF5 refuses: nothing is lost that could be read.
        h5a.delete(target.id, raw(name))
        return "HDF5 cannot read it"
    return ""


def _copy_as(source: Object, target: h5py.Dataset, name: str) -> str:
    """Copy a number in the dtype of `target`, if it is the same number there; else why not."""
    unlike = f"{target.dtype} cannot hold its value"
    try:
        value = np.asarray(source.attrs[name])
    except FOREIGN:
        return _copy(source, target, name)
    if value.dtype.kind not in "biuf" or target.dtype.kind not in "iuf":
        return _copy(source, target, name) if value.dtype == target.dtype else unlike
    with np.errstate(all="ignore"):
        cast = value.astype(target.dtype)
        back = cast.astype(value.dtype)
    if not np.array_equal(back, value, equal_nan=value.dtype.kind == "f"):
        return unlike
    target.attrs.create(name, cast)
    return ""
