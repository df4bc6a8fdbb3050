"""What no pass over rows computes: it is computed in this process, before the job.

That is what puts rows in another order: transposing them, joining arrays along them, taking a
window of rows that were computed together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sharedcompute.api.lazy.memory import check_memory
from sharedcompute.api.lazy.operands import node_of_array
from sharedcompute.graph import build
from sharedcompute.graph.node import Join, Node, Permute, Read, Reshape, Select, ordered
from sharedcompute.graph.rewrite import numpy_keys
from sharedcompute.hdf5.window import Window
from sharedcompute.operations.specs import Array
from sharedcompute.planning.demand import has_rows
from sharedcompute.planning.in_memory import ArraySource, windowed_array

NAMES = {
    Select: "taking rows of what is computed",
    Reshape: "reshape",
    Permute: "transposing rows",
    Join: "joining rows",
}

Compute = Callable[[Sequence[Node]], list[Array]]


def settled(results: Sequence[Node], compute: Compute) -> list[Node]:
    """Return the same results with arrays in memory for what no pass computes.

    Parameters
    ----------
    results : sequence of Node
    compute : callable
        Returns the arrays of nodes.

    Raises
    ------
    MemoryBudgetError
        They do not fit the memory.
    """
    changed: dict[int, Node] = {}
    known: dict[str, bool] = {}
    for node in ordered(results):
        inputs = tuple(changed.get(id(given), given) for given in node.inputs)
        same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
        made = _windowed(node if same else Node(node.op, inputs, node.spec))
        known[made.key] = has_rows(made, known)
        if _is_out_of_order(made, known):
            check_memory(NAMES[type(made.op)], (*made.inputs, made))
            made = node_of_array(_value(made, compute(made.inputs)))
            known[made.key] = has_rows(made, known)
        if made is not node:
            changed[id(node)] = made
    return [changed.get(id(node), node) for node in results]


def is_settled(result: Node) -> bool:
    """Return whether passes compute a result."""
    known: dict[str, bool] = {}
    for node in ordered((result,)):
        known[node.key] = has_rows(node, known)
        if _is_out_of_order(node, known):
            return False
    return True


def _windowed(node: Node) -> Node:
    """Return a window of an array in memory as what is read."""
    if not isinstance(node.op, Select) or not node.spec.shape:
        return node
    below = node.inputs[0].op
    if not isinstance(below, Read) or not isinstance(below.source, ArraySource):
        return node
    window = Window.of(numpy_keys(node.op.keys), node.inputs[0].spec.shape)
    return build.read(windowed_array(below.source, window), below.name)


def _is_out_of_order(node: Node, known: dict[str, bool]) -> bool:
    """Return whether the rows of a node are none of the rows that it is made of."""
    moved = isinstance(node.op, Select | Reshape | Permute | Join)
    return moved and not known[node.key] and any(known[given.key] for given in node.inputs)


def _value(node: Node, arrays: Sequence[Array]) -> Array:
    op, first = node.op, arrays[0]
    if isinstance(op, Select):
        return np.ascontiguousarray(first[numpy_keys(op.keys)]).reshape(node.spec.shape)
    if isinstance(op, Reshape):
        return first.reshape(op.shape)
    if isinstance(op, Permute):
        return np.ascontiguousarray(first.transpose(op.axes))
    assert isinstance(op, Join)
    return np.concatenate(arrays, op.axis)
