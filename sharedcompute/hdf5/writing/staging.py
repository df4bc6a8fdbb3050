"""Where an output is until it is whole: a locked folder, a file begun as a copy, on to the disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from pathlib import Path
from typing import Any

from h5py import h5f, h5p

from sharedcompute.errors import OutputExists
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.safety.locks import lock
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
            lock(source.fileno(), shared=True)
        except BlockingIOError:
            raise OutputExists(
                f"{existing} is open in another program; close it there first"
            ) from None
        try:
            fcntl.ioctl(fd, FICLONE, source.fileno())
        except OSError:
            with full_disk_named(str(temporary)):
                shutil.copyfile(existing, temporary)


def make_like(temporary: Path, like: str) -> None:
    """Make `temporary` an empty HDF5 file with the properties and the user block of file `like`.

    Raises
    ------
    MemoryBudgetError
        The disk is full.
    """
    with open_file(like) as source:
        fcpl = source.id.get_create_plist()
        # Those of the root group are in the file's list only when it is made.
        root = source["/"].id.get_create_plist()
    fcpl.set_link_creation_order(root.get_link_creation_order())
    fcpl.set_attr_creation_order(root.get_attr_creation_order())
    fcpl.set_attr_phase_change(*root.get_attr_phase_change())
    fcpl.set_obj_track_times(False)
    with full_disk_named(str(temporary)):
        create_file(temporary, fcpl)
        with Path(like).open("rb") as old, temporary.open("r+b") as new:
            new.write(old.read(fcpl.get_userblock()))


def create_file(file: Path, fcpl: Any) -> None:
    """Make `file` an empty HDF5 file with creation properties `fcpl`, in HDF5 1.8's format."""
    fapl = h5p.create(h5p.FILE_ACCESS)
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    fapl.set_file_locking(False, False)
    h5f.create(os.fsencode(file), h5f.ACC_TRUNC, fcpl, fapl).close()


FLUSH_SECONDS = 0.1
"""How long bytes lie in memory before they are on their way to the disk."""


class WriteBehind:
    """Brings a file to the disk while it is written, so that little is left for its end.

    Parameters
    ----------
    fd : int
        The open file; whoever gives it closes it, after `stop`.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._over = threading.Event()
        self._problem: OSError | None = None
        self._thread = threading.Thread(target=self._flush, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait for what is on its way.

        Raises
        ------
        OSError
            Something did not get to the disk. The kernel says so once for each open file: whoever
            asks again is told that all is well.
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
    """The job that made a file; None where nobody knows, or it was changed since."""
    try:
        job, *state = os.getxattr(file, MARK).decode().split()
        status = file.stat()
    except (OSError, AttributeError, ValueError):
        return None
    same = state == [str(status.st_size), str(status.st_mtime_ns)]
    return job if same else None


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk, a rename among them."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
