"""Blocks of shared memory: created, mapped, listed, removed; for the arrays in them see `arrays`.

A block is a POSIX shared-memory object. It is opened with ``_posixshmem``, the C module under
`multiprocessing.shared_memory`, and not with its ``SharedMemory`` class, because that class

- cannot be closed while a view exists, and prints "cannot close exported pointers exist" then;
- before Python 3.13 registers a block at every attach, so that an unrelated reader that ends
  unlinks a live block (python/cpython#82300);
- maps at once, without `os.posix_fallocate` before: where ``/dev/shm`` is too small, the
  first touch is then a SIGBUS instead of an error.

The process that creates a block owns it, and unlinks its name when its last view in that process
is gone, or at exit. Others only map. If it is killed, its `sharedcompute.shm.janitor` does that.
"""

from __future__ import annotations

import _posixshmem
import contextlib
import errno
import itertools
import mmap
import os
import re
import secrets
import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sharedcompute.errors import InputError, MemoryBudgetError
from sharedcompute.shm import janitor
from sharedcompute.system import faults, machine
from sharedcompute.traits import IN_PROCESS
from sharedcompute.wording import option

_PREFIX = "sc_"
_NAME = re.compile(r"sc_(\d+)_(\d+)_([0-9a-f]+)_\d+_[0-9a-f]+")
"""The owner's pid and start time, the PID namespace of both, a number, random digits."""

NAME_NBYTES = 56
"""The longest name, in bytes."""
_serial = itertools.count()


class Segment(mmap.mmap):
    """A mapped block. `owner` is the pid of the process that created it."""

    name: str
    owner: int
    address: int
    remove: weakref.finalize[Any, Segment] | None
    """Removes the name; None in a process that only attached."""


# Every segment mapped here, so that a block is mapped once and an array that is sent back to its
# owner is the owner's memory. Weak references: views alone decide how long a segment lives.
_mapped: weakref.WeakValueDictionary[str, Segment] = weakref.WeakValueDictionary()


def create_segment(nbytes: int) -> Segment:
    """Create a block of `nbytes`, at least 1: a mapping cannot be empty. This process owns it."""
    size = max(1, nbytes)
    pid = os.getpid()
    name = f"{_own_prefix(pid)}{next(_serial)}_{secrets.token_hex(4)}"
    descriptor = _make(name)
    try:
        faults.point("segment.allocate")
        _allocate(descriptor, size)
        segment = _map(descriptor, name, size, owner=pid)
    except BaseException:
        _remove(name, pid)
        raise
    segment.remove = weakref.finalize(segment, _remove, name, pid)
    return segment


def open_segment(name: str, size: int) -> Segment:
    """Map the block `name`, or return its mapping if this process has one."""
    segment = _mapped.get(name)
    if segment is not None:
        return segment
    try:
        descriptor = _posixshmem.shm_open("/" + name, os.O_RDWR)
    except FileNotFoundError:
        raise InputError(
            f"expected the shared block {name} to exist, its owner has freed it; "
            "keep the array until its jobs are done"
        ) from None
    return _map(descriptor, name, size, owner=int(name.split("_")[1]))


def exists(name: str) -> bool:
    """Return whether the block `name` exists."""
    try:
        os.close(_posixshmem.shm_open("/" + name, os.O_RDONLY))
    except FileNotFoundError:
        return False
    return True


def remove_own() -> None:
    """Remove the names of all blocks of this process. For a process about to call `os._exit`."""
    for segment in list(_mapped.values()):
        if segment.remove is not None:
            segment.remove()


class BlockInfo(NamedTuple):
    """A block in ``/dev/shm``: its size in bytes, its owner's pid, whether the owner is alive.

    `alive` is None if it is unknown: containers that share their IPC have pid namespaces of their
    own, in which the pid of the owner is another process, or none.
    """

    name: str
    nbytes: int
    pid: int
    alive: bool | None


