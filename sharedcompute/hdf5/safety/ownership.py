"""Ownership: no other user's files and folders are opened, changed or removed.

A name in a folder where others may write can be a link to a file of the user's, a pipe without a
writer, or a folder that another user has filled.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import IO

from sharedcompute.errors import InputError

SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Of each opening: no link is followed, and no pipe waited for."""

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def open_folder(path: Path, *, made: bool = False) -> int:
    """Open a folder of this user's in which no other user may write.

    Parameters
    ----------
    made : bool
        This process has just made it: whatever owner the file system gives it.

    Raises
    ------
    FileNotFoundError
        There is nothing.
    InputError
        It belongs to another user, or is no folder.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | SAFE)
    except FileNotFoundError:
        raise
    except OSError as error:
        link = "a link" if path.is_symlink() else f"{error.strerror!r}"
        raise _foreign(path, link) from None
    found = os.fstat(fd)
    why = ""
    if not made and found.st_uid != os.geteuid():
        why = f"one of user {found.st_uid}"
    elif not made and found.st_mode & OTHERS_WRITE:
        why = f"one that others may write to (mode {stat.S_IMODE(found.st_mode):o})"
    if why:
        os.close(fd)
        raise _foreign(path, why)
    return fd


def is_own_folder(path: Path) -> bool:
    """Return whether there is a folder that `open_folder` opens."""
    try:
        os.close(open_folder(path))
    except (OSError, InputError):
        return False
    return True


def is_own(path: Path) -> bool:
    """Return whether there is a plain file of this user's, with no other name."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return _is_plain(found)


def create_own(path: Path, flags: int = os.O_RDWR, mode: int = 0o600) -> int:
    """Create a file that was not there, in place of whatever was.

    Raises
    ------
    InputError
        A folder is in the way.
    """
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):
        # What unlink says of a folder differs from system to system.
        raise _in_the_way(path) from None
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | SAFE, mode)


def open_own(path: Path, flags: int) -> int:
    """Open a file of this user's; a new one, where there is none or something else.

    Raises
    ------
    InputError
        A folder is in the way.
    """
    with contextlib.suppress(OSError):
        fd = os.open(path, flags | SAFE)
        if _is_plain(os.fstat(fd)):
            return fd
        os.close(fd)
    return create_own(path, flags)


def open_to_read(path: Path) -> IO[bytes] | None:
    """Return a file of this user's; None where there is none, or something else."""
    try:
        fd = os.open(path, os.O_RDONLY | SAFE)
    except OSError:
        return None
    if not _is_plain(os.fstat(fd)):
        os.close(fd)
        return None
    return os.fdopen(fd, "rb")


def _is_plain(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1


def _in_the_way(path: Path) -> InputError:
    return InputError(
        f"expected room for a file of this job at {path}, found something that is none of it; "
        "remove that"
    )


def _foreign(path: Path, found: str) -> InputError:
    return InputError(
        f"expected {path} to be a folder of your own that nobody else can write to, found {found}; "
        "remove it, or name another output"
    )
