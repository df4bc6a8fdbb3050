"""What the ranks of a team tell each other beside the control block.

For each rank two records, of the calls that all ranks make together, and a payload box.
"""

from __future__ import annotations

import numpy as np

from sharedcompute.sync.atomics import Words
from sharedcompute.team.messaging.fifo import WRITTEN, Fifo

_RECORD = 48
"""Words of a record."""
MAILBOX_SLOTS = 32
"""Messages that wait for a rank before who sends it more has to wait."""

_RANK = 2 * _RECORD + Fifo.size_for(MAILBOX_SLOTS)


class RankAreas:
    """The shared words, cut into what each rank has."""

    def __init__(self, words: Words) -> None:
        self._ranks = words.view(np.ndarray).reshape(-1, _RANK)

    @staticmethod
    def size_for(size: int) -> int:
        """How many words a team of `size` needs."""
        return _RANK * size

    def reset(self) -> None:
        """Empty the payload boxes. Only while every rank is idle."""
        boxes = self._ranks[:, 2 * _RECORD :]
        if boxes[:, WRITTEN].any():
            boxes[...] = 0

    def call_record(self, rank: int, half: int) -> memoryview:
        """Give one of the two records of a rank, as bytes."""
        return self._ranks[rank, half * _RECORD :][:_RECORD].data.cast("B")

    def mailbox(self, rank: int) -> Words:
        """Give the payload box of a rank, which is a `Fifo`."""
        return self._ranks[rank, 2 * _RECORD :]
