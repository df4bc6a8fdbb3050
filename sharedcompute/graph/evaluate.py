"""The values of small nodes, computed by NumPy in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph.build import reduction_of
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
from sharedcompute.operations.reductions.whole import reduce_whole
from sharedcompute.operations.specs import Array
from sharedcompute.ufuncs.functions import FUNCTIONS


def evaluate(node: Node, known: Mapping[str, Array]) -> Array:
    """Return the array that a node stands for.

    Parameters
    ----------
    known : mapping of str to ndarray
        The arrays of nodes that are there already, by their keys.
    """
    found: dict[str, Any] = dict(known)
    wanted = {node.key}
    for n in reversed(ordered([node])):
        if n.key in wanted and n.key not in found:
            wanted.update(i.key for i in n.inputs)
    with np.errstate(all="ignore"):
        for n in ordered([node]):
            if n.key in wanted and n.key not in found:
                found[n.key] = _value(n, [found.get(i.key) for i in n.inputs])
    return np.asarray(found[node.key], node.spec.dtype)


def _value(node: Node, given: list[Any]) -> Any:  # noqa: PLR0911 - one for each kind.
    op = node.op
    match op:
        case Read():
            return read_whole(op.source)
        case Constant():
            return op.value
        case Elementwise():
            return FUNCTIONS[op.function].call(*given, **dict(op.attributes))
        case Select():
            return given[0][op.keys]
        case Reshape():
            return given[0].reshape(op.shape)
        case Permute():
            return given[0].transpose(op.axes)
        case Join():
            return np.concatenate(given, op.axis)
        case Reduce():
            return reduce_whole(reduction_of(node), given[0], exact=op.exact)
    raise InputError(f"expected an expression, got {type(op).__name__}")


def read_whole(source: Source) -> Array:
    """Return all rows of a source."""
    out = np.empty(source.shape, source.dtype)
    reader = source.open()
    try:
        reader.read_box((0,) * len(source.shape), out)
    finally:
        reader.close()
    return out
