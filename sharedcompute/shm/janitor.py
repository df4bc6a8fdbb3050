"""The janitor: a small process that removes the shared blocks of another one when that is killed.

Not the resource tracker of multiprocessing, which was used before. That one prints "leaked
shared_memory objects" when it has done its work, does not notice what others have removed, and dies
with the process group. A janitor is silent, has a session of its own, and ends with its process.

This file is also the program that it runs, with the standard library only: it starts in 10 ms.
"""
# ruff: noqa: PTH108, PTH118, PTH208 - pathlib would take as long to import as all else here

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


def start_janitor(folder: os.PathLike[str], prefix: str) -> None:
    """Start a janitor for this process: it will remove the files in `folder` that have `prefix`.

    If the system has no room for one more process there is none. Then the next process that shares
    memory removes the files.
    """
    # A command may replace the name of the executable; multiprocessing keeps a path that runs.
    from multiprocessing import spawn  # noqa: PLC0415 - not needed by the janitor itself

    words = [os.fsdecode(spawn.get_executable()), "-I", "-S", __file__, str(os.getpid())]
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    with contextlib.suppress(OSError):
        # The signals stay blocked in the janitor: it ends when its process does.
        os.posix_spawn(
            words[0], [*words, os.fspath(folder), prefix], os.environ,
            file_actions=null, setsigmask=SIGNALS, setsid=True,
        )  # fmt: skip


def main(pid: int, folder: str, prefix: str) -> None:
    """Wait for the end of the process, then clean up."""
    # Files that libraries opened without O_CLOEXEC, as HDF5 does, are inherited with their locks.
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if number > 2:
                os.close(number)
    _wait_for_end(pid)
    for name in os.listdir(folder):
        if name.startswith(prefix):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))


def _wait_for_end(parent: int) -> None:
    try:
        watched = os.pidfd_open(parent)
    except OSError:  # it has ended, or Linux is older than 5.3
        while os.getppid() == parent:
            time.sleep(0.2)
    else:
        # If it had ended before, the pid may be another process by now.
        if os.getppid() == parent:
            select.select([watched], [], [])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
