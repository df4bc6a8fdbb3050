"""Contents of a file, for the ``info`` command."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import h5py

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address, matching_files
from sharedcompute.hdf5.filters.pipeline import pipeline_of
from sharedcompute.hdf5.format.dtypes import FOREIGN
from sharedcompute.hdf5.format.names import path_of, raw
from sharedcompute.hdf5.format.objects import external_links, objects
from sharedcompute.hdf5.inspection.find import find_numbers
from sharedcompute.hdf5.inspection.inspector import Inspector, open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.files import check_file, open_file
from sharedcompute.hdf5.safety.links import follow
from sharedcompute.hdf5.safety.sandbox import run_sandboxed
from sharedcompute.system import disposable
from sharedcompute.wording import on_command_line


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


def describe(address: Address | str, allow_external: bool = False) -> list[DatasetInfo]:
    """Describe all datasets of a file, or those below the group or at the path that is named.

    Each dataset is listed once, under the first of its names, whatever hard links lead to it;
    those of other files, under the external links that lead to them. The files of a glob are
    described as the one dataset that they are joined to.

    Parameters
    ----------
    allow_external : bool
        Follow links, virtual sources and external storage out of the folder of the file.

    Raises
    ------
    InputError
        The file or the path cannot be used.
    """
    address = Address.parse(address)
    files = matching_files(address.file)
    if address.window is not None:
        source = open_source(address, allow_external)
        if source.window is not None:
            return [_of_window(source)]
        address = address.literal
    if len(files) > 1:
        source = open_source(address, allow_external)
        return [run_sandboxed(address.file, _joined, source)]
    return run_sandboxed(
        files[0], _described, files[0], address.path, AccessPolicy.of(files[0], allow_external)
    )


def _described(file: str, path: str | None, policy: AccessPolicy) -> list[DatasetInfo]:
    inspector = Inspector(policy)
    with open_file(check_file(file)) as opened:
        group = opened if path is None else follow(opened, path, policy)
        if not isinstance(group, h5py.Group):
            dataset, member = find_numbers(opened, path, policy)
            return [_info(dataset, inspector, member=member)]
        found = list(_own(group, inspector))
        return found + list(_linked(group, policy, inspector))


def _own(group: h5py.Group, inspector: Inspector) -> Iterator[DatasetInfo]:
    """Yield the datasets below `group`, and what cannot be opened."""
    above = path_of(group).rstrip("/")
    for name, item in objects(group):
        if item is None:
            yield _unusable(f"{above}/{name}", "it cannot be opened")
        elif isinstance(item, h5py.Dataset):
            yield _info(item, inspector, f"{above}/{name}")


def _linked(group: h5py.Group, policy: AccessPolicy, inspector: Inspector) -> Iterator[DatasetInfo]:
    """Yield the datasets of other files that external links below `group` lead to.

    Links that lead nowhere are left out.
    """
    for name in external_links(group):
        disposable.progress()
        path = f"{path_of(group).rstrip('/')}/{name}"
        try:
            item = follow(group, name, policy)
        except InputError as error:
            yield _unusable(path, _short(on_command_line(error.text)))
            continue
        if isinstance(item, h5py.Dataset):
            yield _info(item, inspector, path)


def _joined(source: DatasetSource) -> DatasetInfo:
    """Describe the files of a glob as one; how they are stored is that of the first."""
    stored = 0
    for part in source.parts:
        disposable.progress()
        with open_file(part.source.file) as file:
            dataset: h5py.Dataset = file[raw(part.source.path)]
            stored += dataset.id.get_storage_size()
    return DatasetInfo(
        path=source.name,
        shape=source.shape,
        dtype=str(source.stored_dtype),
        chunks=source.chunks,
        filters=source.filter_names,
        nbytes=source.nbytes,
        stored_nbytes=stored,
        read_path=source.read_path,
        reason=source.reason,
    )


def _of_window(source: DatasetSource) -> DatasetInfo:
    """Describe a window; how many bytes of the file it takes is not known."""
    return DatasetInfo(
        path=f"{source.name}{source.window}",
        shape=source.shape,
        dtype=str(source.stored_dtype),
        chunks=source.chunks,
        filters=source.filter_names,
        nbytes=source.nbytes,
        stored_nbytes=0,
        read_path=source.read_path,
        reason=source.reason,
    )


def _unusable(path: str, reason: str) -> DatasetInfo:
    return DatasetInfo(path, None, "unknown", None, (), 0, 0, None, reason)


def _info(
    dataset: h5py.Dataset,
    inspector: Inspector,
    path: str | None = None,
    member: str | None = None,
) -> DatasetInfo:
    path = path or path_of(dataset)
    try:
        source = inspector.source(dataset, member)
    except InputError as error:
        return _refused(dataset, path, _short(on_command_line(error.text)))
    except FOREIGN as error:
        return _refused(dataset, path, f"HDF5 cannot read it ({' '.join(str(error).split())})")
    return DatasetInfo(
        path=path if member is None else source.name,
        shape=source.shape,
        dtype=str(source.stored_dtype),
        chunks=source.chunks,
        filters=source.filter_names,
        nbytes=source.nbytes,
        stored_nbytes=dataset.id.get_storage_size(),
        read_path=source.read_path,
        reason=source.reason,
    )


def _refused(dataset: h5py.Dataset, path: str, reason: str) -> DatasetInfo:
    """Describe a dataset that cannot be used, as far as that is possible."""
    try:
        # HDF5 may have to open the sources of a virtual one for the shape.
        return _unusable(path, reason) if dataset.is_virtual else _unreadable(dataset, path, reason)
    except FOREIGN:
        return _unusable(path, reason)


def _unreadable(dataset: h5py.Dataset, path: str, reason: str) -> DatasetInfo:
    dcpl = dataset.id.get_create_plist()
    nbytes = math.prod(dataset.shape) * dataset.id.get_type().get_size() if dataset.shape else 0
    return DatasetInfo(
        path=path,
        shape=None if dataset.shape is None else tuple(dataset.shape),
        dtype=_dtype_name(dataset),
        chunks=dataset.chunks,
        filters=tuple(step.name for step in pipeline_of(dcpl)),
        nbytes=nbytes,
        stored_nbytes=dataset.id.get_storage_size(),
        read_path=None,
        reason=reason,
    )


def _dtype_name(dataset: h5py.Dataset) -> str:
    """Return the stored dtype for a person: ``>f4``, ``string``, ``compound(x, y)``."""
    try:
        dtype = dataset.dtype
    except FOREIGN:
        return "unknown"
    if h5py.check_string_dtype(dtype) is not None:
        return "string"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "vlen"
    if h5py.check_ref_dtype(dtype) is not None:
        return "reference"
    return f"compound({', '.join(dtype.names)})" if dtype.names else str(dtype)


def _short(message: str) -> str:
    """Return the part of an error that says what is there instead of what was expected."""
    found = message.partition(", found ")[2] or message.partition(", and ")[2] or message
    return found.partition(";")[0]
