"""An output until it is whole: begun as a copy, written behind, marked, synced to the disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from pathlib import Path

from sharedcompute.errors import OutputExists
from sharedcompute.hdf5.safety.locks import lock_file
from sharedcompute.system.shortage import full_disk_named

MARK = "user.sharedcompute.job"
"""An attribute in the file system, as the bytes of a result are to be the same elsewhere."""

FICLONE = 0x40049409
"""Linux: let a file share all blocks of another one (btrfs, XFS), at no cost."""


def copy_into(existing: Path, fd: int, temporary: Path) -> None:
    """Fill `temporary`, open as `fd`, with a copy; blocks are shared where the disk can do that.

    Raises
    ------
    OutputExists
        A program has `existing` open for writing.
    MemoryBudgetError
        The disk is full.
    """
    with existing.open("rb") as source:
        try:
            # HDF5 locks a file like this while it writes it.
            lock_file(source.fileno(), shared=True)
        except BlockingIOError:
            raise OutputExists(
                f"{existing} is open in another program; close it there first"
            ) from None
        try:
            fcntl.ioctl(fd, FICLONE, source.fileno())
        except OSError:
            with full_disk_named(str(temporary)):
                shutil.copyfile(existing, temporary)


FLUSH_SECONDS = 0.1
"""Time between two syncs."""


class WriteBehind:
    """Syncs a file to the disk while it is written, so that little is left for its end.

    Parameters
    ----------
    fd : int
        The open file; the caller closes it, after `stop`.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._over = threading.Event()
        self._problem: OSError | None = None
        self._thread = threading.Thread(target=self._flush, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait for what is being written.

        Raises
        ------
        OSError
            Something was not written to the disk. The kernel reports that once for each open file:
            a second fsync succeeds.
        """
        self._over.set()
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def _flush(self) -> None:
        while not self._over.wait(FLUSH_SECONDS):
            try:
                os.fdatasync(self._fd)
            except OSError as problem:
                self._problem = problem
                return


def set_mark(fd: int, job: str) -> None:
    """Mark a file that is complete with the job that made it, where the file system can."""
    status = os.fstat(fd)
    text = f"{job} {status.st_size} {status.st_mtime_ns}"
    with contextlib.suppress(OSError, AttributeError):
        os.setxattr(fd, MARK, text.encode())


def mark_of(file: Path) -> str | None:
    """Return the job that made a file; None if unknown, or if it was changed since."""
    try:
        job, *state = os.getxattr(file, MARK).decode().split()
        status = file.stat()
    except (OSError, AttributeError, ValueError):
        return None
    same = state == [str(status.st_size), str(status.st_mtime_ns)]
    return job if same else None


def sync_folder(folder: Path) -> None:
    """Sync the names in `folder` to the disk, a rename among them."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
