"""Locks of files, where the file system has any.

Lustre without the option, NFS without its daemon and some FUSE file systems have none. Then jobs do
without: what locks promise is not promised there, and a warning says so.
"""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import re
import warnings

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})
"""Errors by which a file system reports that it has no locks."""

VARIABLE = "HDF5_USE_FILE_LOCKING"


class Unlocked(UserWarning):
    """The file system has no locks."""


def lock_file(fd: int, *, shared: bool = False) -> None:
    """Lock an open file, or do without where there are no locks.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    """
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        warn_unlocked()


def unlock_file(fd: int) -> None:
    """Drop a lock, if there is one."""
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def lacks_locks(text: str) -> bool:
    """Return whether HDF5 says that it could not lock a file as there are no locks."""
    found = re.search(r"lock file, errno = (\d+)", text)
    return found is not None and int(found[1]) in NO_LOCKS


def warn_unlocked() -> None:
    """Warn, in the process that the user has begun: its workers open what it has opened."""
    if multiprocessing.parent_process() is None:
        warnings.warn(
            "the file system has no locks (flock): two jobs that write one output, and a program "
            "that writes a file which is read here, are not noticed; see to it that there are none",
            Unlocked,
            stacklevel=1,  # always this line: Python warns once
        )
