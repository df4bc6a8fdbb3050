"""A dataset that rows come from: its plain description, and readers of it."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.hdf5.reading.read_paths import open_for, open_reader
from sharedcompute.hdf5.reading.row_reader import Reader
from sharedcompute.hdf5.reading.stored import Stored


@dataclass(frozen=True)
class DatasetSource(Stored):
    """One numeric dataset of a file: what a plan reads and a worker opens. It pickles."""

    def open(self) -> Reader:
        """Open a reader of the rows, for this process.

        Raises
        ------
        InputChanged
            A file is not what it was when this description was made.
        """
        return open_reader(self)

    def open_for(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> Reader:
        """Open a reader for this process, to read one box, once.

        Raises
        ------
        InputChanged
            As `open`.
        """
        return open_for(self, corner, shape)
