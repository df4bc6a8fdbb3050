"""What a user may give as input."""

from __future__ import annotations

import os

import numpy as np

from sharedcompute.api.dataset import Dataset
from sharedcompute.api.typing import ArrayInput
from sharedcompute.errors import InputError
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format.names import path_of
from sharedcompute.hdf5.inspection.inspector import check_size, open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.windowed import windowed
from sharedcompute.hdf5.window import Window, WindowText
from sharedcompute.operations.specs import Array
from sharedcompute.planning.in_memory import ArraySource, windowed_array
from sharedcompute.validation.arrays import plain_array


def is_decoded(given: object) -> bool:
    """Return whether an input was opened with `decode_cf`, and is decoded in any case."""
    return isinstance(given, Dataset) and given.decode_cf


def as_source(given: ArrayInput, allow_external: bool = False, rows: str | None = None) -> Source:
    """Return the input of a job as a source, whatever a user gives.

    Parameters
    ----------
    given : address, array, SharedArray, Dataset or h5py.Dataset
    allow_external : bool
        Follow links, virtual sources and external storage out of the folder of a file.
    rows : str or None
        Those to take, as ``FROM:TO`` or ``FROM:TO:STEP``.

    Raises
    ------
    InputError
        It is no array of numbers, or no dataset that can be read.
    """
    source = _source_of(given, allow_external)
    if rows is not None:
        source = _in_rows(source, rows)
    if isinstance(source, DatasetSource):
        check_size(source)
    return source


def _in_rows(source: Source, rows: str) -> Source:
    """Return some of the rows of a source."""
    window = Window.of(WindowText(f"[{rows}]").keys, source.shape)
    if isinstance(source, DatasetSource):
        return windowed(source, window)
    assert isinstance(source, ArraySource)
    return windowed_array(source, window)


def _source_of(given: object, allow_external: bool) -> Source:
    if isinstance(given, Dataset):
        return given.source
    if isinstance(given, DatasetSource | ArraySource):
        return given
    if isinstance(given, str | os.PathLike | Address):
        named = given if isinstance(given, Address) else os.fspath(given)
        return open_source(named, allow_external)
    if type(given).__module__.startswith("h5py"):
        return _of_h5py(given, allow_external)
    return ArraySource(_plain(given))


def _of_h5py(given: object, allow_external: bool) -> Source:
    import h5py  # noqa: PLC0415

    if not isinstance(given, h5py.Dataset):
        raise InputError(f"expected an h5py.Dataset, got {given!r}: index it down to a dataset")
    if not given:
        raise InputError("expected an open h5py.Dataset, its file is closed: give its address")
    if given.file.driver == "core":
        # It may have no file: other processes could not open it.
        return ArraySource(_plain(given[...]))
    if given.file.mode != "r":
        given.file.flush()
    return open_source(Address(given.file.filename, path_of(given)), allow_external)


def _plain(given: object) -> Array:
    array = plain_array(given)
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16 or array.dtype == np.longdouble:
        raise InputError(f"expected an array of numbers, got dtype {array.dtype}: cast it first")
    if array.ndim == 0:
        raise InputError("expected an array with at least one dimension, got a number")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    # ascontiguousarray copies only what needs it, so shared memory stays shared.
    return native if native.flags.c_contiguous else np.ascontiguousarray(native)
