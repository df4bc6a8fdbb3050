"""What all work on boxes of chunks has in common: each stands for itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.operations.specs import State
from sharedcompute.rows import Rows


@dataclass(frozen=True)
class BoxWork:
    """Boxes, to be done in any order.

    Parameters
    ----------
    boxes : ChunkGrid
    source : DatasetSource or ArraySource
    """

    boxes: ChunkGrid
    source: Any

    taken = False
    sparse = True
    side_by_side = True
    reduced = ()

    def __len__(self) -> int:
        return len(self.boxes)

    def rows(self, number: int) -> Rows:
        """The rows of a box."""
        first = self.boxes.box(number)[0]
        return Rows(first.start, first.stop)

    def box(self, number: int) -> tuple[slice, ...]:
        """One box."""
        return self.boxes.box(number)

    def nbytes(self, number: int) -> int:
        """The bytes of a box."""
        sides = [side.stop - side.start for side in self.boxes.box(number)]
        nbytes: int = math.prod(sides) * self.source.dtype.itemsize
        return nbytes

    def fold(self, states: Sequence[State]) -> None:
        """Nothing is taken over."""

    def combine(self, rank: int, size: int) -> None:
        """Boxes stand for themselves."""

    def left(self) -> int | None:
        """What is written has gone to a file."""
        return None


class BoxRunner:
    """Does boxes in one thread."""

    def take(self) -> None:
        """Nothing is kept of a box here."""

    def finish(self) -> None:
        """Every box is where it belongs."""
