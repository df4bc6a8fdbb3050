"""Ports: where the runners of units put states, in place or to travel.

A tally's states lie in arrays of the parent. A runner whose process shares these writes to the slot
of its block, or to its own where blocks share a state. Any other keeps a state of its own and
returns the values. Which of both it is, `PassWork.detached` decides, and nothing else differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sharedcompute.operations.reductions.accumulator import Accumulator
from sharedcompute.operations.reductions.tally import Tally
from sharedcompute.operations.specs import Array, State
from sharedcompute.planning.passes import Pass


class StatePort(Protocol):
    """Takes the rows of blocks, and has their state. One thread uses it."""

    @property
    def exact(self) -> bool:
        """True if all blocks share a state, which is taken over now and then."""

    @property
    def in_place(self) -> bool:
        """True if states are where the parent looks for them."""

    def begin(self, block: int) -> None:
        """Begin a block."""

    def add(self, x: Array, start: int) -> None:
        """Add rows from row `start` on."""

    def end(self) -> None:
        """Finish a block."""

    def left(self) -> State | None:
        """Return the state of the block that was finished, if it has to travel."""

    def take(self) -> State:
        """Return and reset the state of all blocks since the last call; `exact` ones only."""

    def finish(self) -> None:
        """Finish after the last block."""


class InPlace(Accumulator):
    """Adds rows to states where the parent has them."""

    in_place = True

    def left(self) -> None:
        """Return nothing: the state is in its slot."""


class Apart(Accumulator):
    """Adds rows to a state of its own, whose values travel."""

    in_place = False

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally, tally.states(1, np.empty), 0)

    def begin(self, block: int) -> None:
        """Begin a block, in the one slot that there is."""
        del block
        super().begin(0)

    def left(self) -> State | None:
        """Return the values of the block's state."""
        return None if self.exact else {name: s[0].copy() for name, s in self._states.items()}


Ported = tuple[int, StatePort]
"""A port, with the value whose rows it takes."""


def state_ports(work: Pass, states: Sequence[State] | None, rank: int) -> list[Ported]:
    """Return a port for each tally of a pass.

    Parameters
    ----------
    states : sequence of State or None
        Where they lie, fields of shape (slots, width); None where they lie in another process.
    rank : int
        The slot of this thread, for states that blocks share.
    """
    if states is None:
        return [(value, Apart(tally)) for value, tally in work.tallies]
    pairs = zip(work.tallies, states, strict=True)
    return [(value, InPlace(tally, state, rank)) for (value, tally), state in pairs]
