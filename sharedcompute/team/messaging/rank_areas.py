"""The areas of shared words that ranks exchange messages through, one for each rank.

An area has two records of collective calls, see `exchange`, and a mailbox, which is a `Fifo`.
"""

from __future__ import annotations

import numpy as np

from sharedcompute.sync.atomics import Words
from sharedcompute.team.messaging.fifo import WRITTEN, Fifo

_RECORD = 48
"""Words of a call record."""
MAILBOX_SLOTS = 32
"""Messages that fit a mailbox; senders of more wait."""

_RANK = 2 * _RECORD + Fifo.size_for(MAILBOX_SLOTS)


class RankAreas:
    """The shared words, an area for each rank."""

    def __init__(self, words: Words) -> None:
        self._ranks = words.view(np.ndarray).reshape(-1, _RANK)

    @staticmethod
    def size_for(size: int) -> int:
        """Return the number of words for a team of `size`."""
        return _RANK * size

    def reset(self) -> None:
        """Empty the mailboxes. Only while every rank is idle."""
        boxes = self._ranks[:, 2 * _RECORD :]
        if boxes[:, WRITTEN].any():
            boxes[...] = 0

    def call_record(self, rank: int, half: int) -> memoryview:
        """Return one of the two call records of a rank, as bytes."""
        return self._ranks[rank, half * _RECORD :][:_RECORD].data.cast("B")

    def mailbox(self, rank: int) -> Words:
        """Return the words of the mailbox of a rank, which is a `Fifo`."""
        return self._ranks[rank, 2 * _RECORD :]
