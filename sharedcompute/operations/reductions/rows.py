"""Reductions that leave rows: each row is reduced along some of its axes, by a stage.

What a row gives depends on that row alone, and so not on where rows are cut into strips.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sharedcompute.operations.declarations import Reduce
from sharedcompute.operations.reductions.layout import Layout
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.reductions.tally import Tally, tally
from sharedcompute.operations.specs import Array, ArraySpec, Kernel, Params, State
from sharedcompute.operations.stages import Stage, is_ours

TURNED = 256 * 1024
"""Bytes of rows whose axes are put in another order at a time: they stay in cache."""


def row_reduction(
    operation: Reduce,
    params: Params,
    spec: ArraySpec,
    axes: tuple[int, ...],
    keepdims: bool = False,
) -> Stage:
    """Return the stage that reduces each row of data of `spec` along `axes`.

    Parameters
    ----------
    operation : Reduce
    params : mapping
        Bound.
    spec : ArraySpec
    axes : tuple of int
        As `normal_axes` gives them, without 0.
    keepdims : bool
        Rows keep the axes that are reduced, of length 1.
    """
    reduction = Reduction(operation, params, spec, axes, keepdims)
    reduction.check()
    result = reduction.result_spec
    kernel = RowReduction(reduction)
    return Stage(
        operation.name,
        kernel,
        (),
        result.dtype,
        row_shape=result.shape[1:],
        copies=0 if kernel.in_place else 1,
    )


@dataclass(frozen=True)
class RowReduction:
    """The kernel of such a stage: ``kernel(x, out)`` on any number of rows."""

    reduction: Reduction

    @property
    def func(self) -> Kernel:
        """What is called for it, which may be a user's."""
        return self.reduction.partial.kernel

    @cached_property
    def layout(self) -> Layout:
        """How the axes of a row are grouped."""
        axes = tuple(axis - 1 for axis in self.reduction.axes)
        return Layout.of(self.reduction.spec.shape[1:], axes, across_rows=False)

    @property
    def in_place(self) -> bool:
        """Whether rows are reduced as they stand, and not put in another order before."""
        return self._is_along or self._is_in_the_middle

    @property
    def _is_along(self) -> bool:
        return self.layout.is_last and self.reduction.partial.along is not None

    @property
    def _is_in_the_middle(self) -> bool:
        return self.layout.is_middle and self.reduction.partial.middle is not None

    def __call__(self, x: Array, out: Array) -> None:
        """Reduce the rows of `x` to those of `out`."""
        step = self._at_a_time(x)
        for start in range(0, len(x), step):
            rows, made = x[start : start + step], out[start : start + step]
            result = self.reduction.result(self._state(rows))
            # A tally is one number for all columns.
            result = np.broadcast_to(result, (made.size,))
            with np.errstate(all="ignore"):
                made[...] = result.reshape(made.shape)

    def _at_a_time(self, x: Array) -> int:
        if not is_ours(self.func):
            # A user's kernel may add up in other ways where it is given more columns.
            return 1
        return max(1, len(x) if self.in_place else TURNED // max(1, x[:1].nbytes))

    def _state(self, x: Array) -> State:
        """Return what the rows add up to: fields of shape (rows * columns,), tallies (1,)."""
        made, layout, partial = self._tally, self.layout, self.reduction.partial
        columns = len(x) * layout.columns
        dtypes = made.fields()
        state: State = {
            f.name: np.empty(1 if f.tally and not made.skipna else columns, dtypes[f.name])
            for f in partial.fields
        }
        made.reset(state)
        if self._is_along:
            assert partial.along is not None
            partial.along(x.reshape(columns, layout.reduced), made.skipna, *state.values())
        elif self._is_in_the_middle:
            assert partial.middle is not None
            parts = x.reshape(len(x) * layout.kept[0], layout.gone[0], layout.kept[1])
            partial.middle(parts, made.skipna, *state.values())
        else:
            turned = layout.first(x.reshape(len(x), layout.width))
            self._add(turned.reshape(layout.reduced, columns), state)
        return state

    @cached_property
    def _tally(self) -> Tally:
        return tally(self.reduction)

    def _add(self, x: Array, state: State) -> None:
        partial = self.reduction.partial
        where = (0, 1, max(1, x.shape[1])) if partial.indexed else ()
        partial.kernel(x, self._tally.skipna, *where, *state.values())
