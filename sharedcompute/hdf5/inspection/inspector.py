"""Datasets found, checked, and described as sources."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import lru_cache
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5i

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address, matching_files
from sharedcompute.hdf5.filters.available import available
from sharedcompute.hdf5.filters.pipeline import Pipeline, pipeline_of, skips_edges
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.format.dtypes import is_plain, numeric_dtype
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.format.layout import files_of
from sharedcompute.hdf5.format.names import file_of, path_of, where
from sharedcompute.hdf5.format.packing import packing_of
from sharedcompute.hdf5.inspection.find import find_dataset
from sharedcompute.hdf5.inspection.joined_files import join
from sharedcompute.hdf5.inspection.virtual import parts_of
from sharedcompute.hdf5.reading.chunked import ChunkReader, PlainChunkReader
from sharedcompute.hdf5.reading.parts import read_paths
from sharedcompute.hdf5.reading.read_paths import choose
from sharedcompute.hdf5.reading.row_reader import Layout
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.stored import Part
from sharedcompute.hdf5.safety.access import AccessPolicy, source_file, storage_file
from sharedcompute.hdf5.safety.files import check_file, open_file
from sharedcompute.hdf5.safety.sandbox import States, explained, look, states_of
from sharedcompute.system import disposable
from sharedcompute.system.disposable import LostError
from sharedcompute.system.machine import format_size

ABSURD = 1 << 50
"""Bytes: 1 PiB takes a day to read at 13 GB/s."""

LOOKED_UP = 100_000
"""Chunks that are looked up where a file is only looked at."""

NESTED = 8
"""Virtual datasets of virtual datasets that are followed at most."""


def open_source(address: Address | str, allow_external: bool = False) -> DatasetSource:
    """Find and check the dataset that `address` means; the files of a glob are joined along rows.

    Without PATH it is the only array of numbers in the file. Dimension scales, their bounds, and
    scalars do not count.

    Parameters
    ----------
    allow_external : bool
        Follow links, virtual sources and external storage out of the folder of their file.

    Raises
    ------
    InputError
        The file, the path or the dataset cannot be used, or files cannot be joined; the message
        says what to do.
    """
    address = Address.parse(address)
    files = tuple(matching_files(address.file))
    asked = files, address.path, allow_external
    if _is_as_it_was(_survived(address.file, *asked, states_of(files))):
        # What has survived it does so again, and this process sees locks and the like as they are.
        sources = explained(address.file, _open_all, asked)
    else:
        sources = _looked_at(address.file, *asked)
    return join(sources, address.file) if len(sources) > 1 else sources[0]


@lru_cache(maxsize=256)
def _survived(
    named: str, files: tuple[str, ...], path: str | None, allow_external: bool, states: States
) -> tuple[tuple[str, ...], States]:
    """Look once at files that stay as they are: 15 ms each time are much for small data.

    What is given back are all files that the dataset lies in, and what they were.
    """
    del states
    sources = _looked_at(named, files, path, allow_external)
    found = tuple(dict.fromkeys(file for source in sources for file in source.reads.names))
    return found, states_of(found)


def _is_as_it_was(seen: tuple[tuple[str, ...], States]) -> bool:
    files, states = seen
    return states_of(files) == states


def _looked_at(
    named: str, files: tuple[str, ...], path: str | None, allow_external: bool
) -> list[DatasetSource]:
    try:
        return look(named, _open_all, files, path, allow_external)
    except LostError:
        if len(files) == 1:
            raise
        # One by one, to name the file.
        return [look(f, _open_all, (f,), path, allow_external)[0] for f in files]


def _open_all(
    files: tuple[str, ...], path: str | None, allow_external: bool
) -> list[DatasetSource]:
    return [_open_one(file, path, allow_external) for file in files]


def _open_one(file: str, path: str | None, allow_external: bool) -> DatasetSource:
    disposable.progress()
    reach = AccessPolicy.of(file, allow_external)
    with open_file(check_file(file)) as opened:
        found = Inspector(reach).source(find_dataset(opened, path, reach))
    # Those of links on the way, and of sources that HDF5 reads, are in no description of their own.
    return replace(found, seen=tuple(reach.met.values()))


def check_size(source: DatasetSource) -> None:
    """Refuse an array of a size that nothing in its files accounts for.

    A shape of 8e9 x 3e8 takes no space as long as nobody writes to it, and no job would ever end.

    Raises
    ------
    InputError
        It has more than `ABSURD` bytes, and 1,000 times those of its files.
    """
    if source.nbytes <= ABSURD:
        return
    stored = sum(seen.size for seen in source.reads.seen)
    if source.nbytes > 1000 * stored:
        raise InputError(
            f"expected an array that can be computed with, {source} has shape {source.shape} "
            f"({format_size(source.nbytes)}), with {format_size(stored)} in its files; open it "
            "with sharedcompute.open and slice what is there"
        )


class Inspector:
    """Gives the plain descriptions of open datasets, each worked out once.

    Parameters
    ----------
    reach : AccessPolicy
        The files that may be read for them.
    """

    def __init__(self, reach: AccessPolicy) -> None:
        self._reach = reach
        self._known: dict[tuple[str, str], DatasetSource] = {}
        self._files: dict[str, str] = {}
        # Those whose sources are being described.
        self._open: list[tuple[str, str]] = []

    def source(self, dataset: h5py.Dataset) -> DatasetSource:
        """The plain description of an open dataset.

        Raises
        ------
        InputError
            It holds no numbers, has no rows, needs a filter that is not installed, its file is cut
            short, its rows lie in files that may not be read, or it is a virtual dataset that maps
            to itself.
        """
        disposable.progress()
        key = (self._real(file_of(dataset)), path_of(dataset))
        if key in self._open or len(self._open) > NESTED:
            raise InputError(
                f"expected stored numbers behind the virtual dataset {where(dataset)}, found "
                f"sources nested more than {NESTED} deep, or the dataset mapped to itself; name "
                "one of its sources"
            )
        if key not in self._known:
            self._open.append(key)
            try:
                self._known[key] = self._describe(dataset, *key)
            finally:
                self._open.pop()
        return self._known[key]

    def _real(self, file: str) -> str:
        """The file with links resolved, worked out once."""
        if file not in self._files:
            self._files[file] = os.path.realpath(file)
        return self._files[file]

    def _describe(self, dataset: h5py.Dataset, file: str, path: str) -> DatasetSource:
        intent = h5i.get_file_id(dataset.id).get_intent()
        _check_mode(dataset, intent)
        stored = numeric_dtype(dataset)
        dcpl = dataset.id.get_create_plist()
        if dataset.file.swmr_mode:
            self._reach.grows(file)
        elsewhere = self._elsewhere(dataset, dcpl)
        parts, refusal = self._parts(dataset, dcpl, stored)
        shape = _shape(dataset)
        pipeline = pipeline_of(dcpl)
        _check_filters(dataset, pipeline)
        layout = _layout(dataset, dcpl, stored, pipeline, refusal, intent)
        _check_values(dataset, dcpl, layout)
        _check_length(dataset, layout)
        chunks = dcpl.get_chunk() if dcpl.get_layout() == h5d.CHUNKED else None
        read_path, reason = choose(layout)
        if chunks and read_path in (PlainChunkReader.name, ChunkReader.name):
            _check_index(dataset, ChunkGrid(shape, chunks))
        if parts:
            several = len({(part.source.file, part.source.path) for part in parts})
            read_path = "virtual"
            reason = f"{several} source{'s' if several > 1 else ''}: {read_paths(parts)}"
        return DatasetSource(
            file=file,
            path=path,
            shape=shape,
            dtype=stored.newbyteorder("="),
            stored_dtype=stored,
            chunks=chunks,
            maxshape=tuple(dataset.maxshape) if chunks else shape,
            filters=pipeline,
            fill=Fill.of(dcpl, dataset.dtype),
            read_path=read_path,
            reason=reason,
            offset=layout.offset,
            packing=packing_of(dataset),
            parts=parts,
            seen=tuple(map(self._reach.meet, dict.fromkeys((file, *elsewhere)))),
        )

    def _elsewhere(self, dataset: h5py.Dataset, dcpl: Any) -> tuple[str, ...]:
        """The other files that rows lie in, those of them that are there."""
        names = files_of(dcpl)
        if not names:
            return ()
        find = source_file if dcpl.get_layout() == h5d.VIRTUAL else storage_file
        here, what = file_of(dataset), where(dataset)
        found = [find(here, name, self._reach, what) for name in names]
        return tuple(os.path.realpath(file) for file in found if file is not None)

    def _parts(
        self, dataset: h5py.Dataset, dcpl: Any, stored: np.dtype[Any]
    ) -> tuple[tuple[Part, ...], str]:
        """What a virtual dataset is put together from, or why HDF5 must read it."""
        if dcpl.get_layout() != h5d.VIRTUAL:
            return (), ""
        return parts_of(dataset, stored.newbyteorder("="), self._reach, self.source)


def _check_mode(dataset: h5py.Dataset, intent: int) -> None:
    """Refuse a file that this process is writing: its newest rows may not be in the file yet.

    HDF5 lets one process open a file again for reading and gives it the first one's mode.
    """
    if intent & (h5f.ACC_RDWR | h5f.ACC_SWMR_WRITE):
        raise InputError(
            f"expected {file_of(dataset)} open for reading, it is open for writing in this "
            "program; close it, or open it with mode 'r'"
        )


def _shape(dataset: h5py.Dataset) -> tuple[int, ...]:
    shape = dataset.shape
    if shape:
        return tuple(shape)
    what = "an empty dataspace" if shape is None else "a single number"
    raise InputError(
        f"expected an array at {where(dataset)}, found {what}; "
        "choose a dataset with at least one dimension"
    )


def _check_filters(dataset: h5py.Dataset, pipeline: Pipeline) -> None:
    for step in pipeline:
        if not available(step.code):
            raise InputError(
                f"expected filter {step.name} (number {step.code}) for {where(dataset)}, and it is "
                "not installed; install its plug-in and set HDF5_PLUGIN_PATH to its folder"
            )


def _layout(
    dataset: h5py.Dataset,
    dcpl: Any,
    stored: np.dtype[Any],
    pipeline: Pipeline,
    refusal: str,
    intent: int,
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
    if pipeline and storage == "chunked" and skips_edges(dcpl):
        storage = "chunks at the edge have no filters"
    if refusal:
        storage = f"virtual: {refusal}"
    if intent & h5f.ACC_SWMR_READ:
        # Chunks and their places change under every reader but HDF5's own.
        storage = "being written (SWMR)"
    return Layout(
        storage=storage,
        plain=is_plain(dataset, stored),
        native=stored.isnative,
        offset=_offset(dataset) if storage == "contiguous" else None,
        nbytes=math.prod(dataset.shape) * stored.itemsize,
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


def _check_values(dataset: h5py.Dataset, dcpl: Any, layout: Layout) -> None:
    """Refuse a dataset that HDF5 itself cannot give numbers for, as it has none."""
    if layout.storage != "contiguous" or layout.offset is not None or not layout.nbytes:
        return
    if dcpl.fill_value_defined() == h5d.FILL_VALUE_UNDEFINED:
        raise InputError(
            f"expected numbers at {where(dataset)}, found nothing: no value was ever written, and "
            "its fill value is undefined; choose another dataset"
        )


def _check_length(dataset: h5py.Dataset, layout: Layout) -> None:
    """Refuse a file that ends before its data do: a map of it would end this process (SIGBUS)."""
    if layout.offset is None:
        return
    size = os.stat(file_of(dataset)).st_size  # noqa: PTH116 - 3 us, not 15
    need = layout.offset + layout.nbytes
    if size < need:
        raise InputError(
            f"expected at least {need} bytes in {file_of(dataset)} for {path_of(dataset)}, it has "
            f"{size}: it is cut short; copy it again from where it came"
        )


def _check_index(dataset: h5py.Dataset, grid: ChunkGrid) -> None:
    """Refuse a dataset whose chunks HDF5 cannot find. Workers would crash on it, or this process.

    It takes 1 us for each chunk; where there may be very many, only who reads them asks.
    """
    if math.prod(grid.counts) > LOOKED_UP:
        return
    try:
        dataset.id.chunk_iter(lambda chunk: None)  # noqa: ARG005
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"expected an index of the chunks of {where(dataset)}, found one that HDF5 cannot read "
            f"({' '.join(str(error).split())}); copy the file again from where it came"
        ) from None
