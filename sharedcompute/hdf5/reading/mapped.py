"""Rows of contiguous datasets: the file is mapped into memory."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.format.chunks import elements_at
from sharedcompute.hdf5.reading.row_reader import (
    Layout,
    ReadAhead,
    RowBuffer,
    StoredReader,
    read_only,
)
from sharedcompute.hdf5.reading.stored import Stored, stored_element
from sharedcompute.hdf5.window import Steps


def _map_refusal(layout: Layout) -> str:
    """Return why the data cannot be mapped as they lie; empty where they can."""
    if layout.storage != "contiguous":
        return layout.storage
    if not layout.plain:
        return "its stored type needs conversion"
    if layout.nbytes == 0:
        return "empty"
    return "never written" if layout.offset is None else ""


class MmapReader(StoredReader):
    """Rows of a contiguous dataset as views of the file's pages: no copy, no HDF5."""

    name = "mmap"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Accept contiguous data that can be used where they lie: native, allocated, aligned."""
        refusal = _map_refusal(layout)
        if refusal or layout.offset is None:
            return False, refusal
        if not layout.together:
            return False, "a member of a compound"
        if not layout.native:
            return False, "big-endian" if np.little_endian else "little-endian"
        # numba compiles a second, slower kernel for arrays that are not aligned.
        if layout.offset % layout.alignment:
            return False, f"its offset {layout.offset} is not aligned"
        return True, "contiguous and in native byte order"

    def __init__(self, source: Stored) -> None:
        assert source.offset is not None
        first = source.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        skipped = source.offset - first
        self._file = Path(source.file).open("rb")  # noqa: SIM115 - see close
        count = math.prod(source.shape)
        pages = mmap.mmap(
            self._file.fileno(),
            skipped + count * source.element_nbytes,
            access=mmap.ACCESS_READ,
            offset=first,
        )
        self._ahead = ReadAhead(self._file.fileno())
        self._offset = source.offset
        self._row_nbytes = count // source.shape[0] * source.element_nbytes
        rows: NDArray[Any] = np.ndarray(
            source.shape, stored_element(source), buffer=pages, offset=skipped
        )
        self._rows: NDArray[Any] | None = rows if source.member is None else rows["member"]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)`` as a view of the file."""
        if self._rows is None:
            raise ValueError("expected an open reader, got a closed one; open the source again")
        self._ahead.after(self._offset + stop * self._row_nbytes)
        return self._rows[start:stop]

    def read_box(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` with no other elements read than its own."""
        if self._rows is None:
            raise ValueError("expected an open reader, got a closed one; open the source again")
        index = elements_at(corner, out.shape, steps)
        self._ahead.after(self._offset + index[0].stop * self._row_nbytes)
        np.copyto(out, self._rows[index])

    def view(self, index: tuple[int | slice, ...]) -> NDArray[Any] | None:
        """Return a part of the file."""
        return None if self._rows is None else self._rows[index]

    def close(self) -> None:
        """Drop the map; views that are still held keep their pages."""
        self._rows = None
        self._file.close()


class CopyReader(MmapReader):
    """Rows of contiguous data that only need their bytes swapped or aligned: one copy, no HDF5."""

    name = "mmap-copy"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Accept contiguous, allocated data of a type that NumPy can convert by itself."""
        refusal = _map_refusal(layout)
        return not refusal, refusal

    def __init__(self, source: Stored) -> None:
        super().__init__(source)
        self._scratch = RowBuffer(source)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)``, converted into this reader's buffer."""
        stored = super().read(start, stop)
        rows = self._scratch.rows(len(stored))
        np.copyto(rows, stored)
        return read_only(rows)

    def view(self, index: tuple[int | slice, ...]) -> NDArray[Any] | None:
        """Return None: what lies in the file has to be converted."""
        del index
        return None

    def close(self) -> None:
        """Drop the map and the buffer."""
        super().close()
        self._scratch.drop()
