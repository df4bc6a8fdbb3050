"""Small graphs, computed at once: no job, no workers, the bits of a job.

What is elementwise is NumPy's in a job, too; reductions go through the kernels, blocks and trees
that a job would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.graph.node import (
    Constant,
    Elementwise,
    Join,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Select,
    ordered,
)
from sharedcompute.graph.rewrite import numpy_keys
from sharedcompute.operations.reductions.accumulator import Accumulator
from sharedcompute.operations.reductions.reduction import Reduction, cast_result
from sharedcompute.operations.reductions.rows import row_reduction
from sharedcompute.operations.reductions.tally import tally
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.planning.budget.blocks import choose_blocks
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.ufuncs.functions import FUNCTIONS

LIMIT = 1 << 20
"""Bytes of each array that is read or computed, up to which it is done so."""

DEEPEST = 100
"""Nodes one below the other that are gone down by calls of functions."""

Values = dict[int, Any]
Compute = Callable[[Node, Sequence[Any]], Any]


class _TooLargeError(Exception):
    """A node is too large, or of a kind that only a job computes."""


class _TooDeepError(Exception):
    """Nodes are too many, one below the other, to be gone down by calls."""


def evaluate(results: Sequence[Node]) -> list[Array] | None:
    """Return the arrays of small graphs of arrays in memory; None where a job is to do it.

    Each array is the caller's own.
    """
    values: Values = {}
    with np.errstate(all="ignore"):
        try:
            return [_own(_value(node, values, 0), node) for node in results]
        except _TooLargeError:
            return None
        except _TooDeepError:
            pass
        try:
            for node in ordered(results):
                _value(node, values, 0)
        except _TooLargeError:
            return None
        return [_own(_value(node, values, 0), node) for node in results]


def _value(node: Node, values: Values, depth: int) -> Any:
    """Return the array of a node, or the number that it is."""
    found = values.get(id(node))
    if found is not None:
        return found
    op = node.op
    if type(op) is Constant:
        return op.value
    spec = node.spec
    size = spec.dtype.itemsize
    for side in spec.shape:
        size *= side
    if size > LIMIT or depth > DEEPEST:
        raise _TooLargeError if size > LIMIT else _TooDeepError
    if type(op) is Elementwise:
        called = FUNCTIONS[op.function].call
        inputs = [_value(given, values, depth + 1) for given in node.inputs]
        found = called(*inputs) if not op.attributes else called(*inputs, **dict(op.attributes))
    else:
        compute = COMPUTED.get(type(op))
        if compute is None:
            raise _TooLargeError
        found = compute(node, [_value(given, values, depth + 1) for given in node.inputs])
    values[id(node)] = found
    return found


def _own(value: Any, node: Node) -> Array:
    array: Array = np.asarray(value, node.spec.dtype)
    fresh = type(node.op) is Elementwise and array.base is None and isinstance(value, np.ndarray)
    return array if fresh else np.array(array, order="C", subok=False)


def _read(node: Node, _: Sequence[Any]) -> Any:
    source: ArraySource = node.op.source  # type: ignore[union-attr,assignment]
    array = source.array if isinstance(source, ArraySource) else None
    if not isinstance(array, np.ndarray):
        raise _TooLargeError
    return array if type(array) is np.ndarray else array.view(np.ndarray)


def _select(node: Node, inputs: Sequence[Any]) -> Any:
    op: Select = node.op  # type: ignore[assignment]
    return inputs[0][numpy_keys(op.keys)]


def _reshape(node: Node, inputs: Sequence[Any]) -> Any:
    return np.reshape(inputs[0], node.spec.shape)


def _permute(node: Node, inputs: Sequence[Any]) -> Any:
    op: Permute = node.op  # type: ignore[assignment]
    return np.transpose(inputs[0], op.axes)


def _join(node: Node, inputs: Sequence[Any]) -> Any:
    op: Join = node.op  # type: ignore[assignment]
    return np.concatenate(inputs, op.axis)


def _reduce(node: Node, inputs: Sequence[Any]) -> Any:
    op: Reduce = node.op  # type: ignore[assignment]
    if op.exact or op.running:
        raise _TooLargeError
    x = np.ascontiguousarray(inputs[0])
    if 0 in op.axes:
        return reduced(op, x)
    out = np.empty(node.spec.shape, node.spec.dtype)
    row_reduction(op.operation, op.params, node.inputs[0].spec, op.axes, op.keepdims).kernel(x, out)
    return out


def reduced(op: Reduce, x: Array) -> Array:
    """Return a reduction of an array, of which some blocks make a pass."""
    spec = ArraySpec(x.shape, x.dtype)
    made = Reduction(op.operation, op.params, spec, op.axes, op.keepdims)
    kept = tally(made)
    state = kept.nbytes
    blocks, strip = choose_blocks(
        spec.rows,
        spec.row_bytes,
        alignment=1,
        halo=0,
        state_bytes=state,
        kept_bytes=0 if kept.exact else state,
        block_rows=None,
    )
    states = kept.states(kept.slots(len(blocks), 1), np.empty)
    kept.reset(states)
    runner = Accumulator(kept, states, 0)
    for number, (start, stop) in enumerate(blocks):
        runner.begin(number)
        for at in range(start, stop, strip):
            runner.add(x[at : min(at + strip, stop)], at)
        runner.end()
    runner.finish()
    kept.combine_slots(states)
    return cast_result(made, made.result(kept.total(states)))


COMPUTED: Mapping[type[Any], Compute] = MappingProxyType(
    {
        Read: _read,
        Select: _select,
        Reshape: _reshape,
        Permute: _permute,
        Join: _join,
        Reduce: _reduce,
    }
)
