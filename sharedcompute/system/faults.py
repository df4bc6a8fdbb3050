"""Fault injection, for tests: named points at which a script makes this process fail.

``SHAREDCOMPUTE_FAULTS`` is the script: words ``POINT:COUNT:ACTION``. When the processes of a job
reach POINT for the COUNT-th time in total, ACTION happens to the one that does. COUNT is ``3``,
``3+`` (the third time and after) or ``*``. ACTION is ``kill``, ``stop``, ``exit``,
``hang``, another signal such as ``SIGSEGV``, or an error number such as ``ENOSPC``, to be raised.

``SHAREDCOMPUTE_FAULTS_FOLDER`` is where the times are counted: a file for each point, with a byte
for each time, since a worker that replaces a dead one does not know its counts.

Without a script a point costs 50 ns.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

SCRIPT = tuple(
    tuple(word.split(":")) for word in os.environ.get("SHAREDCOMPUTE_FAULTS", "").split()
)
"""The script at the start of this process."""


def point(name: str, number: int | None = None) -> None:
    """Fail here if the script says so; `number` adds a second name, as ``unit.7``."""
    if not SCRIPT:
        return
    for called in (name, f"{name}.{number}"):
        asked = [(count, action) for at, count, action in SCRIPT if at == called]
        if asked:
            times = _count(called)
            for count, action in asked:
                if _is_meant(count, times):
                    _fail(action)


def _count(name: str) -> int:
    """Count this time, and return how many times the point was reached."""
    folder = Path(os.environ["SHAREDCOMPUTE_FAULTS_FOLDER"])
    fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(fd, b".")
        return os.lseek(fd, 0, os.SEEK_CUR)
    finally:
        os.close(fd)


def _is_meant(count: str, times: int) -> bool:
    if count == "*":
        return True
    return times >= int(count[:-1]) if count.endswith("+") else times == int(count)


def _fail(action: str) -> None:
    if action == "exit":
        os._exit(3)
    if action == "hang":
        time.sleep(3600)
        return
    names = {"kill": "SIGKILL", "stop": "SIGSTOP"}
    number = getattr(signal, names.get(action, action), None)
    if isinstance(number, signal.Signals):
        os.kill(os.getpid(), number)
        return
    number = getattr(errno, action)
    raise OSError(number, os.strerror(number))
