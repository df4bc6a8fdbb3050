"""The file that results go to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink, sink_like
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.options.groups import StorageOptions

GROWING_NBYTES = 1 << 16
"""Bytes of a chunk of a dataset whose number of rows is not known: few rows waste little then."""


@dataclass(frozen=True, kw_only=True)
class OutputSpec(StorageOptions):
    """The file that results go to, and how datasets are stored in it."""

    address: Address

    def growing(self, path: str, spec: ArraySpec) -> DatasetSink:
        """Describe a dataset that gets its number of rows at the end, and may get more."""
        rows = max(1, GROWING_NBYTES // max(1, spec.row_bytes))
        whole = sink_like(
            None,
            path,
            (rows, *spec.shape[1:]),
            spec.dtype,
            filter=self.filter,
            chunks=self.chunks or "auto",
            shuffle=self.shuffle,
        )
        return replace(whole, shape=spec.shape, maxshape=(None, *spec.shape[1:]))

    def sink(self, like: DatasetSource | None, path: str, spec: ArraySpec) -> DatasetSink:
        """Describe a dataset of the output, stored as asked, and for the rest as `like` is.

        A single number has neither chunks nor filters.
        """
        if not spec.shape:
            return sink_like(None, path, spec.shape, spec.dtype)
        return sink_like(
            like,
            path,
            spec.shape,
            spec.dtype,
            filter=self.filter,
            chunks=self.chunks,
            shuffle=self.shuffle,
        )
