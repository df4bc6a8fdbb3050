"""Reductions that leave rows: each row is reduced along some of its axes, by a stage.

What a row gives depends on that row alone, and so not on where rows are cut into strips.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sharedcompute.operations.declarations import Partial, Reduce
from sharedcompute.operations.reductions.layout import Layout
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.reductions.tally import Tally, tally
from sharedcompute.operations.specs import Array, ArraySpec, DType, Kernel, Params, State
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
        return self._partial.kernel

    @cached_property
    def layout(self) -> Layout:
        """How the axes of a row are grouped."""
        axes = tuple(axis - 1 for axis in self.reduction.axes)
        return Layout.of(self.reduction.spec.shape[1:], axes, across_rows=False)

    @property
    def in_place(self) -> bool:
        """Whether rows are reduced as they stand, and not put in another order before."""
        return self._along is not None or self._middle is not None

    @cached_property
    def _partial(self) -> Partial:
        return self.reduction.partial

    @cached_property
    def _tally(self) -> Tally:
        return tally(self.reduction)

    @cached_property
    def _along(self) -> Kernel | None:
        return self._partial.along if self.layout.is_last else None

    @cached_property
    def _middle(self) -> Kernel | None:
        return self._partial.middle if self.layout.is_middle else None

    @cached_property
    def _fields(self) -> tuple[tuple[str, bool, DType, Any], ...]:
        """Name, whether it is one for all, dtype and identity of each field."""
        dtypes, kept = self._tally.fields, self._tally
        return tuple(
            (
                f.name,
                f.tally and not kept.skipna,
                dtypes[f.name],
                f.identity(kept.dtype, kept.skipna),
            )
            for f in self._partial.fields
        )

    @cached_property
    def _row_step(self) -> int:
        """How many rows are reduced at a time; 0 for all that are given."""
        if not is_ours(self.func):
            # A user's kernel may add up in other ways where it is given more columns.
            return 1
        return 0 if self.in_place else max(1, TURNED // max(1, self.reduction.spec.row_bytes))

    def __call__(self, x: Array, out: Array) -> None:
        """Reduce the rows of `x` to those of `out`."""
        step = self._row_step or max(1, len(x))
        with np.errstate(all="ignore"):
            for start in range(0, len(x), step):
                made = out[start : start + step]
                state = self._state(x[start : start + step])
                result = self.reduction.operation.finalise(state, self.reduction.params)
                # A tally is one number for all columns.
                made[...] = result.reshape(made.shape) if result.size == made.size else result

    def _state(self, x: Array) -> State:
        """Return what the rows add up to: fields of shape (rows * columns,), tallies (1,)."""
        layout = self.layout
        columns = len(x) * layout.columns
        state: State = {}
        for name, one, dtype, identity in self._fields:
            state[name] = np.empty(1 if one else columns, dtype)
            state[name].fill(identity)
        self._add(x, columns, list(state.values()))
        return state

    def _add(self, x: Array, columns: int, fields: list[Array]) -> None:
        layout, skipna = self.layout, self._tally.skipna
        if self._along is not None:
            self._along(x.reshape(columns, layout.reduced), skipna, *fields)
        elif self._middle is not None:
            parts = x.reshape(len(x) * layout.kept[0], layout.gone[0], layout.kept[1])
            self._middle(parts, skipna, *fields)
        else:
            turned = layout.first(x.reshape(len(x), layout.width)).reshape(layout.reduced, columns)
            where = (0, 1, max(1, columns)) if self._partial.indexed else ()
            self._partial.kernel(turned, skipna, *where, *fields)
