"""The file that results go to."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink, sink_like
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.options.groups import StorageOptions


@dataclass(frozen=True, kw_only=True)
class OutputSpec(StorageOptions):
    """The file that results go to, and how datasets are stored in it."""

    address: Address

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
