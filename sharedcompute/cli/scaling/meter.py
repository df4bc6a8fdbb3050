"""Run one program and report its time, and the processors' time of it and its children.

A script of its own, run by ``python -I -S meter.py FD PROGRAM...``: it adopts the processes that
the program leaves. A fork server, and so the workers under it, is not waited for by the
program, and the time of processes that are not waited for is in nobody's account.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

LEFT_SECONDS = 2.0
"""Time that the remaining processes of the program have to end; then they are left alone."""


def main(report: int, words: list[str]) -> int:
    """Run `words`; write "SECONDS CPU_SECONDS CODE" to the descriptor `report`."""
    with contextlib.suppress(AttributeError):  # Linux alone has it
        library = ctypes.CDLL(None)
        library.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        # When whoever asked is gone nobody wants to know any more.
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.set_inheritable(report, False)
    # Held back until there is a program to pass it on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    began = time.monotonic()
    child = os.posix_spawnp(words[0], words, os.environ, setsigmask=[])
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _, status, usage = os.wait4(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    seconds = time.monotonic() - began
    cpu = usage.ru_utime + usage.ru_stime + _left()
    os.write(report, f"{seconds} {cpu} {os.waitstatus_to_exitcode(status)}".encode())
    return 0


def _left() -> float:
    """Wait for the remaining processes, and return the processors' time that they had."""
    cpu, until = 0.0, time.monotonic() + LEFT_SECONDS
    while time.monotonic() < until:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        cpu += usage.ru_utime + usage.ru_stime if pid else 0.0
        time.sleep(0 if pid else 0.002)
    return cpu


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
