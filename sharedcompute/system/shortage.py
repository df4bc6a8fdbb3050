"""Shortage of disk or memory: the many errors for it become one.

Jobs that need too much are refused before the start (`sharedcompute.planning.budget.cost`);
this is for the rest: a quota, a disk or memory that other processes fill.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from sharedcompute.errors import MemoryBudgetError
from sharedcompute.system import faults
from sharedcompute.system.machine import file_size_limit, format_size
from sharedcompute.wording import option

CURE = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some of your quota or choose another folder",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
}
"""The error numbers of a full disk, a full quota, and a limit on the size of files; what to do."""

_UNLOADED = re.compile(r"failed to map segment|[Cc]annot allocate memory|libllvmlite")
"""The messages of the loader for a library that did not fit; numba has its own for LLVM."""


_HDF5 = (OSError, RuntimeError, ValueError)


@contextlib.contextmanager
def full_disk_named(file: str) -> Iterator[None]:
    """Turn the errors for a full disk into one, a context manager.

    Raises
    ------
    MemoryBudgetError
        The disk or the quota is full, or the file would exceed the limit on its size.
    """
    try:
        faults.point("disk")
        yield
    except _HDF5 as error:
        number = _number(error)
        if number not in CURE:
            raise
        limit = file_size_limit() if number == errno.EFBIG else None
        least = f" ({format_size(limit)})" if limit is not None else ""
        raise MemoryBudgetError(
            f"expected room for {file}, got {os.strerror(number)!r}{least}; {CURE[number]}"
        ) from None


@contextlib.contextmanager
def shortage_named() -> Iterator[None]:
    """Turn the errors for too little memory into one, and those of a disk without a file name.

    Raises
    ------
    MemoryBudgetError
        An array, a mapping or a library did not fit, here or in a worker.
    """
    try:
        yield
    except MemoryBudgetError:
        raise
    except Exception as error:
        number = _number(error)
        if number in CURE:
            raise _with_notes(
                f"expected room for the job's files, got {os.strerror(number)!r}; {CURE[number]}",
                error,
            ) from error
        if not _is_memory(error):
            raise
        text = " ".join(str(error).split()) or "no memory"
        raise _with_notes(
            f"expected more memory than this process may have, got {text!r}: use fewer workers "
            f"({option('workers')}) or smaller blocks ({option('block_rows')}), or raise "
            "the limit (ulimit, cgroup)",
            error,
        ) from error


def _with_notes(text: str, error: BaseException) -> MemoryBudgetError:
    """Return the error with the notes of the one that it replaces, as for a job to resume."""
    made = MemoryBudgetError(text)
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made


def _number(error: BaseException) -> int:
    """Return the errno of an error, 0 if there is none. HDF5 has it in its text only."""
    found = re.search(r"errno = (\d+)", str(error)) if isinstance(error, _HDF5) else None
    return int(found[1]) if found else getattr(error, "errno", None) or 0


def _is_memory(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, is a lack of memory. numba wraps errors."""
    if error is None:
        return False
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if isinstance(error, ImportError | OSError) and _UNLOADED.search(str(error)):
        return True
    return _is_memory(error.__cause__ or error.__context__)
