"""The file of an output until it is in its place: open for writing, synced, marked."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import h5py

from sharedcompute.hdf5.safety.ownership import create_own, open_own
from sharedcompute.hdf5.writing.new_file import make_like, open_written
from sharedcompute.hdf5.writing.staging import WriteBehind, copy_into, set_mark
from sharedcompute.system import faults
from sharedcompute.system.shortage import full_disk_named


class TemporaryFile:
    """A file that is written next to the place of the output.

    Parameters
    ----------
    path : Path
    final : Path
        The output: a private one stays private, and a full disk is reported with its name.
    """

    def __init__(self, path: Path, final: Path) -> None:
        self.path = path
        self._final = final
        self._fd = -1
        self._behind: WriteBehind | None = None
        self._h5: h5py.File | None = None

    @property
    def h5(self) -> h5py.File:
        """The file, open for writing."""
        if self._h5 is None:
            raise ValueError("expected an open output, got a closed one; call open() first")
        return self._h5

    def create(self, *, keeps: bool, like: str | None) -> None:
        """Create the file and open it.

        Parameters
        ----------
        keeps : bool
            It begins as a copy of the existing output.
        like : str or None
            It takes over the properties of that file.
        """
        # Its permissions are those of any new file, once it is in its place.
        self._fd = create_own(self.path, mode=0o666)
        if self._final.exists():
            # A private file stays private.
            os.fchmod(self._fd, stat.S_IMODE(self._final.stat().st_mode))
        if keeps:
            copy_into(self._final, self._fd, self.path)
        if like is not None:
            make_like(self.path, like)
        with full_disk_named(str(self._final)):
            self._h5 = open_written(self.path, new=not keeps and like is None)

    def reopen(self) -> None:
        """Open a file that another run has left, as it was settled."""
        self._fd = open_own(self.path, os.O_RDWR)
        self._h5 = open_written(self.path)

    def write_behind(self) -> None:
        """Begin to sync what is written to the disk."""
        self._behind = WriteBehind(self._fd)

    @contextlib.contextmanager
    def lent(self) -> Iterator[Path]:
        """Close the file meanwhile, so that another process can open it by `open_written`."""
        with full_disk_named(str(self._final)):
            self.h5.close()
        yield self.path
        self._h5 = open_written(self.path)

    def finish(self, job: str) -> None:
        """Close the file through HDF5, mark it with `job` and sync it to the disk."""
        self.h5.close()
        self._stop_flushing()
        set_mark(self._fd, job)
        faults.point("output.fsync")
        os.fsync(self._fd)

    def close(self) -> None:
        """Close whatever is open. Harmless when done twice."""
        if self._h5 is not None:
            # A full disk fails the close as well; the file goes anyway.
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                self._h5.close()
            self._h5 = None
        with contextlib.suppress(OSError):
            self._stop_flushing()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _stop_flushing(self) -> None:
        behind, self._behind = self._behind, None
        if behind is not None:
            behind.stop()
