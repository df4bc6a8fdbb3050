"""Descriptors 0, 1 and 2: standard input, output and error, or nothing."""

from __future__ import annotations

import contextlib
import os

STANDARD = (0, 1, 2)


def occupy_standard() -> None:
    """Open ``/dev/null`` where standard input, output or error is closed (``>&-``).

    The next file, pipe or socket would be given that number, and be written to by whatever prints,
    or be replaced where a process is made silent.
    """
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                _open_null(number)


def _open_null(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == number:
        os.set_inheritable(opened, True)
        return
    os.dup2(opened, number)
    os.close(opened)
