"""What processes have in memory. It imports little: processes that are measured import it."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import psutil

SHM = Path("/dev/shm")


def anonymous(pid: int) -> tuple[int, int]:
    """Return anonymous memory of a process: its share of pages that forks have too, and all."""
    found = [0, 0]
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/smaps_rollup").open() as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key in ("Pss_Anon", "Anonymous"):
                found[key == "Anonymous"] = int(value.split()[0]) * 1024
    return found[0], found[1]


def private(pid: int) -> int:
    """Bytes of anonymous memory in a process; pages that forks share are divided among them."""
    return anonymous(pid)[0]


def shared(pid: int) -> int:
    """Return the bytes of the shared blocks of an owner."""
    total = 0
    for block in SHM.glob(f"sc_{pid}_*"):
        with contextlib.suppress(OSError):
            total += block.stat().st_blocks * 512
    return total


def most_of(running: subprocess.Popen[str]) -> int:
    """The most that a process, those that it starts, and its shared blocks have until it ends."""
    most, watched = 0, psutil.Process(running.pid)
    while running.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            pids = [running.pid, *(child.pid for child in watched.children(recursive=True))]
            most = max(most, sum(map(private, pids)) + shared(running.pid))
    return most
