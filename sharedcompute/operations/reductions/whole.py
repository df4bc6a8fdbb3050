"""Reductions of arrays that are in memory already, and small: at once, in this process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sharedcompute.operations.reductions.accumulator import Accumulator
from sharedcompute.operations.reductions.reduction import Reduction, cast_result
from sharedcompute.operations.reductions.rows import row_reduction
from sharedcompute.operations.reductions.tally import tally
from sharedcompute.operations.specs import Array, ArraySpec


def reduce_whole(reduction: Reduction, x: Array, *, exact: bool = False) -> Array:
    """Return the result of a reduction of an array; `exact`, in full precision and flat."""
    x = np.ascontiguousarray(x).reshape(reduction.spec.shape)
    if not x.shape:
        one = ArraySpec((1,), reduction.spec.dtype)
        return reduce_whole(replace(reduction, spec=one, axes=(0,), keepdims=False), x.reshape(1))
    if not reduction.across_rows:
        args = (reduction.params, reduction.spec, reduction.axes, reduction.keepdims)
        stage = row_reduction(reduction.operation, *args)
        out = np.empty((len(x), *(stage.row_shape or ())), stage.dtype)
        stage.kernel(x, out, *stage.args)
        return out
    kept = tally(reduction)
    states = kept.states(kept.slots(1, 1), np.empty)
    if kept.exact:
        kept.reset(states)
    accumulator = Accumulator(kept, states, 0)
    accumulator.begin(0)
    accumulator.add(x, 0)
    accumulator.end()
    accumulator.finish()
    kept.combine_slots(states)
    values = reduction.result(kept.total(states))
    return values if exact else cast_result(reduction, values)
