"""Sources whose rows are groups of rows of another one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sharedcompute.graph.ports import Reader, Source
from sharedcompute.operations.specs import Array, DType


@dataclass(frozen=True)
class Grouped:
    """Rows of a source in groups: row 0 is the first `size` of them.

    Parameters
    ----------
    source : Source
        Has a multiple of `size` rows.
    size : int
    """

    source: Source
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array, with an axis for the rows of a group."""
        n, *row = self.source.shape
        return (n // self.size, self.size, *row)

    @property
    def dtype(self) -> DType:
        """Of the source."""
        return self.source.dtype

    @property
    def row_alignment(self) -> int:
        """Groups that whole chunks of the source have."""
        rows = self.source.row_alignment
        return rows // math.gcd(rows, self.size)

    @property
    def read_path(self) -> str:
        """How rows are read."""
        return self.source.read_path

    @property
    def reason(self) -> str:
        """Why they are read so, for a person."""
        return self.source.reason

    def scratch_nbytes(self, rows: int) -> int:
        """Return the private memory that a reader takes for so many groups."""
        return self.source.scratch_nbytes(rows * self.size)

    def open(self) -> GroupedReader:
        """Open the source in this process."""
        return GroupedReader(self.source.open(), self.size)


class GroupedReader:
    """A reader of groups of rows."""

    def __init__(self, reader: Reader, size: int) -> None:
        self._reader = reader
        self._size = size

    def read(self, start: int, stop: int) -> Array:
        """Return groups, read-only and C-contiguous, valid until the next read."""
        rows = self._reader.read(start * self._size, stop * self._size)
        return rows.reshape(stop - start, self._size, *rows.shape[1:])

    def read_box(self, corner: tuple[int, ...], out: Array) -> None:
        """Fill `out` with the box of its shape that begins at `corner`."""
        first, inside, *rest = corner
        for number, group in enumerate(out, start=first):
            self._reader.read_box((number * self._size + inside, *rest), group)

    def stores(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Return True: any box may hold anything."""
        del corner, shape
        return True

    def close(self) -> None:
        """Close files."""
        self._reader.close()


def plain(source: Source) -> Source:
    """Return what the rows of a source are read from."""
    return source.source if isinstance(source, Grouped) else source