def list_blocks() -> list[BlockInfo]:
    """List the shared blocks of this user, by name. Empty if blocks have no file system.

    Returns
    -------
    list of BlockInfo
    """
    found = []
    for path in sorted(machine.SHM.glob(_PREFIX + "*")) if machine.SHM.is_dir() else []:
        match = _NAME.fullmatch(path.name)
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if match and status.st_uid == os.getuid():
                pid = int(match[1])
                here = int(match[3], 16) == _pid_namespace()
                alive = start_time(pid) == int(match[2]) if here else None
                found.append(BlockInfo(path.name, status.st_size, pid, alive))
    return found


def clean(pid: int | None = None) -> list[str]:
    """Remove the blocks whose owner is known to have ended, and return their names.

    Parameters
    ----------
    pid : int, optional
        Only those of this owner.

    Returns
    -------
    list of str
    """
    gone = [b.name for b in list_blocks() if b.alive is False and pid in (None, b.pid)]
    for name in gone:
        with contextlib.suppress(FileNotFoundError):
            _posixshmem.shm_unlink("/" + name)
    return gone


def start_time(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks since boot; None if there is none.

    Pid and start time identify a process: pids are reused, pairs are not. A zombie counts as ended,
    since it cannot use its blocks any more.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_elsewhere(pid)
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _pid_namespace() -> int:
    """Return the inode of the PID namespace of this process; 0 if the system has none."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _start_time_elsewhere(pid: int) -> int | None:
    import psutil  # noqa: PLC0415 - not needed on Linux

    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.NoSuchProcess:
        return None


@lru_cache(maxsize=1)
def _own_prefix(pid: int) -> str:
    """Return the prefix of the names of this process's blocks.

    It is computed once, before the first block is created: so this is where blocks of killed
    processes, whose janitors were killed as well, are removed, and a janitor is started.
    """
    prefix = f"{_PREFIX}{pid}_{start_time(pid)}_{_pid_namespace():x}_"
    if machine.SHM.is_dir():
        clean()
        janitor.start_janitor(machine.SHM, prefix)
    return prefix


def _make(name: str) -> int:
    """Create an empty block; return its descriptor."""
    try:
        faults.point("segment.create")
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
        return int(_posixshmem.shm_open("/" + name, flags, mode=0o600))
    except OSError as error:
        number = error.errno or 0
        raise MemoryBudgetError(
            f"expected to make a block of shared memory in {machine.SHM}, got "
            f"{os.strerror(number)!r}; {_CURE.get(number, _MOUNT)}, or do without "
            f"workers: {option('engine', IN_PROCESS)}"
        ) from None


_MOUNT = f"mount a tmpfs there that this user may write to (mount -t tmpfs tmpfs {machine.SHM})"
_CURE = {
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the limit on open files (fs.file-max)",
    errno.ENOSPC: "free some of it",
}


def _allocate(descriptor: int, size: int) -> None:
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.ftruncate(descriptor, size)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.ENOMEM):
            raise
        need, have = machine.format_size(size), machine.format_size(machine.shm_free())
        if error.errno == errno.EFBIG:
            longest = machine.format_size(machine.file_size_limit() or 0)
            raise MemoryBudgetError(
                f"expected {need} of shared memory, blocks are limited to {longest}; raise the "
                f"limit on the size of files (ulimit -f), or use {option('engine', IN_PROCESS)}"
            ) from None
        raise MemoryBudgetError(
            f"expected {need} of shared memory, {machine.SHM} has {have} free; "
            "free shared arrays, use a smaller one, or enlarge it"
        ) from None
    except OverflowError:
        os.close(descriptor)
        raise MemoryBudgetError(f"expected an array that fits, got one of {size} bytes") from None


def _map(descriptor: int, name: str, size: int, owner: int) -> Segment:
    try:
        segment = Segment(descriptor, size)
    finally:
        os.close(descriptor)
    segment.name, segment.owner, segment.remove = name, owner, None
    segment.address = np.ndarray(1, np.uint8, buffer=segment).ctypes.data
    _mapped[name] = segment
    return segment


def _remove(name: str, owner: int) -> None:
    """Unlink the name, once, and only in the process that created it, not in its forks."""
    if os.getpid() != owner:
        return
    with contextlib.suppress(FileNotFoundError):
        _posixshmem.shm_unlink("/" + name)
