"""The folder next to an output that holds all of a job until its end."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from sharedcompute.errors import InputError, OutputExists
from sharedcompute.hdf5.safety.locks import lock_file, unlock_file
from sharedcompute.hdf5.safety.ownership import SAFE, is_own_folder, open_folder

SUFFIX = ".resume"
"""Of the folder next to an output."""


LOCK = "lock"
"""The file in it that is locked."""


OWN = re.compile(r"(?:journal|output|waiting|states)-(\d+)(?:\.h5|-[-\d]+|-held-\d+)?")
"""The names of all other files in it, with the number of the run; all others are not ours."""


class StateFolder:
    """The folder next to an output that holds all of a job until its end: ``out.h5.resume``.

    It is locked by the kernel, which drops the lock with the process: a dead job's folder is
    simply taken over. Only this user may enter it, and a folder that others may enter is refused.

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
        """True if this object holds the lock."""
        return self._lock >= 0

    @property
    def nbytes(self) -> int:
        """Bytes of the outputs in it on the disk."""
        outputs = self.path.glob("output-*.h5") if is_own_folder(self.path) else ()
        return sum(file.lstat().st_blocks * 512 for file in outputs)

    def take(self) -> None:
        """Make the folder if need be, and lock it.

        Another job may have removed the folder between our open and our lock: the locked file is
        not the one at the path then, and all begins again.

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
        """Return the lock's file in an open folder, locked; None where it is gone meanwhile."""
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
            # A folder of that name was put there by a user.
            with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                os.unlink(name, dir_fd=self._folder)
        with contextlib.suppress(OSError):
            self.path.rmdir()  # unless the next job is in it already, or a user's own file
        self.release()

    def release(self) -> None:
        """Drop the lock, and leave the folder."""
        # A fork of this process, such as a worker, holds the descriptor too.
        unlock_file(self._lock)
        os.close(self._lock)
        os.close(self._folder)
        self._lock = self._folder = -1

    def _unmade(self, error: OSError) -> InputError:
        return InputError(
            f"expected to make {self.path}, got {error.strerror!r}; choose another folder"
        )

    def _flock(self, fd: int) -> None:
        try:
            lock_file(fd)
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
