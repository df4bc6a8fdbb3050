"""The running states of the reductions of one pass, and the tree that combines their blocks.

Narrow rows are folded into *lanes*: with 3 columns, `lanes` rows side by side make one row of
``3 * lanes`` columns, so that a kernel's inner loop is long enough for vector instructions. A
reduction over all elements is the same thing with one column. At the end of a block the lanes are
combined in a fixed binary tree, and at the end of the pass so are the blocks. Both trees depend on
the data's shape alone, and that is why the bits do not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.operations.base import (
    Array,
    ArraySpec,
    DType,
    Params,
    Partial,
    Reduce,
    State,
)

WIDE = 512
"""Columns from which on rows need no folding."""

CACHED = 4096
"""Elements of a state that are combined at a time."""

Allocate = Callable[[tuple[int, ...], DType], Array]


@dataclass(frozen=True)
class Reduction:
    """One reduction with its parameters, over the rows or over all elements of `spec`."""

    operation: Reduce
    params: Params
    spec: ArraySpec
    over_all: bool = False

    @property
    def skipna(self) -> bool:
        """Whether NaN is left out. Only floating data has any."""
        return bool(self.params.get("skipna", False)) and self.spec.dtype.kind in "fc"

    @property
    def columns(self) -> int:
        """How many results there are."""
        return 1 if self.over_all else self.spec.row_size

    @property
    def result_spec(self) -> ArraySpec:
        """Shape and dtype of the result; a number has the shape ()."""
        shape = () if self.over_all else self.spec.shape[1:]
        return ArraySpec(shape, self.operation.dtype(self.spec.dtype, self.params))

    def result(self, states: State) -> Array:
        """The result in full precision, shape (columns,), from the combined states."""
        with np.errstate(all="ignore"):
            return self.operation.finalise(states, self.params)


@dataclass(frozen=True)
class Tally:
    """One partial that a pass computes, on behalf of one reduction or several."""

    partial: Partial
    skipna: bool
    dtype: DType
    columns: int
    over_all: bool

    def fields(self) -> dict[str, DType]:
        """The dtype of each field of the state."""
        return {f.name: f.dtype(self.dtype) for f in self.partial.fields}

    @property
    def nbytes(self) -> int:
        """Bytes of one state."""
        return self.columns * sum(dtype.itemsize for dtype in self.fields().values())

    def serves(self, other: Tally) -> bool:
        """Whether this one's fields hold all that the `other` would compute, to the bit."""
        same_data = (self.skipna, self.dtype, self.columns, self.over_all) == (
            other.skipna,
            other.dtype,
            other.columns,
            other.over_all,
        )
        kernels = (self.partial.kernel, *self.partial.covers)
        return (
            same_data
            and other.partial.kernel in kernels
            and other.fields().items() <= self.fields().items()
        )

    def states(self, shape: tuple[int, ...], allocate: Allocate) -> State:
        """States of `shape`, each field at its identity."""
        made = {name: allocate(shape, dtype) for name, dtype in self.fields().items()}
        self.reset(made)
        return made

    def reset(self, states: State) -> None:
        """Put every field back to its identity."""
        for f in self.partial.fields:
            states[f.name][...] = f.identity(self.dtype, self.skipna)

    def combine(self, a: State, b: State) -> None:
        """Add the state `b` of later rows to the state `a`."""
        with np.errstate(all="ignore"):
            self.partial.combine(a, b, self.skipna)

    def combine_blocks(self, states: State) -> State:
        """The states of all blocks, shape (blocks, columns), combined in a binary tree.

        The first row holds the result afterwards.
        """
        blocks, step = len(next(iter(states.values()))), 1
        # So many pairs at a time that NumPy's temporaries stay in cache: 4 times as fast.
        slab = max(1, CACHED // max(1, self.columns)) * 2
        while step < blocks:
            for first in range(0, blocks - step, slab * step):
                last = min(first + slab * step, blocks)
                a = {name: s[first : last - step : 2 * step] for name, s in states.items()}
                b = {name: s[first + step : last : 2 * step] for name, s in states.items()}
                self.combine(a, b)
            step *= 2
        return {name: s[0] for name, s in states.items()}

    def prefixes(self, states: State) -> State:
        """What all blocks before each block add up to: an exclusive scan over block numbers."""
        before = self.states(next(iter(states.values())).shape, np.empty)
        for block in range(1, len(next(iter(states.values())))):
            for s in before.values():
                s[block] = s[block - 1]
            here = {name: s[block] for name, s in before.items()}
            self.combine(here, {name: s[block - 1] for name, s in states.items()})
        return before


def tally(reduction: Reduction) -> Tally:
    """What has to be computed for one reduction."""
    return Tally(
        reduction.operation.partial,
        reduction.skipna,
        reduction.spec.dtype,
        reduction.columns,
        reduction.over_all,
    )


def tallies(reductions: Sequence[Reduction]) -> tuple[Tally, ...]:
    """The fewest partials that serve all `reductions`: mean and std share one."""
    kept: list[Tally] = []
    for wanted in map(tally, reductions):
        if any(have.serves(wanted) for have in kept):
            continue
        kept = [have for have in kept if not wanted.serves(have)] + [wanted]
    return tuple(kept)


class Accumulator:
    """Adds strips of rows to the state of one block.

    Parameters
    ----------
    tally : Tally
    """

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.lanes = 1
        while tally.columns and self.lanes * tally.columns < WIDE:
            self.lanes *= 2
        self._state = tally.states((self.lanes * tally.columns,), np.empty)
        self._fields = list(self._state.values())

    def reset(self) -> None:
        """Begin a block."""
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
            fields = [values[: rest.shape[1]] for values in self._fields]
            self._call(rest, start + whole // columns, fields)

    def _call(self, x: Array, start: int, fields: list[Array]) -> None:
        t = self.tally
        if t.partial.indexed:
            t.partial.kernel(x, t.skipna, start, self.lanes, t.columns, *fields)
        else:
            t.partial.kernel(x, t.skipna, *fields)

    def finish(self, states: State, block: int) -> None:
        """Combine the lanes and note the state as that of `block`."""
        columns, lanes = self.tally.columns, self.lanes
        while lanes > 1:
            lanes //= 2
            cut = lanes * columns
            low = {name: s[:cut] for name, s in self._state.items()}
            high = {name: s[cut : 2 * cut] for name, s in self._state.items()}
            self.tally.combine(low, high)
        for name, s in self._state.items():
            states[name][block] = s[:columns]


def served_by(reduction: Reduction, kept: Sequence[Tally]) -> int:
    """Which of the tallies of a pass holds the state of `reduction`."""
    wanted = tally(reduction)
    return next(i for i, have in enumerate(kept) if have.serves(wanted))


def cast_result(reduction: Reduction, values: Array) -> Array:
    """The result with NumPy's dtype and shape."""
    spec = reduction.result_spec
    with np.errstate(all="ignore"):
        result: Any = values.astype(spec.dtype).reshape(spec.shape)
    return np.asarray(result)
