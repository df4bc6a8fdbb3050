"""Small graphs, computed at once: no job, no workers, the bits of a job.

Nodes one after the other, without what finds out what is shared, or when a pass is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.engines.units.whole import rows_of
from sharedcompute.graph.node import Constant, Elementwise, Node, Read, Reduce, Rowwise, ordered
from sharedcompute.operations.specs import Array
from sharedcompute.operations.stages import is_ours
from sharedcompute.planning.budget.blocks import BLOCK_BYTES
from sharedcompute.planning.evaluation import COMPUTED
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.ufuncs.functions import FUNCTIONS

LIMIT = 1 << 22
"""Bytes of each array that is read or computed, up to which it is done so: a job costs 5 ms."""

ONE_BLOCK = BLOCK_BYTES[0] // 16
"""Elements that are one block of a job, and one strip, whatever dtypes others in it have."""

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
    small = Small({}, LIMIT if _reduce_one_array(results) else 0)
    with np.errstate(all="ignore"):
        try:
            return [_own(_value(node, small, 0), node) for node in results]
        except _TooLargeError:
            return None
        except _TooDeepError:
            pass
        try:
            for node in ordered(results):
                _value(node, small, 0)
        except _TooLargeError:
            return None
        return [_own(_value(node, small, 0), node) for node in results]


@dataclass(frozen=True)
class Small:
    """The values so far, and the bytes of what is reduced up to which it is computed here."""

    values: Values
    reduced: int


def _reduce_one_array(results: Sequence[Node]) -> bool:
    """Return whether results are reductions of one array, which alone decides on its blocks."""
    given = {id(i) for node in results for i in node.inputs}
    return len(given) == 1 and all(
        type(node.op) is Reduce and type(node.inputs[0].op) is Read for node in results
    )


def _value(node: Node, small: Small, depth: int) -> Any:
    """Return the array of a node, or the number that it is."""
    found = small.values.get(id(node))
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
        inputs = [_value(given, small, depth + 1) for given in node.inputs]
        found = called(*inputs) if not op.attributes else called(*inputs, **dict(op.attributes))
    else:
        compute = _read if type(op) is Read else HERE.get(type(op))
        if compute is None or _is_for_a_job(node, small):
            raise _TooLargeError
        found = compute(node, [_value(given, small, depth + 1) for given in node.inputs])
    small.values[id(node)] = found
    return found


def _is_for_a_job(node: Node, small: Small) -> bool:
    """Return whether a job has other blocks than one or those of the array, or a user's kernel."""
    op = node.op
    if type(op) is Reduce:
        spec = node.inputs[0].spec
        in_blocks = op.running or spec.nbytes > small.reduced
        return prod(spec.shape) > ONE_BLOCK and in_blocks
    return type(op) is Rowwise and not is_ours(op.stage.kernel)


HERE: Mapping[type[Any], Callable[[Node, Sequence[Any]], Any]] = MappingProxyType(
    {**COMPUTED, Rowwise: rows_of}
)
"""How the node of each kind of operation is computed here."""


def _own(value: Any, node: Node) -> Array:
    array: Array = np.asarray(value, node.spec.dtype)
    made = type(node.op) in (Elementwise, Rowwise)
    fresh = made and array.base is None and isinstance(value, np.ndarray)
    return array if fresh else np.array(array, order="C", subok=False)


def _read(node: Node, _: Sequence[Any]) -> Any:
    source: ArraySource = node.op.source  # type: ignore[union-attr,assignment]
    array = source.array if isinstance(source, ArraySource) else None
    if not isinstance(array, np.ndarray):
        raise _TooLargeError
    return array if type(array) is np.ndarray else array.view(np.ndarray)
