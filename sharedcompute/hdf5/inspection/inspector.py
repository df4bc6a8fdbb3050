"""Datasets found, checked, and described as sources."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5i, h5p

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address, matching_files
from sharedcompute.hdf5.filters.pipeline import pipeline_of
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.format.dtypes import numeric_dtype
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.format.layout import files_of
from sharedcompute.hdf5.format.members import find_member
from sharedcompute.hdf5.format.names import file_of, path_of, where
from sharedcompute.hdf5.format.packing import packing_of
from sharedcompute.hdf5.inspection.checks import (
    array_shape,
    check_filters,
    check_index,
    check_length,
    check_mode,
    check_values,
)
from sharedcompute.hdf5.inspection.find import find_numbers
from sharedcompute.hdf5.inspection.joined_files import join
from sharedcompute.hdf5.inspection.layouts import layout_of
from sharedcompute.hdf5.inspection.virtual import parts_of
from sharedcompute.hdf5.reading.chunked import ChunkReader, PlainChunkReader
from sharedcompute.hdf5.reading.parts import read_paths
from sharedcompute.hdf5.reading.read_paths import choose_read_path
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.stored import Part
from sharedcompute.hdf5.reading.windowed import windowed
from sharedcompute.hdf5.safety.access import AccessPolicy, source_file, storage_file
from sharedcompute.hdf5.safety.files import check_file, open_file
from sharedcompute.hdf5.safety.links import follow
from sharedcompute.hdf5.safety.sandbox import (
    FileStates,
    explain_damage,
    file_states,
    once,
    run_sandboxed,
)
from sharedcompute.hdf5.window import Window, WindowText
from sharedcompute.system import disposable
from sharedcompute.system.disposable import LostError
from sharedcompute.system.machine import format_size

ABSURD = 1 << 50
"""Bytes: 1 PiB takes a day to read at 13 GB/s."""

NESTED = 8
"""Virtual datasets of virtual datasets that are followed at most."""


def open_source(address: Address | str, allow_external: bool = False) -> DatasetSource:
    """Find and check the dataset that `address` means; the files of a glob are joined along rows.

    Without PATH it is the only array of numbers in the file. Dimension scales, their bounds, and
    scalars do not count. A dataset whose very name ends with what looks like a window is that one.

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
    literal = None if address.window is None else address.literal.path
    asked = files, address.path, literal, allow_external
    if _is_as_it_was(once(files, _files_of, address.file, *asked)):
        # What has survived it does so again, and this process sees locks and the like as they are.
        sources = explain_damage(address.file, _open_all, asked)
    else:
        sources = _open_sandboxed(address.file, *asked)
    found = join(sources, address.file) if len(sources) > 1 else sources[0]
    if address.window is None or found.path == literal:
        return found
    return windowed(found, window_of(found, address.window))


def window_of(source: DatasetSource, text: WindowText) -> Window:
    """Return the window of a source that is written after its address.

    Raises
    ------
    InputError
        It is none, or not of this source.
    """
    if text.is_by_label:
        # Companions are found by what is above here.
        from sharedcompute.hdf5.inspection.labels import selected  # noqa: PLC0415

        window = selected(source, text.labels)
        if not window.size:
            raise InputError(
                f"expected values of {source} between the labels {text}, found none; look at its "
                "coordinates, or give the ends the other way round"
            )
        return window
    try:
        return Window.of(text.keys, source.shape)
    except IndexError as problem:
        raise InputError(
            f"expected a window of {source}, whose shape is {source.shape}, got {text}: {problem}"
        ) from None


def _files_of(
    named: str, files: tuple[str, ...], path: str | None, literal: str | None, allow_external: bool
) -> tuple[tuple[str, ...], FileStates]:
    """Open the datasets where that is safe; return all files they lie in, and their states."""
    sources = _open_sandboxed(named, files, path, literal, allow_external)
    found = tuple(dict.fromkeys(file for source in sources for file in source.reads.names))
    return found, file_states(found)


def _is_as_it_was(seen: tuple[tuple[str, ...], FileStates]) -> bool:
    files, states = seen
    return file_states(files) == states


def _open_sandboxed(
    named: str, files: tuple[str, ...], path: str | None, literal: str | None, allow_external: bool
) -> list[DatasetSource]:
    try:
        return run_sandboxed(named, _open_all, files, path, literal, allow_external)
    except LostError:
        if len(files) == 1:
            raise
        # One by one, to name the file.
        return [run_sandboxed(f, _open_all, (f,), path, literal, allow_external)[0] for f in files]


