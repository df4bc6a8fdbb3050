"""Several files joined along rows: one source of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sharedcompute.errors import InputError
from sharedcompute.hdf5.reading.parts import read_paths
from sharedcompute.hdf5.reading.stored import Part

if TYPE_CHECKING:
    from sharedcompute.hdf5.reading.source import DatasetSource


def join(sources: Sequence[DatasetSource], glob: str) -> DatasetSource:
    """Join the rows of `sources` one after the other.

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
    if other.name != first.name:
        raise InputError(
            f"expected the same array in all files, {first.file} has {first.name} and "
            f"{other.file} has {other.name}; name one with ::PATH"
        )
    theirs = (other.shape[1:], other.dtype)
    if theirs != (first.shape[1:], first.dtype):
        raise InputError(
            f"expected rows of shape {first.shape[1:]} and dtype {first.dtype} as in {first.file}, "
            f"{other} has rows of shape {theirs[0]} and dtype {theirs[1]}; leave it out of the glob"
        )
