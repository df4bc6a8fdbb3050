"""Nodes of reductions of all elements along some axes."""

from __future__ import annotations

import functools
import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from sharedcompute.api.lazy import elementwise
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Reduce
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.specs import DType

Axes = SupportsIndex | tuple[SupportsIndex, ...] | None

FILLS: dict[str, object] = {"sum": 0, "prod": 1, "any": False, "all": True}
"""What takes the place of elements that `where` leaves out."""


def axes_of(axis: Axes, ndim: int) -> tuple[int, ...]:
    """Return axes, sorted and from 0 on.

    Raises
    ------
    numpy.exceptions.AxisError
        There is none of that number.
    ValueError
        One is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    given = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(normalize_axis_tuple(tuple(map(operator.index, given)), ndim)))


def plain(
    name: str,
    node: Node,
    axes: tuple[int, ...],
    *,
    keepdims: bool = False,
    ddof: float = 0,
    skipna: bool = False,
) -> Node:
    """Return the node of a reduction of all elements along some axes, from 0 on."""
    if not axes:
        return _of_each(name, node, ddof, skipna)
    params: dict[str, object] = {}
    if skipna:
        params["skipna"] = True
    if ddof:
        params["ddof"] = ddof
    operation, bound = _bound(name, tuple(params.items()))
    operation.check(node.spec)
    made = build.reduced(operation, bound, build.widened(node), axes, keepdims=keepdims)
    if node.spec.dtype == np.float16 and made.spec.dtype == np.float32:
        return elementwise.astype(made, node.spec.dtype)
    return made


@functools.cache
def _bound(name: str, params: tuple[tuple[str, object], ...]) -> tuple[Reduce, dict[str, Any]]:
    operation = find(name, "reduce")
    assert isinstance(operation, Reduce)
    return operation, bind(name, operation.parameters, dict(params))


def _of_each(name: str, node: Node, ddof: float, skipna: bool) -> Node:
    """Return the node of a reduction along no axis: of each element by itself."""
    call = elementwise.call
    if name in ("any", "all"):
        return call("not_equal", node, 0)
    if name in ("argmin", "argmax"):
        return call("multiply", elementwise.astype(node, np.dtype(np.int64)), 0)
    if name in ("var", "std"):
        own = elementwise.astype(node, np.result_type(node.spec.dtype, np.float16))
        apart = call("absolute", call("subtract", own, own))
        return elementwise.astype(call("divide", apart, 1 - ddof), dtype_of(name, node))
    if skipna and name in FILLS and node.spec.dtype.kind in "fc":
        node = call("where", call("isnan", node), FILLS[name], node)
    return elementwise.astype(node, dtype_of(name, node))


def dtype_of(name: str, node: Node) -> DType:
    """Return the dtype of a reduction of an array."""
    operation, params = _bound(name, ())
    return operation.dtype(node.spec.dtype, params)
