"""What is in a file, for the ``info`` command."""

from __future__ import annotations

import math
from dataclasses import dataclass

import h5py

from sharedcompute.errors import InputError
from sharedcompute.hdf5 import filters
from sharedcompute.hdf5.address import Address, matching_files
from sharedcompute.hdf5.lookup import (
    check_file,
    dataset_paths,
    external_datasets,
    find_dataset,
    open_file,
)
from sharedcompute.hdf5.opening import open_source, source_of
from sharedcompute.hdf5.source import DatasetSource


@dataclass(frozen=True)
class DatasetInfo:
    """One dataset of a file.

    Parameters
    ----------
    path : str
    shape : tuple of int or None
        None for an empty dataspace.
    dtype : str
        The stored dtype, byte order included.
    chunks : tuple of int or None
    filters : tuple of str
    nbytes, stored_nbytes : int
        Of the elements, and on the disk.
    read_path : str or None
        None where it cannot be used.
    reason : str
        Why that read path, or why it cannot be used.
    """

    path: str
    shape: tuple[int, ...] | None
    dtype: str
    chunks: tuple[int, ...] | None
    filters: tuple[str, ...]
    nbytes: int
    stored_nbytes: int
    read_path: str | None
    reason: str

    @property
    def ratio(self) -> float:
        """Bytes of the elements by bytes on the disk; 1 where nothing is stored."""
        return self.nbytes / self.stored_nbytes if self.stored_nbytes else 1.0


def describe(address: Address | str) -> list[DatasetInfo]:
    """All datasets of a file, or below the group or at the path that is named.

    Each dataset comes once, under the first of its names, whatever hard links lead to it; those of
    other files come under the external links that lead to them. The files of a glob are described
    as the one dataset that they are joined to.

    Raises
    ------
    InputError
        The file or the path cannot be used.
    """
    address = Address.parse(address)
    if len(matching_files(address.file)) > 1:
        return [_joined(open_source(address))]
    with open_file(check_file(matching_files(address.file)[0])) as file:
        group = file
        if address.path is not None:
            named = file.get(address.path)
            if not isinstance(named, h5py.Group):
                return [_info(find_dataset(file, address.path))]
            group = named
        found = [_info(group[name]) for name in dataset_paths(group)]
        return found + [_info(*linked) for linked in external_datasets(group)]


def _joined(source: DatasetSource) -> DatasetInfo:
    """What the files of a glob are together; how they are stored is told of the first."""
    stored = 0
    for part in source.parts:
        with open_file(part.source.file) as file:
            stored += file[part.source.path].id.get_storage_size()
    return DatasetInfo(
        path=source.path,
        shape=source.shape,
        dtype=str(source.stored_dtype),
        chunks=source.chunks,
        filters=source.filter_names,
        nbytes=source.nbytes,
        stored_nbytes=stored,
        read_path=source.read_path,
        reason=source.reason,
    )


def _info(dataset: h5py.Dataset, path: str | None = None) -> DatasetInfo:
    read_path, reason = None, ""
    try:
        source = source_of(dataset)
        read_path, reason = source.read_path, source.reason
    except InputError as error:
        reason = _short(str(error))
    try:
        dtype, itemsize = _dtype_name(dataset), dataset.id.get_type().get_size()
    except TypeError:
        dtype, itemsize = "unknown", 0
    dcpl = dataset.id.get_create_plist()
    return DatasetInfo(
        path=path or str(dataset.name),
        shape=None if dataset.shape is None else tuple(dataset.shape),
        dtype=dtype,
        chunks=dataset.chunks,
        filters=tuple(step.name for step in filters.pipeline_of(dcpl)),
        nbytes=math.prod(dataset.shape or ()) * itemsize if dataset.shape is not None else 0,
        stored_nbytes=dataset.id.get_storage_size(),
        read_path=read_path,
        reason=reason,
    )


def _dtype_name(dataset: h5py.Dataset) -> str:
    """The stored dtype for a person: ``>f4``, ``string``, ``compound(x, y)``."""
    dtype = dataset.dtype
    if h5py.check_string_dtype(dtype) is not None:
        return "string"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "vlen"
    if h5py.check_ref_dtype(dtype) is not None:
        return "reference"
    return f"compound({', '.join(dtype.names)})" if dtype.names else str(dtype)


def _short(message: str) -> str:
    """The part of an error that says what is there instead of what was expected."""
    found = message.partition(", found ")[2] or message.partition(", and ")[2] or message
    return found.partition(";")[0]
