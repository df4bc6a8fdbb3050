"""Opening of input files, with an error for each way in which it fails."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Any

import h5py

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.available import prefer_hdf5plugin
from sharedcompute.hdf5.safety.locks import VARIABLE, lacks_locks, warn_unlocked
from sharedcompute.validation.names import nearest


def check_file(file: str) -> str:
    """Return the absolute path of `file`, links resolved.

    Raises
    ------
    InputError
        It is missing, no regular file, not readable, or not HDF5.
    """
    try:
        mode = Path(file).stat().st_mode
    except OSError as error:
        raise InputError(_not_there(file, error)) from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise InputError(f"expected an HDF5 file at {file}, found {kind}; name a file")
    try:
        with Path(file).open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        raise InputError(_not_there(file, error)) from None
    if not h5py.is_hdf5(file):
        if magic[:3] == b"CDF":
            raise InputError(
                f"expected an HDF5 file, {file} is classic NetCDF; "
                f"convert it with: nccopy -k netCDF-4 {file} new.nc"
            )
        what = "is empty" if not magic else "is not HDF5"
        raise InputError(f"expected an HDF5 file, {file} {what}; name an HDF5 or NetCDF-4 file")
    return os.path.realpath(file)


def _not_there(file: str, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"expected a readable file, {file} may not be read; change its permissions"
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return f"expected a readable file at {file}, got {error.strerror}; check the path"
    if Path(file).is_symlink():
        return f"expected an HDF5 file at {file}, found a link to nothing; mend the link"
    near: list[str] = []
    with contextlib.suppress(OSError):
        # No folders: what a stopped job left is named much like a file, and holds no input.
        known = [item.name for item in Path(file).parent.iterdir() if not item.is_dir()]
        near = nearest(Path(file).name, known)
    meant = f"; did you mean {Path(file).parent / near[0]}?" if near else "; check the path"
    return f"expected an HDF5 file at {file}, found nothing{meant}"


def open_file(file: str, cache_nbytes: int | None = None) -> h5py.File:
    """Open `file` for reading; one that is being written in SWMR mode is opened so as well.

    Parameters
    ----------
    cache_nbytes : int, optional
        Bytes of decoded chunks kept for each dataset. None is HDF5's default.

    Raises
    ------
    InputError
        It is being written by another process, is cut short, or is damaged.
    """
    prefer_hdf5plugin()
    cache: dict[str, Any] = {}
    if cache_nbytes is not None:
        # 10,007 slots: a prime above the chunks of any strip that fits the cache.
        cache = {"rdcc_nbytes": cache_nbytes, "rdcc_nslots": 10_007, "rdcc_w0": 1.0}
    try:
        return open_hdf5(file, **cache)
    except (OSError, RuntimeError) as error:
        text = " ".join(str(error).split())
        if "already open" in text:
            # What HDF5 says of a file in SWMR mode, and of one that was not closed.
            with contextlib.suppress(OSError, RuntimeError):
                return open_hdf5(file, swmr=True, **cache)
        if lacks_locks(text):
            raise InputError(without_locks(file)) from None
        if "lock file" in text:
            why = "is being written by another process; wait until that has closed it"
        elif "already open" in text:
            why = f"is marked as open for writing; close it, or clear the mark: h5clear -s {file}"
        elif "truncated" in text:
            why = "is cut short; copy it again from where it came"
        else:
            # What the system refuses (too many open files, an unreadable disk) is not the file's.
            cure = "try again" if "errno = " in text else "check it with h5debug or copy it again"
            why = f"cannot be opened ({text}); {cure}"
        raise InputError(f"expected a whole HDF5 file, {file} {why}") from None


def open_hdf5(file: str, **how: Any) -> h5py.File:
    """Open a file for reading, with HDF5's lock where there are locks.

    Raises
    ------
    OSError, RuntimeError
        HDF5's own.
    """
    try:
        return h5py.File(file, "r", **how)
    except OSError as error:
        if not lacks_locks(str(error)):
            raise
    opened = h5py.File(file, "r", locking=False, **how)
    warn_unlocked()
    return opened


def without_locks(file: str) -> str:
    """Return why HDF5 opens no file where there are no locks."""
    return (
        f"expected locks on the file system of {file}, as {VARIABLE}="
        f"{os.environ.get(VARIABLE, '')} asks HDF5 for them, found none; set {VARIABLE}=FALSE"
    )
