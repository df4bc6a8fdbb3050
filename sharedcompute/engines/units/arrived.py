"""Comparing shared memory as the parent sees it with what its workers left there.

Both make a checksum of it. Results that the parent works out of what workers left get checksums
that `verify` compares: these would hold for a buffer that was lost or is stale as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import deflate
import numpy as np

from sharedcompute.errors import ProgramError
from sharedcompute.operations.specs import Array
from sharedcompute.system.machine import SHM
from sharedcompute.traits import IN_PROCESS

_PAGES, _PAGE = 64, 4096
"""Of a long array so many places are compared, so many bytes at each."""


def crc_of(parts: Iterable[Array]) -> int:
    """Return the checksum of arrays, one after the other."""
    crc = 0
    for part in parts:
        if part.size:
            data = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
            crc = int(deflate.crc32(data, crc))
    return crc


def sample(array: Array) -> Iterator[Array]:
    """Yield the bytes of a contiguous array, or of places all over it where it is long."""
    data = array.reshape(-1).view(np.uint8)
    if data.size <= _PAGES * _PAGE:
        yield data
        return
    for place in np.linspace(0, data.size - _PAGE, _PAGES).astype(np.int64):
        yield data[place : place + _PAGE]


def check(rank: int, reported: int | None, here: int | None) -> None:
    """Compare the checksum that a worker reported with that of the memory here.

    Raises
    ------
    ProgramError
        A buffer was lost on its way between a worker and this process.
    """
    if reported is not None and reported != here:
        raise ProgramError(
            f"expected in shared memory what worker {rank} left there, got something else; no "
            f"result was made of it: look for what else writes to {SHM}, or use engine {IN_PROCESS}"
        )
