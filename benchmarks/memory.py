"""Peak memory of a command and all its processes, page cache and mapped file pages left out."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil


def private_and_shared(process: psutil.Process) -> Counter[str]:
    """Bytes of anonymous memory, and of shared blocks, each page divided among its users."""
    found: Counter[str] = Counter()
    for one in [process, *process.children(recursive=True)]:
        try:
            lines = Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()
        except (OSError, psutil.Error):
            continue
        for line in lines:
            key, _, size = line.partition(":")
            if key in ("Pss_Anon", "Pss_Shmem"):
                found[key] += int(size.split()[0]) * 1024
    return found


def peak(arguments: list[str]) -> Counter[str]:
    """The greatest figures seen while ``sharedcompute ARGUMENTS`` ran, looked at each 5 ms."""
    command = [sys.executable, "-m", "sharedcompute", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    process, most = psutil.Process(running.pid), Counter[str]()
    while running.poll() is None:
        most |= private_and_shared(process)
        time.sleep(0.005)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} failed with code {running.returncode}")
    return most
