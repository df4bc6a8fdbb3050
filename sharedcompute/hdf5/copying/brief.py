"""Small arrays of numbers described in brief: as far as HDF5 needs it to copy them itself.

What a job reads is described in full (`inspector.py`), which takes half a millisecond for
a dataset: its read path, its packing, where its chunks lie. A file may hold thousands of a few
numbers each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from h5py import h5d, h5s, h5t

from sharedcompute.hdf5.filters.available import available
from sharedcompute.hdf5.filters.pipeline import pipeline_of
from sharedcompute.hdf5.format.dtypes import FOREIGN, plain_dtype
from sharedcompute.hdf5.format.fill_value import ZEROS
from sharedcompute.hdf5.format.names import text
from sharedcompute.hdf5.reading.source import DatasetSource

_READ_BY_HDF5 = (h5d.CHUNKED, h5d.CONTIGUOUS, h5d.COMPACT)


class Briefer:
    """Describes small datasets of one file in brief.

    Parameters
    ----------
    file : str
        Its absolute path.
    nbytes : int
        Of a dataset, at most.
    """

    def __init__(self, file: str, nbytes: int) -> None:
        self._file = file
        self._nbytes = nbytes
        # A file has few types, and to compare one with NumPy's takes longer than all the rest.
        self._types: dict[bytes, np.dtype[Any] | None] = {}

    def source(self, dataset: h5d.DatasetID, path: bytes) -> DatasetSource | None:
        """Return a low-level dataset in brief; None if it is not small, or no plain numbers."""
        shape = _shape(dataset)
        kind = dataset.get_type()
        if not shape or math.prod(shape) * kind.get_size() > self._nbytes:
            return None
        dtype = self._dtype(kind)
        dcpl = dataset.get_create_plist()
        layout = dcpl.get_layout()
        if dtype is None or layout not in _READ_BY_HDF5 or dcpl.get_external_count():
            return None
        pipeline = pipeline_of(dcpl) if dcpl.get_nfilters() else ()
        if not all(step.portable and available(step.code) for step in pipeline):
            return None
        chunks = dcpl.get_chunk() if layout == h5d.CHUNKED else None
        return DatasetSource(
            file=self._file,
            path=text(path),
            shape=shape,
            dtype=dtype.newbyteorder("="),
            stored_dtype=dtype,
            chunks=chunks,
            maxshape=_limits(dataset) if chunks else shape,
            filters=pipeline,
            fill=ZEROS,
            read_path="h5py",
            reason="small",
            offset=None,
        )

    def _dtype(self, kind: h5t.TypeID) -> np.dtype[Any] | None:
        key = kind.encode()
        if key not in self._types:
            self._types[key] = plain_dtype(kind)
        return self._types[key]


def _shape(dataset: h5d.DatasetID) -> tuple[int, ...]:
    """Return the shape, empty for what is no array, or has no elements."""
    try:
        shape: tuple[int, ...] = dataset.shape
    except FOREIGN:
        return ()
    return shape if shape and all(shape) else ()


def _limits(dataset: h5d.DatasetID) -> tuple[int | None, ...]:
    most = dataset.get_space().get_simple_extent_dims(True)
    return tuple(None if side == h5s.UNLIMITED else side for side in most)
