"""Work on boxes of chunks: each is independent of all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sharedcompute.engines.engine import Left
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.format.chunks import ChunkGrid, Sides
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
    source: Source

    taken = False
    sparse = True
    side_by_side = True
    reduced = ()

    def __len__(self) -> int:
        return len(self.boxes)

    def rows(self, number: int) -> Rows:
        """Return the rows of a box."""
        first = self.boxes.box(number)[0]
        return Rows(first.start, first.stop)

    def box(self, number: int, which: int = 0) -> Sides:
        """Return one box; there is one result."""
        del which
        return self.boxes.box(number)

    def nbytes(self, number: int) -> int:
        """Return the bytes of a box."""
        sides = [side.stop - side.start for side in self.boxes.box(number)]
        return math.prod(sides) * self.source.dtype.itemsize

    def detached(self) -> Self:
        """Return the work as it is: what boxes leave is in chunks or in a file."""
        return self

    def accept(self, left: Left) -> None:
        """Put nothing in place: what boxes leave is in chunks or in a file."""

    def fold(self, states: Sequence[State]) -> None:
        """Add nothing: there are no states."""

    def left(self) -> int | None:
        """Return None: what is written has gone to a file."""
        return None


class BoxRunner:
    """Does boxes in one thread."""

    def take(self) -> None:
        """Return nothing: there are no states."""

    def finish(self) -> None:
        """Return nothing: every box is where it belongs."""
