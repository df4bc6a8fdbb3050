"""Where an output is until it is whole: a locked folder, a file begun as a copy, on to the disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import threading
from pathlib import Path
from typing import Any

from h5py import h5f, h5p

from sharedcompute.errors import InputError, OutputExists
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.safety.locks import lock, unlock
from sharedcompute.hdf5.safety.ownership import SAFE, is_own_folder, open_folder
from sharedcompute.system.shortage import full_disk_named

SUFFIX = ".resume"
"""Of the folder beside an output."""

LOCK = "lock"
"""The file in it that is locked."""

OWN = re.compile(r"(?:journal|output|waiting|states)-(\d+)(?:\.h5|-[-\d]+|-held-\d+)?")
"""The names of all other files in it, with the number of the run; the rest is somebody else's."""

MARK = "user.sharedcompute.job"
"""An attribute in the file system, as the bytes of a result are to be the same elsewhere."""

FICLONE = 0x40049409
"""Linux: let a file share all blocks of another one (btrfs, XFS), at no cost."""


class StateFolder:
    """The folder beside an output that holds all of a job until its end: ``out.h5.resume``.

    It is locked by the kernel, which drops the lock with the process: a dead job's folder is
    simply taken over. Nobody but this user may enter it, and one that is not so is refused.

    Parameters
    ----------
    final : Path
        The output.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        self.path = final.with_name(f"{final.name}{SUFFIX}")
        self._lock = self._folder = -1

    @property
    def locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock >= 0

    @property
    def nbytes(self) -> int:
        """What the outputs in it take on the disk."""
        outputs = self.path.glob("output-*.h5") if is_own_folder(self.path) else ()
        return sum(file.lstat().st_blocks * 512 for file in outputs)

    def take(self) -> None:
        """Make the folder if need be, and lock it.

        Another job may have removed the folder between our open and our lock; then what we hold is
        not what stands at the path, and we begin again.

        Raises
        ------
        OutputExists
            Another job holds it.
        InputError
            It cannot be made.
        """
        while self._lock < 0:
            made = self._make()
            try:
                folder = open_folder(self.path, made=made)
            except FileNotFoundError as error:
                if self.path.parent.is_dir():
                    continue
                raise self._unmade(error) from None
            try:
                fd = self._locked(folder)
            except BaseException:
                os.close(folder)
                raise
            if fd is None:
                os.close(folder)
            else:
                self._folder, self._lock = folder, fd

    def _make(self) -> bool:
        """Make the folder, if there is none."""
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._unmade(error) from None
        return True

    def _locked(self, folder: int) -> int | None:
        """The lock's file in an open folder, locked; None where it is gone meanwhile."""
        flags = os.O_RDWR | os.O_CREAT | SAFE
        try:
            fd = os.open(LOCK, flags, 0o600, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unmade(error) from None
        try:
            self._flock(fd)
            stands = _stands_at(fd, self.path / LOCK)
        except BaseException:
            os.close(fd)
            raise
        if stands:
            return fd
        os.close(fd)
        return None

    def check(self) -> None:
        """See whether another job holds it, without leaving anything.

        Raises
        ------
        OutputExists
            One does.
        InputError
            It is not this user's own.
        """
        try:
            folder = open_folder(self.path)
        except FileNotFoundError:
            return
        try:
            fd = os.open(LOCK, os.O_RDWR | SAFE, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unmade(error) from None
        finally:
            os.close(folder)
        try:
            self._flock(fd)
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Remove the folder, and drop the lock. The lock's file goes last, and while locked."""
        names = [name for name in os.listdir(self._folder) if OWN.fullmatch(name)]  # noqa: PTH208
        for name in (*names, LOCK):
            # A folder of that name is somebody's who has put it there.
            with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                os.unlink(name, dir_fd=self._folder)
        with contextlib.suppress(OSError):
            self.path.rmdir()  # unless the next job is in it already, or a user's own file
        self.release()

    def release(self) -> None:
        """Drop the lock, and leave the folder."""
        # A fork of this process, such as a worker, holds the descriptor too.
        unlock(self._lock)
        os.close(self._lock)
        os.close(self._folder)
        self._lock = self._folder = -1

    def _unmade(self, error: OSError) -> InputError:
        return InputError(
            f"expected to make {self.path}, got {error.strerror!r}; choose another folder"
        )

    def _flock(self, fd: int) -> None:
        try:
            lock(fd)
        except BlockingIOError:
            raise OutputExists(
                f"{self.final} is being written by another job; wait for it, or name another file"
            ) from None


def _stands_at(fd: int, path: Path) -> bool:
    mine = os.fstat(fd)
    with contextlib.suppress(FileNotFoundError):
        there = path.lstat()
        return (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev)
    return False


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
