"""What all work on boxes of chunks has in common: each stands for itself."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.hdf5.chunk_index import ChunkGrid
from sharedcompute.rows import Rows


@dataclass(frozen=True)
class BoxWork:
    """Boxes, to be done in any order.

    Parameters
    ----------
    boxes : ChunkGrid
    """

    boxes: ChunkGrid

    def __len__(self) -> int:
        return len(self.boxes)

    def rows(self, number: int) -> Rows:
        """The rows of a box."""
        first = self.boxes.box(number)[0]
        return Rows(first.start, first.stop)

    def combine(self, rank: int, size: int) -> None:
        """Boxes stand for themselves."""


class BoxRunner:
    """Does boxes in one process."""

    def finish(self) -> None:
        """Every box is where it belongs."""
