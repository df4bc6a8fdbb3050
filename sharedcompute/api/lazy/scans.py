"""Nodes of what accumulates along an axis."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import DTypeLike

from sharedcompute.api.lazy import elementwise, shapes
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Scan
from sharedcompute.operations.parameters import bind


def scan(name: str, node: Node, axis: SupportsIndex | None, dtype: DTypeLike | None = None) -> Node:
    """Return the node of a scan along an axis; None: of the flat array, as NumPy has it.

    Along other axes than the first, the axes change places twice.
    """
    if dtype is not None:
        node = elementwise.astype(node, np.dtype(dtype))
    if axis is None:
        node, axis = shapes.reshape(node, -1), 0
    at = normalize_axis_index(axis, len(node.spec.shape))  # type: ignore[arg-type]
    operation = find(name, "scan")
    assert isinstance(operation, Scan)
    params = bind(name, operation.parameters, {})
    first = shapes.swapaxes(node, 0, at)
    made = build.apply(operation, params, build.widened(first))
    if node.spec.dtype == np.float16:
        made = elementwise.astype(made, node.spec.dtype)
    return shapes.swapaxes(made, 0, at)
