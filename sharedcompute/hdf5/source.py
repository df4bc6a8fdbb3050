"""A dataset that rows come from: found, checked, and described as plain data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d

from sharedcompute.errors import InputError
from sharedcompute.hdf5 import filters
from sharedcompute.hdf5.address import Address, matching_files
from sharedcompute.hdf5.chunk_reader import RUN_NBYTES, WINDOW_NBYTES
from sharedcompute.hdf5.dtypes import is_plain, numeric_dtype
from sharedcompute.hdf5.filters import Pipeline
from sharedcompute.hdf5.joined import join
from sharedcompute.hdf5.lookup import check_file, find_dataset, name_of, open_file
from sharedcompute.hdf5.packing import Packing, packing_of
from sharedcompute.hdf5.part_reader import PartsReader, parts_nbytes
from sharedcompute.hdf5.parts import Part, read_paths
from sharedcompute.hdf5.read_paths import choose, open_for, open_reader
from sharedcompute.hdf5.readers import Layout, Reader, cache_nbytes
from sharedcompute.hdf5.virtual import parts_of

NESTED = 8
"""Virtual datasets of virtual datasets that are followed at most."""


@dataclass(frozen=True)
class DatasetSource:
    """One numeric dataset of a file: what a plan reads and a worker opens. It pickles.

    Parameters
    ----------
    file : str
        The file's absolute path, links resolved.
    path : str
        The dataset's path inside it.
    shape : tuple of int
    dtype : numpy.dtype
        Of the rows that a reader gives: native byte order; an enum is its integers, HDF5's boolean
        is ``bool``, and a compound of ``r`` and ``i`` is complex.
    stored_dtype : numpy.dtype
        The same in the byte order of the file.
    chunks : tuple of int or None
    maxshape : tuple of (int or None)
    filters : tuple of Filter
    fill_value : numpy scalar or None
        None where the file sets none, or says that nothing is filled.
    read_path, reason : str
        Which reader will be used, and one phrase that says why.
    packing : Packing or None
        The CF attributes that say what the numbers mean. Readers do not apply them.
    parts : tuple of Part
        The datasets that this one is put together from: files joined along rows, or the sources of
        a virtual dataset. `file` and `path` are then those of the dataset that gives the metadata.
    glob : str or None
        What named the files that are joined, as it was given.
    offset : int or None
        Where the data of a contiguous dataset begin, in bytes from the start of the file.
    """

    file: str
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored_dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    maxshape: tuple[int | None, ...]
    filters: Pipeline
    fill_value: np.generic | None
    read_path: str
    reason: str
    offset: int | None
    packing: Packing | None = None
    parts: tuple[Part, ...] = ()
    glob: str | None = None

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self.shape)

    @property
    def row_nbytes(self) -> int:
        """Bytes of one row in memory."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all rows in memory."""
        return self.shape[0] * self.row_nbytes

    @property
    def row_alignment(self) -> int:
        """Rows of one chunk, 1 without chunks: blocks that follow it decode each chunk once.

        Parts may begin anywhere; with the rows of their largest chunk, each is decoded twice at
        most.
        """
        if self.parts:
            return min(max(part.row_alignment for part in self.parts), max(1, self.shape[0]))
        return min(self.chunks[0], max(1, self.shape[0])) if self.chunks else 1

    @property
    def filter_names(self) -> tuple[str, ...]:
        """The filters for a person: ``("shuffle", "gzip:4")``."""
        return tuple(step.name for step in self.filters)

    @property
    def filtered(self) -> bool:
        """Whether reading costs decoding."""
        return bool(self.filters) or any(part.source.filtered for part in self.parts)

    @property
    def chunk_rows(self) -> int:
        """Rows of the largest chunk: so many are decoded where one is wanted."""
        own = min(self.chunks[0], max(1, self.shape[0])) if self.chunks else 1
        return max([own, *(part.source.chunk_rows for part in self.parts)])

    @property
    def keeps_chunks(self) -> bool:
        """Whether a reader keeps the chunks that a read ends in for the next one."""
        return self.chunk_rows * self.row_nbytes <= WINDOW_NBYTES

    @property
    def files(self) -> tuple[str, ...]:
        """All files that rows are read from, and the one that gives the metadata."""
        below = (file for part in self.parts for file in part.source.files)
        return tuple(dict.fromkeys((self.file, *below)))

    def scratch_nbytes(self, rows: int) -> int:
        """Bytes of private memory that a reader takes for blocks of `rows` rows."""
        if self.parts:
            return parts_nbytes(self, rows)
        if self.read_path == "mmap":
            return 0
        if self.read_path == "h5py":
            return rows * self.row_nbytes + cache_nbytes(self)
        partly = 2 * (self.chunk_rows - 1) if self.keeps_chunks else 0
        return (rows + partly) * self.row_nbytes + self.box_nbytes

    @property
    def box_nbytes(self) -> int:
        """Bytes of private memory that a reader takes to fill a box: a chunk, raw and decoded."""
        if self.chunks is None:
            return max([0, *(part.source.box_nbytes for part in self.parts)])
        return 2 * int(np.prod(self.chunks, dtype=np.int64)) * self.dtype.itemsize + RUN_NBYTES

    def open(self) -> Reader:
        """A reader of the rows, for this process."""
        return PartsReader(self) if self.parts else open_reader(self)

    def open_for(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> Reader:
        """A reader for this process, to read one box, once."""
        return open_for(self, corner, shape)

    def __str__(self) -> str:
        return str(Address(self.glob or self.file, self.path))


def open_source(address: Address | str) -> DatasetSource:
    """Find and check the dataset that `address` means; the files of a glob are joined along rows.

    Without PATH it is the only array of numbers in the file. Dimension scales, their bounds, and
    scalars do not count.

    Raises
    ------
    InputError
        The file, the path or the dataset cannot be used, or files cannot be joined; the message
        says what to do.
    """
    address = Address.parse(address)
    sources = [_open_one(file, address.path) for file in matching_files(address.file)]
    return join(sources, address.file) if len(sources) > 1 else sources[0]


def _open_one(file: str, path: str | None) -> DatasetSource:
    with open_file(check_file(file)) as opened:
        return source_of(find_dataset(opened, path))


def source_of(dataset: h5py.Dataset) -> DatasetSource:
    """The plain description of an open dataset.

    Raises
    ------
    InputError
        It holds no numbers, has no rows, needs a filter that is not installed, its file is cut
        short, or it is a virtual dataset that maps to itself.
    """
    return _source_of(dataset, 0)


def _source_of(dataset: h5py.Dataset, nested: int) -> DatasetSource:
    _check_mode(dataset)
    stored = numeric_dtype(dataset)
    _check_shape(dataset)
    dcpl = dataset.id.get_create_plist()
    pipeline = filters.pipeline_of(dcpl)
    _check_filters(dataset, pipeline)
    parts, refusal = _parts(dataset, dcpl, stored, nested)
    layout = _layout(dataset, dcpl, stored, pipeline, refusal)
    _check_length(dataset, layout)
    read_path, reason = choose(layout)
    if parts:
        several = len({(part.source.file, part.source.path) for part in parts})
        read_path = "virtual"
        reason = f"{several} source{'s' if several > 1 else ''}: {read_paths(parts)}"
    return DatasetSource(
        file=os.path.realpath(dataset.file.filename),
        path=name_of(dataset),
        shape=tuple(dataset.shape),
        dtype=stored.newbyteorder("="),
        stored_dtype=stored,
        chunks=dataset.chunks,
        maxshape=tuple(dataset.maxshape),
        filters=pipeline,
        fill_value=_fill_value(dataset, dcpl, stored),
        read_path=read_path,
        reason=reason,
        offset=layout.offset,
        packing=packing_of(dataset),
        parts=parts,
    )


def _parts(
    dataset: h5py.Dataset, dcpl: Any, stored: np.dtype[Any], nested: int
) -> tuple[tuple[Part, ...], str]:
    """What a virtual dataset is put together from, or why HDF5 must read it."""
    if dcpl.get_layout() != h5d.VIRTUAL:
        return (), ""
    if nested == NESTED:
        raise InputError(
            f"expected stored numbers behind the virtual dataset "
            f"{dataset.file.filename}::{dataset.name}, found it nested more than {NESTED} deep, or "
            "mapped to itself; name one of its sources"
        )
    return parts_of(dataset, stored.newbyteorder("="), lambda inner: _source_of(inner, nested + 1))


def _check_mode(dataset: h5py.Dataset) -> None:
    """Refuse a file that this process is writing: its newest rows may not be in the file yet.

    HDF5 lets one process open a file again for reading and gives it the first one's mode.
    """
    if dataset.file.mode != "r":
        raise InputError(
            f"expected {dataset.file.filename} open for reading, it is open for writing in this "
            "program; close it, or open it with mode 'r'"
        )


def _check_shape(dataset: h5py.Dataset) -> None:
    if dataset.shape:
        return
    what = "an empty dataspace" if dataset.shape is None else "a single number"
    raise InputError(
        f"expected an array at {dataset.file.filename}::{dataset.name}, found {what}; "
        "choose a dataset with at least one dimension"
    )


def _check_filters(dataset: h5py.Dataset, pipeline: Pipeline) -> None:
    for step in pipeline:
        if not filters.available(step.code):
            raise InputError(
                f"expected filter {step.name} (number {step.code}) for "
                f"{dataset.file.filename}::{dataset.name}, and it is not installed; install its "
                "plug-in and set HDF5_PLUGIN_PATH to its folder"
            )


def _layout(
    dataset: h5py.Dataset, dcpl: Any, stored: np.dtype[Any], pipeline: Pipeline, refusal: str
) -> Layout:
    kinds = {
        h5d.CONTIGUOUS: "contiguous",
        h5d.CHUNKED: "chunked",
        h5d.COMPACT: "compact",
        h5d.VIRTUAL: "virtual",
    }
    storage = kinds.get(dcpl.get_layout(), "unknown")
    if dcpl.get_external_count():
        storage = "external"
    if refusal:
        storage = f"virtual: {refusal}"
    if dataset.file.swmr_mode:
        # Chunks and their places change under every reader but HDF5's own.
        storage = "being written (SWMR)"
    return Layout(
        storage=storage,
        plain=is_plain(dataset, stored),
        native=stored.isnative,
        offset=_offset(dataset) if storage == "contiguous" else None,
        nbytes=int(np.prod(dataset.shape, dtype=np.int64)) * stored.itemsize,
        alignment=stored.alignment,
        filters=pipeline,
    )


def _offset(dataset: h5py.Dataset) -> int | None:
    """Where the data of a contiguous dataset begin; None where none were ever written.

    `get_offset` alone does not tell: in a file with a user block it gives the block's size less 1
    for data that are not there (HDF5 2.0).
    """
    if dataset.id.get_space_status() == h5d.SPACE_STATUS_NOT_ALLOCATED:
        return None
    offset: int | None = dataset.id.get_offset()
    return offset


def _check_length(dataset: h5py.Dataset, layout: Layout) -> None:
    """Refuse a file that ends before its data do: a map of it would end this process (SIGBUS)."""
    if layout.offset is None:
        return
    size = Path(dataset.file.filename).stat().st_size
    need = layout.offset + layout.nbytes
    if size < need:
        raise InputError(
            f"expected at least {need} bytes in {dataset.file.filename} for {dataset.name}, it has "
            f"{size}: it is cut short; copy it again from where it came"
        )


def _fill_value(dataset: h5py.Dataset, dcpl: Any, stored: np.dtype[Any]) -> np.generic | None:
    if dcpl.fill_value_defined() != h5d.FILL_VALUE_USER_DEFINED:
        return None
    if dcpl.get_fill_time() == h5d.FILL_TIME_NEVER:
        return None
    value = np.asarray(dataset.fillvalue).astype(stored.newbyteorder("="))
    scalar: np.generic = value.dtype.type(value)
    return scalar
