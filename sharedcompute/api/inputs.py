"""What a user may give as input."""

from __future__ import annotations

import os

from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opened import source_of
from sharedcompute.api.lazy.operands import plain
from sharedcompute.api.lazy.running import DEFAULTS, ready
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
from sharedcompute.planning.planned import Expression


def is_decoded(given: object) -> bool:
    """Return whether an input was opened with `decode_cf`, and is decoded in any case."""
    return isinstance(given, LazyArray) and given.decode_cf


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
    if isinstance(source, Expression):
        return Expression(LazyArray(source.node)[window.index].node)
    assert isinstance(source, ArraySource)
    return windowed_array(source, window)


def _source_of(given: object, allow_external: bool) -> Source:
    if isinstance(given, LazyArray):
        return _of_lazy(given)
    if isinstance(given, DatasetSource | ArraySource):
        return given
    if isinstance(given, str | os.PathLike | Address):
        named = given if isinstance(given, Address) else os.fspath(given)
        return open_source(named, allow_external)
    if type(given).__module__.startswith("h5py"):
        return source_of_h5py(given, allow_external)
    return ArraySource(_plain(given))


def source_of_h5py(given: object, allow_external: bool) -> Source:
    """Return an h5py.Dataset as a source.

    Raises
    ------
    InputError
        It is another object, or its file is closed.
    """
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
    array = plain(given)
    if array.ndim == 0:
        raise InputError("expected an array with at least one dimension, got a number")
    return array


def _of_lazy(given: LazyArray) -> Source:
    """Return what a lazy array reads; an expression is computed by the job that takes it."""
    source = source_of(given.node)
    if isinstance(source, DatasetSource):
        return given.source
    if source is not None:
        return source
    if not given.shape:
        raise InputError("expected an array with at least one dimension, got a number")
    (node,) = ready([given.node], DEFAULTS, None)
    return Expression(node)
