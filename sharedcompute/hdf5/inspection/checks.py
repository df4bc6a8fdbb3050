"""Datasets that cannot be used, refused with an error that says why."""

from __future__ import annotations

import math
import os

import h5py
from h5py import h5d, h5f, h5p

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.available import available
from sharedcompute.hdf5.filters.pipeline import Pipeline
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.format.names import file_of, path_of, where
from sharedcompute.hdf5.reading.row_reader import Layout

LOOKED_UP = 100_000
"""Chunks that are looked up where a file is only inspected."""


def check_mode(dataset: h5py.Dataset, intent: int) -> None:
    """Refuse a file that this process is writing: its newest rows may not be in the file yet.

    HDF5 lets one process open a file again for reading and gives it the first one's mode.
    """
    if intent & (h5f.ACC_RDWR | h5f.ACC_SWMR_WRITE):
        raise InputError(
            f"expected {file_of(dataset)} open for reading, it is open for writing in this "
            "program; close it, or open it with mode 'r'"
        )


def array_shape(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return the shape of a dataset; refuse one that is no array."""
    shape = dataset.shape
    if shape:
        return tuple(shape)
    what = "an empty dataspace" if shape is None else "a single number"
    raise InputError(
        f"expected an array at {where(dataset)}, found {what}; "
        "choose a dataset with at least one dimension"
    )


def check_filters(dataset: h5py.Dataset, pipeline: Pipeline) -> None:
    """Refuse a dataset with a filter that is not installed."""
    for step in pipeline:
        if not available(step.code):
            raise InputError(
                f"expected filter {step.name} (number {step.code}) for {where(dataset)}, and it is "
                "not installed; install its plug-in and set HDF5_PLUGIN_PATH to its folder"
            )


def check_values(dataset: h5py.Dataset, dcpl: h5p.PropDCID, layout: Layout) -> None:
    """Refuse a dataset that HDF5 itself cannot give numbers for, as it has none."""
    if layout.storage != "contiguous" or layout.offset is not None or not layout.nbytes:
        return
    if dcpl.fill_value_defined() == h5d.FILL_VALUE_UNDEFINED:
        raise InputError(
            f"expected numbers at {where(dataset)}, found nothing: no value was ever written, and "
            "its fill value is undefined; choose another dataset"
        )


def check_length(dataset: h5py.Dataset, layout: Layout) -> None:
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


def check_index(dataset: h5py.Dataset, grid: ChunkGrid) -> None:
    """Refuse a dataset whose chunks HDF5 cannot find. Workers would crash on it, or this process.

    It takes 1 us for each chunk; where there may be very many, only a reader does that.
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
