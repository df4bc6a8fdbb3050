"""Files without a name: room for arrays where memory is too small for them."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sharedcompute.operations.specs import DType
from sharedcompute.planning.in_memory import FileArray
from sharedcompute.system.shortage import full_disk_named


@contextlib.contextmanager
def unnamed_file(shape: tuple[int, ...], dtype: DType, folder: Path) -> Iterator[FileArray]:
    """Make room for an array in a file that ends with this process, however that ends.

    Raises
    ------
    MemoryBudgetError
        The disk is full.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        nbytes = math.prod(shape) * dtype.itemsize
        with full_disk_named(str(folder)):
            os.posix_fallocate(file.fileno(), 0, max(1, nbytes))
        # Workers are other processes of the same user on this machine, and open it by this name.
        yield FileArray(f"/proc/{os.getpid()}/fd/{file.fileno()}", shape, dtype)
