"""Accumulators: rows are added to the states of blocks, strip by strip.

Narrow rows are folded into *lanes*: with 3 columns, `lanes` rows side by side make one row of
``3 * lanes`` columns, so that a kernel's inner loop is long enough for vector instructions. A
reduction over all elements is the same thing with one column. At the end of a block the lanes are
combined in a fixed binary tree, which depends on the data's shape alone.
"""

from __future__ import annotations

import numpy as np

from sharedcompute.operations.reductions.tally import Tally
from sharedcompute.operations.specs import Array, State

WIDE = 512
"""Columns from which on rows need no folding."""


class Accumulator:
    """Adds strips of rows to the states of the blocks that one worker takes, in ascending order.

    Parameters
    ----------
    tally : Tally
    states : State
        Where states are kept, fields of shape (slots, width).
    worker : int
        The worker's slot, where there is one for each.
    """

    def __init__(self, tally: Tally, states: State, worker: int) -> None:
        self.tally = tally
        self.lanes = 1
        while tally.columns and self.lanes * tally.columns < WIDE:
            self.lanes *= 2
        # Plain views: numba is slow to type a subclass.
        self._states = {name: s.view(np.ndarray) for name, s in states.items()}
        self._slot = worker
        if self.lanes > 1:
            size = self.lanes * tally.columns
            self._state: State = {
                name: np.empty(size, dtype) for name, dtype in tally.fields().items()
            }
        if tally.exact:
            self._open(worker)

    @property
    def exact(self) -> bool:
        """Whether all blocks are added to one state."""
        return self.tally.exact

    def begin(self, block: int) -> None:
        """Begin a block."""
        if not self.tally.exact:
            self._open(block)

    def end(self) -> None:
        """Finish a block."""
        if not self.tally.exact:
            self._close()

    def finish(self) -> None:
        """Finish after the last block."""
        if self.tally.exact:
            self._close()

    def take(self) -> State:
        """Return and reset the state accumulated since the last call."""
        self._close()
        taken = {name: s[self._slot].copy() for name, s in self._states.items()}
        self._open(self._slot)
        return taken

    def _open(self, slot: int) -> None:
        self._slot = slot
        if self.lanes == 1:
            # In place: a state of a megapixel is not worth a copy.
            self._state = {name: s[slot] for name, s in self._states.items()}
        self._fields = list(self._state.values())
        self.tally.reset(self._state)

    def add(self, x: Array, start: int) -> None:
        """Add rows from row `start` on."""
        columns, width = self.tally.columns, self.lanes * self.tally.columns
        if not x.size:
            return
        if self.tally.over_all:
            start *= x.size // len(x)
        flat = x.reshape(-1)
        whole = flat.size // width * width
        if whole:
            self._call(flat[:whole].reshape(-1, width), start, self._fields)
        if whole < flat.size:
            rest = flat[whole:].reshape(1, -1)
            # The rest is one folded row, cut short: it goes to the first lanes.
            fields: list[Array] = [values[: rest.shape[1]] for values in self._fields]
            self._call(rest, start + whole // columns, fields)

    def _call(self, x: Array, start: int, fields: list[Array]) -> None:
        t = self.tally
        if t.partial.indexed:
            t.partial.kernel(x, t.skipna, start, self.lanes, t.columns, *fields)
        else:
            t.partial.kernel(x, t.skipna, *fields)

    def _close(self) -> None:
        """Combine the lanes."""
        columns, lanes = self.tally.columns, self.lanes
        if lanes == 1:
            return
        while lanes > 1:
            lanes //= 2
            cut = lanes * columns
            low = {name: s[:cut] for name, s in self._state.items()}
            high = {name: s[cut : 2 * cut] for name, s in self._state.items()}
            self.tally.combine(low, high)
        for name, width in self.tally.widths():
            self._states[name][self._slot] = self._state[name][:width]
