"""The net under a killed process: a small process beside it that removes its shared blocks then.

Not multiprocessing's resource tracker, which was used before. That one prints "leaked shared_memory
objects" when it has done its work, knows nothing of what others have removed meanwhile, and dies
with the process group. A janitor is silent, has a session of its own, and ends with its process.

This file is also the program that it runs, with nothing but the standard library: it takes 10 ms.
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


def start(folder: os.PathLike[str], prefix: str) -> None:
    """Start a janitor for this process: it will remove the files in `folder` that have `prefix`.

    Where the system has no room for one more process there is none. What is left then is removed by
    whoever shares memory next.
    """
    # A command may replace the executable's name; multiprocessing keeps what can be run.
    from multiprocessing import spawn  # noqa: PLC0415 - not needed by the janitor itself

    words = [os.fsdecode(spawn.get_executable()), "-I", "-S", __file__, str(os.getpid())]
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    with contextlib.suppress(OSError):
        # The signals stay blocked in the janitor for ever: it ends when its process does.
        os.posix_spawn(
            words[0], [*words, os.fspath(folder), prefix], os.environ,
            file_actions=null, setsigmask=SIGNALS, setsid=True,
        )  # fmt: skip


def main(pid: int, folder: str, prefix: str) -> None:
    """Wait for the end of the process, then clean up."""
    # What libraries opened without O_CLOEXEC, HDF5 its files with their locks, came here too.
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
    except OSError:  # it is gone, or Linux is older than 5.3
        while os.getppid() == parent:
            time.sleep(0.2)
    else:
        # Where it was gone before, its number is another's by now.
        if os.getppid() == parent:
            select.select([watched], [], [])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
