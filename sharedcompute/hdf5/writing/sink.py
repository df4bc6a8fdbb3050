"""A dataset that rows go to, as plain data, and as the parent creates it in the output file."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import normal_path
from sharedcompute.hdf5.copying.creation_order import require_group
from sharedcompute.hdf5.filters.pipeline import Pipeline, apply, stored_filters
from sharedcompute.hdf5.filters.selection import (
    for_result,
    parse_filter,
    with_shuffle,
    without_chunks,
)
from sharedcompute.hdf5.format.chunking import auto_chunks, fit_chunks, parse_chunks
from sharedcompute.hdf5.format.fill_value import ZEROS, Fill
from sharedcompute.hdf5.format.names import is_taken, raw
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.chunked import ChunkTarget
from sharedcompute.hdf5.writing.output import OutputFile
from sharedcompute.hdf5.writing.row_writer import ContiguousTarget, EncodedChunk, RowTarget
from sharedcompute.system.shortage import full_disk_named
from sharedcompute.wording import option


@dataclass(frozen=True)
class DatasetSink:
    """A dataset to be created, as plain data: a plan prints it, a worker gets it. It pickles.

    Parameters
    ----------
    path : str
        The dataset's path in the output file.
    shape : tuple of int
        Empty for a single number.
    dtype : numpy.dtype
        Of the rows that are handed to a writer.
    chunks : tuple of int or None
        None stores contiguously. Cut to `shape` where the dataset cannot grow.
    filters : tuple of Filter
        Needs chunks.
    fill : Fill
    maxshape : tuple of (int or None) or None
        None for a dataset that cannot grow.
    stored_dtype : numpy.dtype or None
        The dtype in the file, byte order included; None for `dtype`.

    Raises
    ------
    InputError
        These do not go together.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None = None
    filters: Pipeline = ()
    fill: Fill = ZEROS
    maxshape: tuple[int | None, ...] | None = None
    stored_dtype: np.dtype[Any] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "path", normal_path(self.path))
        put(self, "dtype", np.dtype(self.dtype))
        put(self, "stored_dtype", np.dtype(self.stored_dtype or self.dtype))
        if self.chunks is None:
            if self.filters or (self.maxshape and self.maxshape != self.shape):
                what = "filters" if self.filters else "a dataset that can grow"
                raise InputError(
                    f"expected chunks for {what}, got contiguous; give {option('chunks', 'auto')}"
                )
            return
        put(self, "chunks", fit_chunks(self.chunks, self.shape, self.limits, self.dtype.itemsize))

    @property
    def limits(self) -> tuple[int | None, ...]:
        """The largest shape, None for sides without a limit."""
        return self.shape if self.maxshape is None else self.maxshape

    @property
    def row_alignment(self) -> int:
        """Strips given to a writer begin at a multiple of this and end at one, or at the end."""
        return self.chunks[0] if self.chunks else 1

    @property
    def nbytes(self) -> int:
        """Bytes of all rows before any filter."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def filter_names(self) -> tuple[str, ...]:
        """The filters for a person."""
        return tuple(step.name for step in self.filters)


def sink_like(
    source: DatasetSource | None,
    path: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    filter: str | None = None,
    chunks: str | None = None,
    shuffle: bool | None = None,
) -> DatasetSink:
    """Return the sink of a result, stored as its input is unless options say otherwise.

    A result with fewer dimensions than its input (a reduction) is contiguous by default: it is
    small, and chunks of its input mean nothing to it.

    Parameters
    ----------
    source : DatasetSource or None
        None where the input is no dataset: the result is then contiguous.
    filter, chunks, shuffle
        As ``--filter``, ``--chunks`` and ``--shuffle``; None takes over the input's.

    Raises
    ------
    InputError
        An option is wrong, or they exclude each other.
    """
    dtype = np.dtype(dtype)
    alike = source is not None and len(shape) == source.ndim
    pipeline = for_result(source.filters) if source and alike else ()
    if filter is not None:
        pipeline = parse_filter(filter, shuffle)
    elif shuffle is not None:
        pipeline = with_shuffle(pipeline, shuffle)
    sides = _sides(source, shape, dtype.itemsize, chunks)
    if sides is None and pipeline:
        if filter is not None and chunks is not None:
            raise without_chunks(filter)
        if chunks is not None:
            pipeline = ()
        elif shape:
            sides = auto_chunks(shape, dtype.itemsize)
    stored = dtype.newbyteorder("<")
    if source and dtype == source.dtype:
        stored = source.stored_dtype
    return DatasetSink(
        path=path,
        shape=shape,
        dtype=dtype,
        chunks=sides,
        filters=pipeline if sides else (),
        fill=_fill_for(source, dtype) if source and alike else ZEROS,
        # What could grow still can: a netCDF file would have an unlimited dimension without it.
        maxshape=source.maxshape if source and sides and shape == source.shape else None,
        stored_dtype=stored,
    )


def _sides(
    source: DatasetSource | None, shape: tuple[int, ...], itemsize: int, chunks: str | None
) -> tuple[int, ...] | None:
    """Return the chunks of a result; None for contiguous."""
    if not shape:
        return None
    if chunks is None:
        if source is None or source.chunks is None or len(shape) != source.ndim:
            return None
        return source.chunks
    asked = parse_chunks(chunks)
    if asked == "contiguous":
        return None
    return auto_chunks(shape, itemsize) if asked == "auto" else asked


def _fill_for(source: DatasetSource, dtype: np.dtype[Any]) -> Fill:
    """Return the input's fill value, if the result's dtype holds it exactly."""
    value = source.fill.value
    if value is None:
        return source.fill
    with np.errstate(all="ignore"):
        cast = np.asarray(value).astype(dtype)
    both = np.array([cast, value], dtype=np.result_type(cast, value))
    kept = both[0] == both[1] or np.isnan(both).all()
    return replace(source.fill, value=cast[()] if kept else None)


@dataclass(frozen=True)
class Created:
    """A dataset in the output file, open in the parent.

    Parameters
    ----------
    sink : DatasetSink
    dataset : h5py.Dataset
    target : RowTarget
        What workers get. It pickles.
    file : str
        The output file, for messages.
    """

    sink: DatasetSink
    dataset: h5py.Dataset
    target: RowTarget
    file: str

    def store(self, encoded: Iterable[EncodedChunk]) -> None:
        """Put what a worker encoded into the file."""
        write = self.dataset.id.write_direct_chunk
        with full_disk_named(self.file):
            for chunk in encoded:
                write(chunk.offset, chunk.data, chunk.mask)

    def write(self, values: NDArray[Any]) -> None:
        """Write the whole dataset here: for small results.

        Parameters
        ----------
        values : ndarray
            As the sink says; where it can grow, of any number of rows.
        """
        if values.shape != self.sink.shape and self.sink.maxshape is not None:
            self.dataset.resize(values.shape)
        if values.size:
            with full_disk_named(self.file):
                self.dataset[...] = values


def create(sink: DatasetSink, output: OutputFile, *, unwritten: bool = False) -> Created:
    """Make the dataset in the open output file, and groups above it.

    Contiguous data are allocated at once and not filled, so that workers can write them in place;
    each row of a result is written by a worker, and the file is marked complete at the end.

    Parameters
    ----------
    unwritten : bool
        It is never written, and takes no space.
    """
    with full_disk_named(str(output.file)):
        low = _create_plain(sink, output.h5, unwritten)
        if sink.chunks is None:
            # HDF5 sets the file's length only then, and workers write inside it.
            output.h5.flush()
    return created(sink, h5py.Dataset(low), output)


def created(sink: DatasetSink, dataset: h5py.Dataset, output: OutputFile) -> Created:
    """Return what it takes to fill a dataset of the open output, as `sink` describes it."""
    target: RowTarget
    assert sink.stored_dtype is not None
    if sink.chunks is None:
        stored = dataset.id.get_space_status() == h5d.SPACE_STATUS_ALLOCATED
        offset = dataset.id.get_offset() if stored else None
        target = ContiguousTarget(
            str(output.temporary), offset, sink.shape, sink.dtype, sink.stored_dtype
        )
    else:
        # As the file has them: a dataset may have been made with more than a sink knows of.
        dcpl = dataset.id.get_create_plist()
        target = ChunkTarget(
            sink.shape,
            sink.chunks,
            sink.dtype,
            sink.stored_dtype,
            sink.filters,
            Fill.of(dcpl, dataset.dtype),
            stored_filters(dcpl),
        )
    return Created(sink, dataset, target, str(output.file))


def _create_plain(sink: DatasetSink, file: h5py.File, unwritten: bool) -> h5d.DatasetID:
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_obj_track_times(False)
    dcpl.set_attr_creation_order(h5p.CRT_ORDER_TRACKED)
    fill = sink.fill
    if sink.chunks is None:
        dcpl.set_layout(h5d.CONTIGUOUS)
    else:
        dcpl.set_chunk(sink.chunks)
        apply(sink.filters, dcpl)
    if not sink.filters and not unwritten:
        # All space is allocated now, or it would follow the order in which workers end. Where
        # nothing can be added every element is written by a worker, and not filled before.
        dcpl.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        if sink.limits == sink.shape:
            fill = replace(fill, time=h5d.FILL_TIME_NEVER)
    fill.put(dcpl)
    if sink.shape:
        limits = tuple(h5s.UNLIMITED if side is None else side for side in sink.limits)
        space = h5s.create_simple(sink.shape, limits)
    else:
        space = h5s.create(h5s.SCALAR)
    above, _, name = sink.path.rpartition("/")
    group = require_group(file, above)
    if is_taken(group, name):
        raise InputError(
            f"expected another name than {sink.path} for a result, it is taken in the output; "
            "choose another path"
        )
    kind = h5t.py_create(sink.stored_dtype, logical=True)
    return h5d.create(group.id, raw(name), kind, space, dcpl)
