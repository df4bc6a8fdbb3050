"""The layout of an open dataset in its file, which decides on its read path."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5p

from sharedcompute.hdf5.filters.pipeline import Pipeline, skips_edges
from sharedcompute.hdf5.format.dtypes import is_plain
from sharedcompute.hdf5.format.members import Member
from sharedcompute.hdf5.reading.row_reader import Layout


def layout_of(
    dataset: h5py.Dataset,
    dcpl: h5p.PropDCID,
    stored: np.dtype[Any],
    pipeline: Pipeline,
    refusal: str,
    intent: int,
    member: Member | None = None,
) -> Layout:
    """Return the layout of an open dataset.

    Parameters
    ----------
    dcpl : h5py.h5p.PropDCID
        Its creation properties.
    stored : numpy.dtype
    pipeline : tuple of Filter
    refusal : str
        Why HDF5 must read a virtual dataset; empty where the parts are known.
    intent : int
        HDF5's flags that the file is open with.
    member : Member or None
        What is read of elements of a compound type.
    """
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
    element = stored.itemsize if member is None else member.record_nbytes
    return Layout(
        storage=storage,
        plain=is_plain(dataset, stored) if member is None else member.plain,
        native=stored.isnative,
        offset=_offset(dataset) if storage == "contiguous" else None,
        nbytes=math.prod(dataset.shape) * element,
        alignment=stored.alignment,
        filters=pipeline,
        together=member is None,
    )


def _offset(dataset: h5py.Dataset) -> int | None:
    """Return where the data of a contiguous dataset begin; None if none were ever written.

    `get_offset` alone is not enough: in a file with a user block it gives the block's size less 1
    for data that are not there (HDF5 2.0).
    """
    if dataset.id.get_space_status() == h5d.SPACE_STATUS_NOT_ALLOCATED:
        return None
    offset: int | None = dataset.id.get_offset()
    return offset
