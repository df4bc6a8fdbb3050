"""Where rows come from and where they go: the protocols that passes are written against.

A source or a sink is plain data that any process can open; the reader or writer that `open` gives
belongs to that process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.operations.specs import Array, DType


class Reader(Protocol):
    """An open source."""

    def read(self, start: int, stop: int) -> Array:
        """Return rows, read-only and C-contiguous, valid until the next read."""

    def read_box(self, corner: tuple[int, ...], out: Array) -> None:
        """Fill `out` with the box of its shape that begins at `corner`."""

    def stores(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Return whether a box may hold anything but fill values."""

    def close(self) -> None:
        """Close files."""


class Source(Protocol):
    """Rows in."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""

    @property
    def dtype(self) -> DType:
        """Native byte order."""

    @property
    def row_alignment(self) -> int:
        """Rows that are stored together."""

    @property
    def read_path(self) -> str:
        """How rows are read: ``mmap``, ``h5py``, ``memory``."""

    @property
    def reason(self) -> str:
        """Why they are read so, for a person."""

    def scratch_nbytes(self, rows: int) -> int:
        """Return the private memory that a reader takes for `rows` rows."""

    def open(self) -> Reader:
        """Open it in this process."""


class Writer(Protocol):
    """An open sink."""

    def write(self, start: int, rows: Array) -> Sequence[EncodedChunk]:
        """Take rows from row `start` on; what is returned is for the one writer of the file."""

    def close(self) -> None:
        """Close files."""


class Sink(Protocol):
    """Rows out."""

    def open(self) -> Writer:
        """Open it in this process."""
