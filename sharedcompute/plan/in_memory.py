"""Arrays in memory as sources and sinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.hdf5.format.chunks import box_at
from sharedcompute.operations.specs import Array, DType

RING_NBYTES = 8 << 20
"""Shared memory in which one worker's encoded chunks wait for the writer of the file."""


HELD_BYTES = 16 * 1024**2
"""Chunks that wait in the parent for their turn take this much; what comes then waits in a file."""


@dataclass(frozen=True)
class FileArray:
    """An array in a file, as plain data: where memory is too small for it."""

    file: str
    shape: tuple[int, ...]
    dtype: DType

    def open(self) -> Array:
        """Map it, to be read and written."""
        return np.memmap(self.file, self.dtype, "r+", shape=self.shape)


Buffer = Array | FileArray
"""Where rows may lie between passes."""


def opened(room: Buffer) -> Array:
    """Return the array in this process; a plain view, as numba is slow to type a subclass."""
    return (room.open() if isinstance(room, FileArray) else room).view(np.ndarray)


@dataclass(frozen=True)
class ArraySource:
    """Rows of an array in memory; in shared memory it travels as a handle."""

    array: Buffer
    read_path: str = "memory"
    reason: str = "an array in memory"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.array.shape

    @property
    def dtype(self) -> DType:
        """Of the array."""
        return self.array.dtype

    @property
    def row_alignment(self) -> int:
        """Any row will do."""
        return 1

    def scratch_nbytes(self, rows: int) -> int:
        """Return 0: rows are views."""
        return 0 * rows

    def open(self) -> ArrayReader:
        """Return a reader: there is nothing to open."""
        return ArrayReader(opened(self.array))


class ArrayReader:
    """A reader that returns views."""

    def __init__(self, array: Array) -> None:
        self._array = array.view()
        self._array.flags.writeable = False

    def read(self, start: int, stop: int) -> Array:
        """Return rows without a copy."""
        return self._array[start:stop]

    def read_box(self, corner: tuple[int, ...], out: Array) -> None:
        """Copy the box of the shape of `out` that begins at `corner`."""
        out[...] = self._array[box_at(corner, out.shape)]

    def stores(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Return True: any box may hold anything."""
        del corner, shape
        return True

    def close(self) -> None:
        """Do nothing: nothing is open."""


@dataclass(frozen=True)
class ArraySink:
    """Rows into an array in memory, in place.

    Parameters
    ----------
    array : SharedArray, ndarray or FileArray
    stored_dtype : numpy.dtype or None
        The dtype that the rows get in the file which they go to in the end.
    """

    array: Buffer
    stored_dtype: DType | None = None

    def open(self) -> ArrayWriter:
        """Return a writer: there is nothing to open."""
        return ArrayWriter(opened(self.array))


class ArrayWriter:
    """A writer that copies rows which could not be computed in place."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def write(self, start: int, rows: Array) -> tuple[()]:
        """Copy rows."""
        self.array[start : start + len(rows)] = rows
        return ()

    def close(self) -> None:
        """Do nothing: nothing is open."""
