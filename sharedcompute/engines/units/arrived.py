"""Whether the parent sees in shared memory what its workers left there.

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

_PAGES, _PAGE = 64, 4096
"""What is looked at of a long array: so many places, so many bytes at each."""


def crc_of(parts: Iterable[Array]) -> int:
    """The checksum of arrays, one after the other."""
    crc = 0
    for part in parts:
        if part.size:
            data = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
            crc = int(deflate.crc32(data, crc))
    return crc


def sample(array: Array) -> Iterator[Array]:
    """A contiguous array, or places all over it where it is long."""
    data = array.reshape(-1).view(np.uint8)
    if data.size <= _PAGES * _PAGE:
        yield data
        return
    for place in np.linspace(0, data.size - _PAGE, _PAGES).astype(np.int64):
        yield data[place : place + _PAGE]


def check(rank: int, told: int | None, here: int | None) -> None:
    """Compare the checksum that a worker told with that of what is here.

    Raises
    ------
    ProgramError
        A buffer was lost on its way between a worker and this process.
    """
    if told is not None and told != here:
        raise ProgramError(
            f"expected in shared memory what worker {rank} left there, got something else; no "
            f"result was made of it: look for what else writes to {SHM}, or use engine serial"
        )
