"""Small graphs, computed at once: no job, no workers, the bits of a job.

Nodes one after the other, without what finds out what is shared, or when a pass is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sharedcompute.graph.node import Constant, Elementwise, Node, Read, Reduce, ordered
from sharedcompute.operations.specs import Array
from sharedcompute.planning.evaluation import COMPUTED
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.ufuncs.functions import FUNCTIONS

LIMIT = 1 << 20
"""Bytes of each array that is read or computed, up to which it is done so."""

DEEPEST = 100
"""Nodes one below the other that are gone down by calls of functions."""

Values = dict[int, Any]


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
        compute = _read if type(op) is Read else COMPUTED.get(type(op))
        if compute is None or (type(op) is Reduce and (op.exact or op.running)):
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
