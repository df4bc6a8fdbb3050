"""Nodes computed in this process, as a whole: what elementwise functions and small arrays are for.

What is elementwise is NumPy's in a pass, too; reductions go through the kernels, blocks and trees
that a pass has. So the bits are those of a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from sharedcompute.graph.ports import Source
from sharedcompute.graph.rewrite import numpy_keys
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_all
from sharedcompute.operations.reductions.accumulator import Accumulator
from sharedcompute.operations.reductions.reduction import Reduction, cast_result
from sharedcompute.operations.reductions.rows import row_reduction
from sharedcompute.operations.reductions.tally import tally
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.planning.budget.blocks import choose_blocks
from sharedcompute.ufuncs.functions import FUNCTIONS

Compute = Callable[[Node, Sequence[Any]], Any]


def evaluate(node: Node, known: Mapping[str, Array]) -> Array:
    """Return the array that a node stands for.

    Parameters
    ----------
    known : mapping of str to ndarray
        The arrays of nodes that are there already, by their keys.
    """
    found: dict[str, Any] = dict(known)
    nodes = ordered([node])
    wanted = {node.key}
    for n in reversed(nodes):
        if n.key in wanted and n.key not in found:
            wanted.update(i.key for i in n.inputs)
    with np.errstate(all="ignore"):
        for n in nodes:
            if n.key in wanted and n.key not in found:
                found[n.key] = COMPUTED[type(n.op)](n, [found.get(i.key) for i in n.inputs])
    return _own(np.asarray(found[node.key], node.spec.dtype))


def _own(x: Array) -> Array:
    """Return an array without the much larger one that it is a view of."""
    base = x.base
    return x.copy() if isinstance(base, np.ndarray) and base.nbytes > x.nbytes else x


def read_whole(source: Source) -> Array:
    """Return all rows of a source; those of a file are tried first where they may be lost."""
    if isinstance(source, DatasetSource):
        return read_all(source)
    out = np.empty(source.shape, source.dtype)
    reader = source.open()
    try:
        reader.read_box((0,) * len(source.shape), out)
    finally:
        reader.close()
    return out


def _read(node: Node, _: Sequence[Any]) -> Any:
    op: Read = node.op  # type: ignore[assignment]
    return read_whole(op.source)


def _constant(node: Node, _: Sequence[Any]) -> Any:
    op: Constant = node.op  # type: ignore[assignment]
    return op.value


def _elementwise(node: Node, inputs: Sequence[Any]) -> Any:
    op: Elementwise = node.op  # type: ignore[assignment]
    return FUNCTIONS[op.function].call(*inputs, **dict(op.attributes))


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
    x = np.ascontiguousarray(inputs[0])
    if not node.inputs[0].spec.shape:
        # A number, reduced along no axis, is what a row of it is along its only one.
        return reduced(replace(op, axes=(0,), keepdims=False), x.reshape(1))
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
    if op.running:
        # Of the rows before the only block: there are none.
        return made.result({name: s[:1] for name, s in states.items()})
    runner = Accumulator(kept, states, 0)
    for number, (start, stop) in enumerate(blocks):
        runner.begin(number)
        for at in range(start, stop, strip):
            runner.add(x[at : min(at + strip, stop)], at)
        runner.end()
    runner.finish()
    kept.combine_slots(states)
    values = made.result(kept.total(states))
    # As in a pass: kernels take it in full precision, flat.
    return values if op.exact else cast_result(made, values)


COMPUTED: Mapping[type[Any], Compute] = MappingProxyType(
    {
        Read: _read,
        Constant: _constant,
        Elementwise: _elementwise,
        Select: _select,
        Reshape: _reshape,
        Permute: _permute,
        Join: _join,
        Reduce: _reduce,
    }
)
"""How the node of each kind of operation is computed, from the arrays of its inputs."""
