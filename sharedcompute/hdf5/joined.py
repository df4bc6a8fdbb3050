"""Several files joined along rows: one source of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.attributes import UNPACKING
from sharedcompute.hdf5.files import open_file
from sharedcompute.hdf5.links import follow
from sharedcompute.hdf5.parts import Part, read_paths
from sharedcompute.hdf5.reach import Reach
from sharedcompute.hdf5.storage import lies_here

if TYPE_CHECKING:
    from sharedcompute.hdf5.source import DatasetSource


MEANING = ("units", "calendar", *UNPACKING)
"""Attributes without which two numbers cannot be told to be the same."""


def join(sources: Sequence[DatasetSource], glob: str) -> DatasetSource:
    """The rows of `sources` one after the other.

    Metadata, and how a result is stored by default, are those of the first.

    Parameters
    ----------
    sources : sequence of DatasetSource
        At least one.
    glob : str
        What named their files, as it was given.

    Raises
    ------
    InputError
        Two have other paths, row shapes or dtypes; the message names the file.
    """
    first = sources[0]
    parts, rows = [], 0
    for source in sources:
        _check_alike(first, source)
        corner, nothing = (rows, *(0 for _ in source.shape[1:])), (0,) * source.ndim
        parts.append(Part(corner, source.shape, source, nothing, source.shape))
        rows += source.shape[0]
    grows = None if first.maxshape[0] is None else rows
    return replace(
        first,
        shape=(rows, *first.shape[1:]),
        maxshape=(grows, *first.maxshape[1:]),
        read_path="joined",
        reason=f"{len(sources)} files: {read_paths(parts)}",
        offset=None,
        parts=tuple(parts),
        glob=glob,
    )


def _check_alike(first: DatasetSource, other: DatasetSource) -> None:
    if other.path != first.path:
        raise InputError(
            f"expected the same array in all files, {first.file} has {first.path} and "
            f"{other.file} has {other.path}; name one with ::PATH"
        )
    theirs = (other.shape[1:], other.dtype)
    if theirs != (first.shape[1:], first.dtype):
        raise InputError(
            f"expected rows of shape {first.shape[1:]} and dtype {first.dtype} as in {first.file}, "
            f"{other} has rows of shape {theirs[0]} and dtype {theirs[1]}; leave it out of the glob"
        )


def rows_of_all(source: DatasetSource, item: h5py.Dataset) -> NDArray[Any] | None:
    """What `item` of the first file, with an entry for each of its rows, has in all files.

    Returns
    -------
    ndarray, shape (rows of all files, ...), or None
        None where it is not in all of them, with the same meaning: ``days since`` another day are
        other numbers.
    """
    if item.shape[0] in source.shape[1:] and not any(map(len, item.dims)):
        # It may as well belong to another axis.
        return None
    values = []
    for part in source.parts:
        with open_file(part.source.file) as file:
            found = follow(file, item.name, Reach.of(part.source.file, False))
            if not isinstance(found, h5py.Dataset) or not _goes_on(item, found, part.shape[0]):
                return None
            values.append(found[()])
    return np.concatenate(values)


def _goes_on(first: h5py.Dataset, other: h5py.Dataset, rows: int) -> bool:
    if other.shape != (rows, *first.shape[1:]) or other.dtype != first.dtype:
        return False
    if not lies_here(other):
        return False
    return all(np.array_equal(first.attrs.get(name), other.attrs.get(name)) for name in MEANING)
