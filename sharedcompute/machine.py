"""What this process may use of the machine: cores, memory, room for shared blocks."""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path

SHM = Path("/dev/shm")


def cores() -> int:
    """How many cores this process may use: its affinity, and a cgroup's CPU quota if lower."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = allowed or 1
    for group in _cgroups():
        quota = _control(group, "cpu.max").split()
        if len(quota) == 2 and quota[0] != "max":
            count = max(1, min(count, math.ceil(int(quota[0]) / int(quota[1]))))
    return count


def memory_available() -> int:
    """Bytes of memory that can be had without swapping.

    The limits of this process's cgroup and of those above it count (version 2); the page cache,
    which gives way, does not count as used.
    """
    import psutil  # noqa: PLC0415 - 20 ms, and most callers need no memory figure

    available = int(psutil.virtual_memory().available)
    for group in _cgroups():
        limit, used = _control(group, "memory.max"), _control(group, "memory.current")
        if limit.isdigit() and used.isdigit():
            stat = dict(line.split() for line in _control(group, "memory.stat").splitlines())
            cache = int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))
            available = min(available, max(0, int(limit) - int(used) + cache))
    return available


def shm_free() -> int:
    """Bytes free for shared blocks; as much as memory where they have no file system."""
    return shutil.disk_usage(SHM).free if SHM.is_dir() else memory_available()


def disk_free(folder: Path) -> int:
    """Bytes free on the file system of `folder`."""
    return shutil.disk_usage(folder).free


def parse_size(text: str) -> int:
    """Bytes of a size such as ``512M``, ``1.5GiB`` or ``1e9``; K, M, G and T are powers of 1024."""
    match = re.fullmatch(r"\s*([0-9.eE+]+)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        number = math.nan
    if match is None or not number > 0 or math.isinf(number):
        raise ValueError(f"expected a size such as 512M or 2GiB, got {text!r}")
    return int(number * 1024 ** " KMGT".index(match[2].upper() or " "))


def format_size(size: float) -> str:
    """`size` bytes for a person: ``7.3 MB``, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def _cgroups() -> list[Path]:
    """The folders of this process's cgroup (version 2) and of those above it."""
    root = Path("/sys/fs/cgroup")
    try:
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    except OSError:
        return []
    folder = root / own.lstrip("/")
    return [f for f in (folder, *folder.parents) if f.is_relative_to(root)]


def _control(group: Path, name: str) -> str:
    """The text of a control file of a cgroup, else an empty one."""
    try:
        return (group / name).read_text().strip()
    except OSError:
        return ""
