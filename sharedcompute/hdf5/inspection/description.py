"""What a dataset says of itself: its attributes, the names of its dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from sharedcompute.hdf5.format.dimensions import is_scale
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.inspection.companions import basename, scales_of
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.safety.sandbox import once, run_sandboxed

OF_SCALES = frozenset(
    {
        "CLASS",
        "DIMENSION_LABELS",
        "DIMENSION_LIST",
        "NAME",
        "REFERENCE_LIST",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_NCProperties",
        "_nc3_strict",
    }
)
"""Attributes by which HDF5 and netCDF-4 link datasets: they say nothing of the numbers."""


@dataclass(frozen=True)
class Description:
    """What a dataset says of itself.

    Parameters
    ----------
    attributes : tuple of (str, object)
    dimensions : tuple of (str or None)
        A name for each axis that has one.
    """

    attributes: tuple[tuple[str, Any], ...]
    dimensions: tuple[str | None, ...]


def description_of(source: DatasetSource) -> Description:
    """Return what a dataset says of itself.

    Raises
    ------
    InputError
        The file is damaged.
    """
    return once((source.file,), _description_at_once, source.file, source.path)


def _description_at_once(file: str, path: str) -> Description:
    found = run_sandboxed(file, _description, file, path)
    for _, value in found.attributes:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False  # one description is given to all who ask
    return found


def _description(file: str, path: str) -> Description:
    with open_file(file) as opened:
        dataset: h5py.Dataset = opened[raw(path)]
        names = (_dimension(dataset, axis) for axis in range(dataset.ndim))
        return Description(tuple(_attributes(dataset)), tuple(names))


def _attributes(dataset: h5py.Dataset) -> Iterator[tuple[str, Any]]:
    for name in sorted(set(dataset.attrs) - OF_SCALES):
        try:
            value: Any = dataset.attrs[name]
        except (OSError, TypeError, ValueError, KeyError):
            continue
        if isinstance(value, np.ndarray) and value.shape == (1,):
            value = value[0]
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, h5py.Reference | h5py.Empty):
            continue
        yield name, value


def _dimension(dataset: h5py.Dataset, axis: int) -> str | None:
    label = str(dataset.dims[axis].label) if not is_scale(dataset) else ""
    if label:
        return label
    scales = scales_of(dataset, axis)
    return basename(scales[0]) if scales else None
