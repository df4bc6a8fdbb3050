"""Arrays in memory as sources and sinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.operations.base import Array, DType


@dataclass(frozen=True)
class ArraySource:
    """Rows of an array in memory; in shared memory it travels as a handle."""

    array: Array
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
        """Rows are views."""
        return 0 * rows

    def open(self) -> ArrayReader:
        """Nothing to open."""
        return ArrayReader(self.array)


class ArrayReader:
    """Gives views."""

    def __init__(self, array: Array) -> None:
        # A plain view: numba's look at a subclass is slow, and inputs are read-only.
        self._array = array.view(np.ndarray)
        self._array.flags.writeable = False

    def read(self, start: int, stop: int) -> Array:
        """Rows without a copy."""
        return self._array[start:stop]

    def read_box(self, corner: tuple[int, ...], out: Array) -> None:
        """Copy the box of the shape of `out` that begins at `corner`."""
        box = zip(corner, out.shape, strict=True)
        out[...] = self._array[tuple(slice(at, at + side) for at, side in box)]

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class ArraySink:
    """Rows into an array in memory, in place."""

    array: Array

    row_alignment: int = 1

    def open(self) -> ArrayWriter:
        """Nothing to open."""
        return ArrayWriter(self.array.view(np.ndarray))


class ArrayWriter:
    """Copies rows that could not be computed in place."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def write(self, start: int, rows: Array) -> tuple[()]:
        """Keep rows."""
        self.array[start : start + len(rows)] = rows
        return ()

    def close(self) -> None:
        """Nothing to close."""
