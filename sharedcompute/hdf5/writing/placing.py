"""Putting a file at a path where there is to be none, never over one that has appeared there."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

AT_FDCWD = -100
RENAME_NOREPLACE = 1

LACKING = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}
)
"""Errors by which a kernel or a file system reports that it cannot do that."""


def place_new(temporary: Path, file: Path) -> None:
    """Rename `temporary` to `file`, if there is nothing.

    By the kernel, where it and the file system can; else by a second name, which is refused where
    there is one; and where neither can be had, after a look: a file that appears in the
    microseconds between is lost then.

    Raises
    ------
    FileExistsError
        Something is there.
    """
    for way in (_rename, _link):
        try:
            way(temporary, file)
        except OSError as error:
            if error.errno not in LACKING:
                raise
        else:
            return
    if os.path.lexists(file):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file))
    temporary.replace(file)


def _rename(temporary: Path, file: Path) -> None:
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    old, new = os.fsencode(temporary), os.fsencode(file)
    if rename(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(file))


def _link(temporary: Path, file: Path) -> None:
    os.link(temporary, file)
    temporary.unlink()
