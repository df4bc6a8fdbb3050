"""Arrays in memory as sources and sinks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sharedcompute.errors import InputError, ProgramError
from sharedcompute.hdf5.format.chunks import Sides, box_at
from sharedcompute.hdf5.window import Window
from sharedcompute.operations.specs import Array, DType
from sharedcompute.shm.shared_array import segment_of

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


@dataclass(frozen=True)
class Elsewhere:
    """Stands for an array that lies in another process: values for it have to travel there."""

    shape: tuple[int, ...]
    dtype: DType


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
        """Return what copies of rows take that do not lie in C order; views take nothing."""
        if isinstance(self.array, FileArray) or self.array[:rows].flags.c_contiguous:
            return 0
        return self.array[:rows].nbytes

    def open(self) -> ArrayReader:
        """Return a reader: there is nothing to open."""
        return ArrayReader(opened(self.array))


def windowed_array(source: ArraySource, window: Window) -> ArraySource:
    """Return a window of an array as a source: a view, which of shared memory travels as a handle.

    Raises
    ------
    InputError
        It has no axis left.
    """
    if not window.shape:
        raise InputError(
            f"expected a window with at least one axis, got the one number {window}; write N:N+1 "
            "for one of the indices"
        )
    array = source.array.open() if isinstance(source.array, FileArray) else source.array
    return replace(source, array=array[window.index])


class ArrayReader:
    """A reader that returns views; copies of rows that do not lie in C order."""

    def __init__(self, array: Array) -> None:
        self._array = array.view()
        self._array.flags.writeable = False
        self._buffer = np.empty(0, array.dtype)

    def read(self, start: int, stop: int) -> Array:
        """Return rows, without a copy where they lie in C order."""
        rows = self._array[start:stop]
        if rows.flags.c_contiguous:
            return rows
        if self._buffer.size < rows.size:
            self._buffer = np.empty(rows.size, rows.dtype)
        copied = self._buffer[: rows.size].reshape(rows.shape)
        np.copyto(copied, rows)
        copied.flags.writeable = False
        return copied

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
    """Rows into an array: in place, or collected for it.

    Parameters
    ----------
    array : SharedArray, ndarray, FileArray or Elsewhere
    stored_dtype : numpy.dtype or None
        The dtype that the rows get in the file which they go to in the end.
    """

    array: Buffer | Elsewhere
    stored_dtype: DType | None = None

    def open(self) -> ArrayWriter:
        """Return a writer for this thread."""
        return ArrayWriter(self.array)

    def detached(self) -> Self:
        """Return the same for a process that does not have the array. A file it has."""
        if isinstance(self.array, FileArray):
            return self
        return replace(self, array=Elsewhere(self.array.shape, self.array.dtype))

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels."""
        expect_reachable(self.array)
        return vars(self)


class ArrayWriter:
    """Gives the places that rows are written to: views of the array, or buffers of its own."""

    def __init__(self, target: Buffer | Elsewhere) -> None:
        self._array = None if isinstance(target, Elsewhere) else opened(target)
        self._shape, self._dtype = target.shape, target.dtype
        self._first = 0
        self._place = np.empty(0, self._dtype)

    def begin(self, box: Sides) -> Array:
        """Return the place for a box; all of the axes that are not named belong to it."""
        self._first = box[0].start if box else 0
        if self._array is not None:
            self._place = self._array[box]
        else:
            # Fresh memory: the values may still be on their way when the next box begins.
            sides = (side.stop - side.start for side in box)
            self._place = np.empty((*sides, *self._shape[len(box) :]), self._dtype)
        return self._place

    def place(self, start: int, stop: int) -> Array:
        """Return the place of some rows of the box."""
        return self._place[start - self._first : stop - self._first]

    def write(self, start: int, rows: Array) -> tuple[()]:
        """Copy rows that could not be computed in place."""
        self.place(start, start + len(rows))[...] = rows
        return ()

    def left(self) -> Array | None:
        """Return the values of the box, if they have to travel."""
        return None if self._array is not None else self._place

    def close(self) -> None:
        """Let go of nothing."""


def expect_reachable(array: Buffer | Elsewhere) -> None:
    """Refuse to send an array that is to be written to, and of which the receiver gets a copy.

    Raises
    ------
    ProgramError
        It is in private memory: all that is written to the copy would be lost, silently.
    """
    if isinstance(array, np.ndarray) and segment_of(array) is None:
        raise ProgramError(
            "expected an array in shared memory for workers to write to, got one in private "
            "memory, of which each would fill in a copy: send the work detached"
        )
