"""Descriptors 0, 1 and 2: standard input, output and error, which may be closed."""

from __future__ import annotations

import contextlib
import os

STANDARD = (0, 1, 2)


def occupy_standard() -> None:
    """Open ``/dev/null`` in place of a closed standard input, output or error (``>&-``).

    Otherwise the next file, pipe or socket would get that number, and be written to by anything
    that prints, or be replaced in a process whose output is redirected.
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
