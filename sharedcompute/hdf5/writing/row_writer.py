"""Writers of rows into the output file.

A target is plain data that the parent hands to its workers; each opens a writer from it and gives
it strips of rows. What a writer returns goes back to the parent, which is the only one that writes
through the HDF5 library.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sharedcompute.system import faults
from sharedcompute.system.shortage import full_disk_named


class EncodedChunk(NamedTuple):
    """One chunk as it will lie in the file.

    Parameters
    ----------
    offset : tuple of int
        The position of its first element in the dataset.
    mask : int
        Which filters were left out, one bit each.
    data : bytes or memoryview
        In the parent a view of shared memory, valid until the chunk is stored.
    crc : int or None
        CRC-32 of the data, where the encoder has computed it.
    """

    offset: tuple[int, ...]
    mask: int
    data: bytes | memoryview
    crc: int | None = None


class RowWriter(ABC):
    """Takes strips of rows in one process."""

    @abstractmethod
    def write(self, start: int, rows: NDArray[Any]) -> list[EncodedChunk]:
        """Take the rows from `start` on; what is returned is for the parent to store."""

    @abstractmethod
    def write_box(self, corner: tuple[int, ...], values: NDArray[Any]) -> list[EncodedChunk]:
        """Take a box of whole chunks, or of whole rows where there are no chunks."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open. Harmless when done twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RowTarget(ABC):
    """Where rows go, as plain data."""

    @abstractmethod
    def open(self) -> RowWriter:
        """Open a writer for this process."""


@dataclass(frozen=True)
class ContiguousTarget(RowTarget):
    """Rows of a contiguous dataset, written in place by the worker that has them.

    Parameters
    ----------
    file : str
        The temporary output file.
    offset : int or None
        Where row 0 begins, in bytes from the start of the file; None where there are no elements.
    shape : tuple of int
    dtype, stored_dtype : numpy.dtype
        Of the rows given, and in the file.
    """

    file: str
    offset: int | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored_dtype: np.dtype[Any]

    def open(self) -> ContiguousWriter:
        """Open a writer for this process."""
        return ContiguousWriter(self)


class ContiguousWriter(RowWriter):
    """Writes rows at their place in the file with `os.pwrite`."""

    def __init__(self, target: ContiguousTarget) -> None:
        self._target = target
        self._row_nbytes = math.prod(target.shape[1:]) * target.stored_dtype.itemsize
        self._fd = -1 if target.offset is None else os.open(target.file, os.O_WRONLY | os.O_CLOEXEC)

    def write(self, start: int, rows: NDArray[Any]) -> list[EncodedChunk]:
        """Write `rows` in place; nothing is left for the parent to do."""
        target = self._target
        if rows.size and target.offset is not None:
            data = np.ascontiguousarray(rows, dtype=target.stored_dtype)
            place = target.offset + start * self._row_nbytes
            write_all(self._fd, data.reshape(-1).view(np.uint8).data, place, target.file)
        return []

    def write_box(self, corner: tuple[int, ...], values: NDArray[Any]) -> list[EncodedChunk]:
        """Write a box of whole rows in place."""
        return self.write(corner[0], values)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def write_all(fd: int, data: memoryview, place: int, file: str) -> None:
    """Write all of `data` at byte `place`; one call may write less than it was given.

    Raises
    ------
    MemoryBudgetError
        The disk or the quota is full.
    """
    while data:
        with full_disk_named(file):
            faults.point("rows.write")
            written = os.pwrite(fd, data, place)
        data = data[written:]
        place += written
