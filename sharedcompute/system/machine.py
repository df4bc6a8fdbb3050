"""The resources of the machine that this process may use: cores, memory, shared memory, disk."""

from __future__ import annotations

import math
import os
import re
import resource
import shutil
from pathlib import Path

from sharedcompute.errors import InputError, MemoryBudgetError

SHM = Path("/dev/shm")

WORKERS_VARIABLE = "SHAREDCOMPUTE_WORKERS"
"""The environment variable with the default number of workers."""

LEAST_ADDRESS_SPACE = 1 << 30
"""Bytes that numba, LLVM, h5py and OpenBLAS map in one process, most of it never touched: 640 MB
when idle. With 800 MB a worker that compiled was still killed by LLVM."""

LEAST_DATA = 640 << 20
"""The private part of it: 250 MB when idle, and 400 MB were not enough to compile."""


def cores() -> int:
    """Return the number of cores for this process: its affinity, or a lower cgroup CPU quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = allowed or 1
    for group in cgroups("cpu"):
        quota = _control(group, "cpu.max").split()  # version 2, and version 1 in two files
        quota = quota or [_control(group, f"cpu.cfs_{n}_us") for n in ("quota", "period")]
        if len(quota) == 2 and all(map(str.isdigit, quota)):
            count = max(1, min(count, math.ceil(int(quota[0]) / int(quota[1]))))
    return count


def default_workers(each: int = 1) -> int:
    """Return the default number of workers: `WORKERS_VARIABLE`, else one for `each` cores.

    Raises
    ------
    InputError
        The variable is not a whole number of at least 1.
    """
    given = os.environ.get(WORKERS_VARIABLE)
    if given is None:
        return max(1, cores() // each)
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"{WORKERS_VARIABLE}: expected a number of workers, got {given!r}")
    return int(given)


def memory_available() -> int:
    """Return the bytes of memory that are available without swapping.

    The limits of this process's cgroups and of their parents count; the page cache, which can be
    reclaimed, does not count as used.
    """
    import psutil  # noqa: PLC0415 - 20 ms, and most callers need no memory figure

    available = int(psutil.virtual_memory().available)
    for group in cgroups("memory"):
        for limit_file, used_file, prefix in (
            ("memory.max", "memory.current", ""),
            # Version 1: its own figures leave out the groups below, which share the limit.
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
        ):
            limit = _control(group, limit_file)
            if limit.isdigit() and (used := _control(group, used_file)).isdigit():
                # Of some forty lines two are asked for.
                stat = f"\n{_control(group, 'memory.stat')}\n"
                cache = sum(_entry(stat, f"{prefix}{k}_file") for k in ("inactive", "active"))
                available = min(available, max(0, int(limit) - int(used) + cache))
    return available


def process_limits() -> dict[str, int]:
    """Return the memory limits of one process in bytes, by the option of ``ulimit``.

    ``-v`` counts all mapped memory: libraries, files, shared blocks. ``-d`` counts private memory.
    Workers inherit both. Absent limits are left out.
    """
    limits = {"-v": resource.RLIMIT_AS, "-d": resource.RLIMIT_DATA}
    soft = {option: resource.getrlimit(limit)[0] for option, limit in limits.items()}
    return {option: have for option, have in soft.items() if have != resource.RLIM_INFINITY}


def check_process_limits(private: int = 0, mapped: int = 0) -> None:
    """Check that the memory limits leave room for a process with our libraries.

    Before the libraries are loaded, as it is too late then: under limits a little too low OpenBLAS
    retries for ever, in C, and LLVM aborts.

    Parameters
    ----------
    private, mapped : int
        Bytes that one process needs besides the libraries, private and in total.

    Raises
    ------
    MemoryBudgetError
        It names the needed and the allowed memory.
    """
    needed = {"-v": LEAST_ADDRESS_SPACE + mapped, "-d": LEAST_DATA + private}
    for option, have in process_limits().items():
        if needed[option] > have:
            raise MemoryBudgetError(
                f"a process of the job needs {format_size(needed[option])} of memory and "
                f"{format_size(have)} is allowed: raise the limit (ulimit {option})"
            )


def file_size_limit() -> int | None:
    """Return the largest size of a file or shared block (``ulimit -f``); None for no limit."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def shm_free() -> int:
    """Return the bytes free for shared blocks; the free memory if they have no file system."""
    return disk_free(SHM) if SHM.is_dir() else memory_available()


def is_tmpfs(folder: Path) -> bool:
    """Return whether `folder` is on a tmpfs, whose files take memory and not a disk."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        device = folder.stat().st_dev
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    lines = (line.partition(" - ") for line in mounts)
    kinds = {left.split()[2]: right.split()[0] for left, _, right in lines}
    return kinds.get(number) in ("tmpfs", "ramfs")


def disk_free(folder: Path) -> int:
    """Return the bytes free on the file system of `folder`."""
    return shutil.disk_usage(folder).free


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``512M``, ``1.5GiB`` or ``1e9``: powers of 1024."""
    match = re.fullmatch(r"\s*([0-9.eE+]+)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        number = math.nan
    if match is None or not number > 0 or math.isinf(number):
        raise ValueError(f"expected a size such as 512M or 2GiB, got {text!r}")
    return int(number * 1024 ** " KMGT".index(match[2].upper() or " "))


def format_size(size: float) -> str:
    """Format a size in bytes: ``7.3 MB``, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def cgroups(controller: str) -> list[Path]:
    """Return the directories of this process's cgroups that may have a limit, and of their parents.

    That of version 2, and of version 1 that of the controller. In a container the mount at the root
    may be the process's own group already, whatever name it has outside.
    """
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found: dict[Path, None] = {}
    for line in lines:
        _, controllers, own = line.split(":", 2)
        names = controllers.split(",")
        for mount in (root / name for name in names if name in ("", controller)):
            folder = mount / own.lstrip("/")
            found |= dict.fromkeys(f for f in (folder, *folder.parents) if f.is_relative_to(mount))
    return list(found)


def _entry(stat: str, name: str) -> int:
    """Return a number of a control file with a name in each line; 0 where it is not there."""
    value = stat.partition(f"\n{name} ")[2].partition("\n")[0]
    return int(value or 0)


def _control(group: Path, name: str) -> str:
    """Read a control file of a cgroup; return an empty text if there is none."""
    # Not by pathlib: every plan asks for a dozen, most of which are not there.
    try:
        with open(f"{group}/{name}") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""
