"""Virtual datasets whose mappings are plain boxes, as the parts that they map.

References
----------
HDF5 RFC "Virtual Dataset" (2014); `H5Pset_virtual` for where HDF5 looks for a source's file.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h5py
from h5py import h5p, h5s

from sharedcompute.hdf5.format.chunks import Box
from sharedcompute.hdf5.format.names import file_of, where
from sharedcompute.hdf5.reading.parts import merge, overlap
from sharedcompute.hdf5.reading.stored import Part, long_axes
from sharedcompute.hdf5.safety.access import (
    AccessPolicy,
    is_pattern,
    numbered,
    pattern_numbers,
    source_file,
)
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.safety.links import follow

if TYPE_CHECKING:
    import numpy as np

    from sharedcompute.hdf5.reading.source import DatasetSource

Describe = Callable[[h5py.Dataset], "DatasetSource"]


class _LeftToHdf5(Exception):  # noqa: N818 - it is no error: HDF5 reads the dataset then
    """The reason why mappings cannot be followed, in one phrase."""


def parts_of(
    dataset: h5py.Dataset, dtype: np.dtype[Any], policy: AccessPolicy, describe: Describe
) -> tuple[tuple[Part, ...], str]:
    """Return the boxes that a virtual dataset consists of; if none, why HDF5 must read it.

    Every source that exists is described, whether its box is plain or not, so that one that maps
    to itself is found: HDF5 would crash (2.0).

    Parameters
    ----------
    dataset : h5py.Dataset
    dtype : numpy.dtype
        Of its rows, in native byte order.
    policy : AccessPolicy
        The files that may be its sources.
    describe : callable
        Gives the source for an open dataset.
    """
    parts, refusal = [], ""
    sources = _Sources(dataset, policy, describe)
    dcpl = dataset.id.get_create_plist()
    # All of them before anything asks for the shape: HDF5 opens the sources of an unlimited mapping
    # to work that out.
    found = [sources.find(dcpl, number) for number in range(dcpl.get_virtual_count())]
    for number, source in enumerate(found):
        try:
            if isinstance(source, _LeftToHdf5):
                raise source
            if source.dtype != dtype:
                raise _LeftToHdf5("a source of another dtype")
            here = _box(dcpl.get_virtual_vspace(number), dataset.shape)
            there = _box(dcpl.get_virtual_srcspace(number), source.shape)
            if not _same_but_for_ones(here, there):
                raise _LeftToHdf5("boxes of other shapes")
            parts.append(Part(*here, source, *there))
        except _LeftToHdf5 as why:
            refusal = refusal or str(why)
    if not refusal and overlap(parts):
        refusal = "mappings that overlap"
    if not refusal and not parts:
        refusal = "nothing is mapped"
    return ((), refusal) if refusal else (merge(parts), "")


class _Sources:
    """The sources of one virtual dataset, each opened and described once.

    Parameters
    ----------
    dataset : h5py.Dataset
    policy : AccessPolicy
    describe : callable
    """

    def __init__(self, dataset: h5py.Dataset, policy: AccessPolicy, describe: Describe) -> None:
        self._file = file_of(dataset)
        self._what = f"the virtual dataset {where(dataset)}"
        self._policy = policy
        self._describe = describe
        self._known: dict[tuple[str, str], DatasetSource | _LeftToHdf5] = {}

    def find(self, dcpl: h5p.PropDCID, number: int) -> DatasetSource | _LeftToHdf5:
        """Return the source of a mapping, or why there is none that we could read."""
        key = dcpl.get_virtual_filename(number), dcpl.get_virtual_dsetname(number)
        if key not in self._known:
            try:
                self._known[key] = self._look_at(*key)
            except _LeftToHdf5 as why:
                self._known[key] = why
        return self._known[key]

    def _look_at(self, file: str, path: str) -> DatasetSource:
        """Describe the source at `path` of what HDF5 takes `file` for."""
        if is_pattern(file) or is_pattern(path):
            self._look_at_all(file, path)
            raise _LeftToHdf5("its sources are numbered")
        return self._look(numbered(file, 0), numbered(path, 0))

    def _look_at_all(self, file: str, path: str) -> None:
        """Check each source of a printf-style mapping, up to the first that is missing."""
        with contextlib.suppress(_LeftToHdf5):
            for number in pattern_numbers():
                self._look(numbered(file, number), numbered(path, number))

    def _look(self, file: str, path: str) -> DatasetSource:
        name = source_file(self._file, file, self._policy, self._what)
        if name is None:
            raise _LeftToHdf5(f"its source {file} is missing")
        # HDF5 takes a file that it cannot open for one that is missing, and gives fill values.
        # Where it is being written, or damaged, that would be wrong numbers: `open_file` refuses.
        with open_file(os.path.realpath(name)) as opened:
            found = follow(opened, path, self._policy)
            if not isinstance(found, h5py.Dataset):
                raise _LeftToHdf5(f"its source {file}::{path} is missing")
            # A virtual dataset has an extent, which must not be requested yet.
            if not found.is_virtual and found.shape == ():
                raise _LeftToHdf5("a source of a single number")
            return self._describe(found)


def _box(space: h5s.SpaceID, shape: tuple[int, ...]) -> Box:
    """Return the box that a selection is, of a dataset of `shape`."""
    kind = space.get_select_type()
    if kind == h5s.SEL_ALL:
        return (0,) * len(shape), shape
    if kind != h5s.SEL_HYPERSLABS:
        raise _LeftToHdf5("a selection that is no box")
    if space.is_regular_hyperslab() and h5s.UNLIMITED in _numbers(space):
        raise _LeftToHdf5("an unlimited mapping")
    first, last = space.get_select_bounds()
    sides = tuple(stop - start + 1 for start, stop in zip(first, last, strict=True))
    # As many elements as its bounds hold: there is nothing between them that is left out.
    if math.prod(sides) != space.get_select_npoints():
        raise _LeftToHdf5("a selection with gaps")
    ends = zip(first, sides, shape, strict=False)
    if len(first) != len(shape) or any(at + side > most for at, side, most in ends):
        raise _LeftToHdf5("a source that is smaller than what is mapped of it")
    return tuple(first), sides


def _numbers(space: h5s.SpaceID) -> set[int]:
    """Return all numbers of a regular selection."""
    return {number for sides in space.get_regular_hyperslab() for number in sides}


def _same_but_for_ones(here: Box, there: Box) -> bool:
    ours, theirs = here[1], there[1]
    return [ours[i] for i in long_axes(ours)] == [theirs[i] for i in long_axes(theirs)]
