"""Tallies: the partial results of a pass, and the tree that combines those of its blocks.

The tree depends on the data's shape alone, and that is why the bits do not depend on the number
of workers. What is exact in any order (counts, sums of integers, the first of the greatest) needs
no tree: a worker adds all of its blocks to one state. With rows of a megapixel the states of all
blocks would be as large as the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sharedcompute.operations.declarations import Partial
from sharedcompute.operations.reductions.layout import Layout
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.specs import Array, DType, State

CACHED = 16 * 1024
"""Columns of a state that are combined at a time; a worker's share of them is whole tiles."""

Allocate = Callable[[tuple[int, ...], DType], Array]


@dataclass(frozen=True)
class Tally:
    """One partial that a pass computes, on behalf of one reduction or several.

    Parameters
    ----------
    partial : Partial
    skipna : bool
    dtype : numpy.dtype
        Of the rows.
    row : tuple of int
        The shape of one.
    axes : tuple of int
        Those of the row that are reduced as well: 0 is the first one of these.
    running : bool
        As of the reduction.
    """

    partial: Partial
    skipna: bool
    dtype: DType
    row: tuple[int, ...]
    axes: tuple[int, ...] = ()
    running: bool = False

    @cached_property
    def layout(self) -> Layout:
        """How the axes of a row are grouped."""
        return Layout.of(self.row, self.axes)

    @property
    def columns(self) -> int:
        """The number of results."""
        return self.layout.columns

    @cached_property
    def fields(self) -> dict[str, DType]:
        """The dtype of each field of the state."""
        return {f.name: f.dtype(self.dtype) for f in self.partial.fields}

    @cached_property
    def widths(self) -> tuple[tuple[str, int], ...]:
        """The numbers in each field of the state: `columns`, or one for all of them."""
        one = not self.skipna
        return tuple((f.name, 1 if f.tally and one else self.columns) for f in self.partial.fields)

    @property
    def nbytes(self) -> int:
        """Bytes of one state."""
        fields = self.fields
        return sum(width * fields[name].itemsize for name, width in self.widths)

    @property
    def working_nbytes(self) -> int:
        """Bytes of the state that a strip goes through, before other axes than rows are folded."""
        one = sum(dtype.itemsize for dtype in self.fields.values())
        return max(self.nbytes, one * self.layout.width)

    def serves(self, other: Tally) -> bool:
        """Return whether this one's fields hold all that the `other` would compute, to the bit."""
        same_data = (self.skipna, self.dtype, self.row, self.axes, self.running) == (
            other.skipna,
            other.dtype,
            other.row,
            other.axes,
            other.running,
        )
        kernels = (self.partial.kernel, *self.partial.covers)
        return (
            same_data
            and other.partial.kernel in kernels
            and other.fields.items() <= self.fields.items()
        )

    @property
    def exact(self) -> bool:
        """Whether blocks may share a state: any grouping of rows gives the same bits."""
        return not self.running and self.dtype.kind in self.partial.exact

    def slots(self, blocks: int, runners: int) -> int:
        """Return the number of states that are kept.

        One for each block; where any grouping is exact, one for each thread that runs blocks, in
        all workers, and one after them, for what `Accumulator.take` returned. The last one of all
        is for the total.
        """
        return (runners + 1 if self.exact else max(1, blocks)) + 1

    def states(self, slots: int, allocate: Allocate) -> State:
        """Allocate `slots` states, fields of shape (slots, width); not initialised."""
        fields = self.fields
        return {name: allocate((slots, width), fields[name]) for name, width in self.widths}

    def reset(self, states: State) -> None:
        """Set every field to its identity."""
        for f in self.partial.fields:
            states[f.name][...] = f.identity(self.dtype, self.skipna)

    def combine(self, a: State, b: State) -> None:
        """Add the state `b` of later rows to the state `a`."""
        self._combine_all([(a, b)])

    def _combine_all(self, pairs: Iterable[tuple[State, State]]) -> None:
        """Add to the first state of each pair the second one."""
        with np.errstate(all="ignore"):
            for a, b in pairs:
                self.partial.combine(a, b, self.skipna)

    def folded(self, state: State, rows: int) -> State:
        """Combine the rows of a state, fields of shape (rows * n,), to one: views of shape (n,).

        Rows are combined in a binary tree, in place.
        """
        widths = {name: s.size // rows for name, s in state.items()}
        halves: list[tuple[State, State]] = []
        while rows > 1:
            half = rows // 2
            low = {name: s[: half * widths[name]] for name, s in state.items()}
            high = {
                name: s[(rows - half) * widths[name] : rows * widths[name]]
                for name, s in state.items()
            }
            halves.append((low, high))
            rows -= half
        self._combine_all(halves)
        return {name: s[: widths[name]] for name, s in state.items()}

    def fold(self, states: State, taken: State) -> None:
        """Add what was taken from a worker to the state that is kept for that."""
        self.combine({name: s.view(np.ndarray)[-2] for name, s in states.items()}, taken)

    def combine_slots(self, states: State, worker: int = 0, workers: int = 1) -> None:
        """Combine all states in a binary tree, for one worker's share of the columns.

        The total is the last state afterwards, all but the tallies: see `total`. The others stay
        as they are: should a worker die, the others begin again. Tiles of columns stay
        in cache for all levels of the tree, and lie where the data alone say.
        """
        if self.running:
            return
        for lo in range(worker * CACHED, self.columns, workers * CACHED):
            self._combine_tile(states, lo)

    def _combine_tile(self, states: State, lo: int) -> None:
        # One number for all columns: each tile adds it up for itself.
        tile = {
            name: np.array(
                states[name].view(np.ndarray)[:-1, lo : lo + CACHED]
                if width == self.columns
                else states[name].view(np.ndarray)[:-1]
            )
            for name, width in self.widths
        }
        slots, step = len(next(iter(tile.values()))), 1
        while step < slots:
            for i in range(0, slots - step, 2 * step):
                a = {name: s[i] for name, s in tile.items()}
                self.combine(a, {name: s[i + step] for name, s in tile.items()})
            step *= 2
        for name, width in self.widths:
            if width == self.columns:
                states[name].view(np.ndarray)[-1, lo : lo + CACHED] = tile[name][0]

    def total(self, states: State) -> State:
        """Return the state of all rows, after `combine_slots`: views, shape (columns,) or (1,)."""
        plain = {name: s.view(np.ndarray) for name, s in states.items()}
        return {
            name: plain[name][-1] if width == self.columns else plain[name][:-1].sum(axis=0)
            for name, width in self.widths
        }

    def prefixes(self, states: State) -> State:
        """Return the combined state before each block: an exclusive scan over block numbers."""
        blocks = len(next(iter(states.values()))) - 1
        before = self.states(blocks, np.empty)
        self.reset(before)
        for block in range(1, blocks):
            for s in before.values():
                s[block] = s[block - 1]
            here = {name: s[block] for name, s in before.items()}
            self.combine(here, {name: s[block - 1] for name, s in states.items()})
        return before


def tally(reduction: Reduction) -> Tally:
    """Return the tally of one reduction."""
    return Tally(
        reduction.partial,
        reduction.skipna,
        reduction.spec.dtype,
        reduction.spec.shape[1:],
        tuple(axis - 1 for axis in reduction.axes if axis),
        reduction.running,
    )


def tallies(reductions: Sequence[Reduction]) -> tuple[Tally, ...]:
    """Return the fewest tallies that serve all `reductions`: mean and std share one."""
    kept: list[Tally] = []
    for wanted in map(tally, reductions):
        if any(have.serves(wanted) for have in kept):
            continue
        kept = [have for have in kept if not wanted.serves(have)] + [wanted]
    return tuple(kept)


def served_by(reduction: Reduction, kept: Sequence[Tally]) -> int:
    """Return which of the tallies of a pass holds the state of `reduction`."""
    wanted = tally(reduction)
    return next(i for i, have in enumerate(kept) if have.serves(wanted))