def _open_all(
    files: tuple[str, ...], path: str | None, literal: str | None, allow_external: bool
) -> list[DatasetSource]:
    return [_open_one(file, path, literal, allow_external) for file in files]


def _open_one(
    file: str, path: str | None, literal: str | None, allow_external: bool
) -> DatasetSource:
    disposable.progress()
    policy = AccessPolicy.of(file, allow_external)
    with open_file(check_file(file)) as opened:
        if literal is not None and follow(opened, literal, policy) is not None:
            path = literal
        found = Inspector(policy).source(*find_numbers(opened, path, policy))
    # Those of links on the way, and of sources that HDF5 reads, are in no description of their own.
    return replace(found, seen=tuple(policy.met.values()))


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
    """Describes open datasets as plain data, each once.

    Parameters
    ----------
    policy : AccessPolicy
        The files that may be read for them.
    """

    def __init__(self, policy: AccessPolicy) -> None:
        self._policy = policy
        self._known: dict[tuple[str, str, str | None], DatasetSource] = {}
        self._files: dict[str, str] = {}
        # Those whose sources are being described.
        self._open: list[tuple[str, str, str | None]] = []

    def source(self, dataset: h5py.Dataset, member: str | None = None) -> DatasetSource:
        """Describe an open dataset, or a member of its compound type, as plain data.

        Raises
        ------
        InputError
            It holds no numbers, has no rows, needs a filter that is not installed, its file is cut
            short, its rows lie in files that may not be read, or it is a virtual dataset that maps
            to itself.
        """
        disposable.progress()
        key = (self._real(file_of(dataset)), path_of(dataset), member)
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
        """Return the file with links resolved, cached."""
        if file not in self._files:
            self._files[file] = os.path.realpath(file)
        return self._files[file]

    def _describe(
        self, dataset: h5py.Dataset, file: str, path: str, name: str | None
    ) -> DatasetSource:
        intent = h5i.get_file_id(dataset.id).get_intent()
        check_mode(dataset, intent)
        member, stored = (
            (None, numeric_dtype(dataset)) if name is None else find_member(dataset, name)
        )
        dcpl = dataset.id.get_create_plist()
        if dataset.file.swmr_mode:
            self._policy.grows(file)
        elsewhere = self._elsewhere(dataset, dcpl)
        parts, refusal = self._parts(dataset, dcpl, stored, name)
        shape = array_shape(dataset)
        pipeline = pipeline_of(dcpl)
        check_filters(dataset, pipeline)
        layout = layout_of(dataset, dcpl, stored, pipeline, refusal, intent, member)
        check_values(dataset, dcpl, layout)
        check_length(dataset, layout)
        chunks = dcpl.get_chunk() if dcpl.get_layout() == h5d.CHUNKED else None
        read_path, reason = choose_read_path(layout)
        if chunks and read_path in (PlainChunkReader.name, ChunkReader.name):
            check_index(dataset, ChunkGrid(shape, chunks))
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
            fill=Fill.of(dcpl, dataset.dtype)
            if member is None
            else member.fill(dcpl, dataset.dtype),
            read_path=read_path,
            reason=reason,
            offset=layout.offset,
            packing=packing_of(dataset) if member is None else None,
            parts=parts,
            member=member,
            seen=tuple(map(self._policy.meet, dict.fromkeys((file, *elsewhere)))),
        )

    def _elsewhere(self, dataset: h5py.Dataset, dcpl: h5p.PropDCID) -> tuple[str, ...]:
        """Return the other files that rows lie in, those of them that are there."""
        names = files_of(dcpl)
        if not names:
            return ()
        find = source_file if dcpl.get_layout() == h5d.VIRTUAL else storage_file
        here, what = file_of(dataset), where(dataset)
        found = [find(here, name, self._policy, what) for name in names]
        return tuple(os.path.realpath(file) for file in found if file is not None)

    def _parts(
        self,
        dataset: h5py.Dataset,
        dcpl: h5p.PropDCID,
        stored: np.dtype[Any],
        member: str | None,
    ) -> tuple[tuple[Part, ...], str]:
        """Return the parts of a virtual dataset, or why HDF5 must read it."""
        if dcpl.get_layout() != h5d.VIRTUAL:
            return (), ""
        describe = partial(self.source, member=member)
        return parts_of(dataset, stored.newbyteorder("="), self._policy, describe)
