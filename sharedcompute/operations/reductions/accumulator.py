"""Accumulators: rows are added to the states of blocks, strip by strip.

Narrow rows are folded into *lanes*: with 3 columns, `lanes` rows side by side make one row of
``3 * lanes`` columns, so that a kernel's inner loop is long enough for vector instructions. A
reduction over all elements is the same thing with one column. At the end of a block the lanes are
combined in a fixed binary tree, which depends on the data's shape alone.

Other axes that are reduced with the rows are rows too where they come first. Where they come last
each row is reduced along them by itself, and where there is no kernel for that, or they lie between
others, they have columns of their own until the end of a block.
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
        layout = tally.layout
        self._along = tally.partial.along if layout.is_last else None
        self._width = layout.columns if self._along else layout.width
        self.lanes = 1
        while self._width and self.lanes * self._width < WIDE and not self._along:
            self.lanes *= 2
        # Plain views: numba is slow to type a subclass.
        self._states = {name: s.view(np.ndarray) for name, s in states.items()}
        self._slot = worker
        self._apart = self.lanes > 1 or bool(layout.gone)
        if self._apart:
            self._state = self._empty(self.lanes * self._width)
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

    def _empty(self, size: int) -> State:
        return {name: np.empty(size, dtype) for name, dtype in self.tally.fields.items()}

    def _open(self, slot: int) -> None:
        self._slot = slot
        if not self._apart:
            # In place: a state of a megapixel is not worth a copy.
            self._state = {name: s[slot] for name, s in self._states.items()}
        self._fields = list(self._state.values())
        self.tally.reset(self._state)

    def add(self, x: Array, start: int) -> None:
        """Add rows from row `start` on."""
        if not x.size:
            return
        if self._along is not None:
            self._add_along(x)
            return
        columns, width = self._width, self.lanes * self._width
        start *= x.size // len(x) // columns
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
            t.partial.kernel(x, t.skipna, start, self.lanes, self._width, *fields)
        else:
            t.partial.kernel(x, t.skipna, *fields)

    def _add_along(self, x: Array) -> None:
        """Reduce each row along its last axes, and add what these give."""
        assert self._along is not None
        flat = x.reshape(-1, self.tally.layout.gone[0])
        rows = self._empty(len(flat))
        self.tally.reset(rows)
        self._along(flat, self.tally.skipna, *rows.values())
        self.tally.combine(self._state, self.tally.folded(rows, len(flat) // self._width))

    def _close(self) -> None:
        """Combine the lanes, and what is reduced of them."""
        if not self._apart:
            return
        state = self.tally.folded(self._state, self.lanes)
        layout = self.tally.layout
        if layout.gone and not self._along:
            state = {name: layout.first(s) for name, s in state.items()}
            gone = layout.reduced
            state = self.tally.folded(state, gone) if gone else self._nothing()
        for name, width in self.tally.widths:
            self._states[name][self._slot] = state[name][:width] if layout.columns else 0

    def _nothing(self) -> State:
        """Return the state of no elements."""
        state = self._empty(self.tally.columns)
        self.tally.reset(state)
        return state
