"""Companions of a dataset in its file: its scales, and the variables that CF names.

References
----------
CF conventions 1.11, chapters 5 (coordinate systems) and 7 (cell boundaries).
"""

from __future__ import annotations

from typing import TypeVar

import h5py

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.dimensions import SHADOW, is_scale, of_coordinate
from sharedcompute.hdf5.format.layout import lies_here
from sharedcompute.hdf5.format.names import Object, path_of
from sharedcompute.hdf5.inspection.inspector import Inspector
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.links import follow

T = TypeVar("T")


def scales_of(dataset: h5py.Dataset, axis: int) -> list[h5py.Dataset]:
    """Return the scales of one axis; none where the file's references cannot be followed.

    A scale is that of its own first axis.
    """
    if is_scale(dataset):
        inner = of_coordinate(dataset)[axis] if axis else dataset
        return [] if inner is None else [inner]
    policy = AccessPolicy.of(dataset.file.filename, False)
    try:
        return [_here(scale, policy) for scale in dataset.dims[axis].values()]
    except (RuntimeError, KeyError, ValueError):
        return []


def find_companion(item: h5py.Dataset, name: str) -> h5py.Dataset | None:
    """Return the dataset that CF means by `name`: in the group of `item`, or one above it."""
    group = item.parent
    policy = AccessPolicy.of(item.file.filename, False)
    while name:
        found = _within(group, SHADOW + name, policy) or _within(group, name, policy)
        if isinstance(found, h5py.Dataset):
            return found
        if path_of(group) == "/":
            return None
        group = group.parent
    return None


def _within(group: h5py.Group, name: str, policy: AccessPolicy) -> Object | None:
    """Return what `name` leads to; None for nothing, and where a link may not be followed.

    Also not with --allow-external: that is for the rows.
    """
    try:
        return _here(follow(group, name, policy), policy)
    except InputError:
        return None


def _here(item: T, policy: AccessPolicy) -> T:
    """Return `item`; check one whose rows lie elsewhere before it is used.

    Raises
    ------
    InputError
        Its rows may not be read.
    """
    if isinstance(item, h5py.Dataset) and not lies_here(item):
        Inspector(policy).source(item)
    return item


def basename(item: h5py.Dataset) -> str:
    """Return the last part of its path."""
    return path_of(item).rpartition("/")[2]


def relative(path: str, folder: str) -> str:
    """Return `path` from `folder`; only its last part where it lies outside."""
    inside = folder.rstrip("/") + "/"
    return path.removeprefix(inside) if path.startswith(inside) else path.rpartition("/")[2]
