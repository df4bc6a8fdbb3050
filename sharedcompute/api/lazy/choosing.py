"""Nodes of reductions of the elements where a condition holds."""

from __future__ import annotations

import math

import numpy as np

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.operands import node_of
from sharedcompute.api.lazy.plain_reductions import FILLS, Axes, axes_of, dtype_of, plain
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Node

EXTREMES = {"min": ("minimum", "fmin"), "max": ("maximum", "fmax")}
"""Reductions without an identity, and what they are of two elements, also without NaN."""


def condition(where: Node, node: Node, skipna: bool) -> Node:
    """Return the node of a condition for elements of another one, with as many axes."""
    if where.spec.dtype != bool:
        raise InputError(f"where: expected an array of bool, got {where.spec.dtype}: compare it")
    build.broadcast((where, node))
    ahead = len(node.spec.shape) - len(where.spec.shape)
    where = build.reshape(where, (1,) * ahead + where.spec.shape)
    if skipna and node.spec.dtype.kind in "fc":
        there = elementwise.call("logical_not", elementwise.call("isnan", node))
        return elementwise.call("logical_and", where, there)
    return where


def of_chosen(
    name: str, node: Node, where: Node, axes: tuple[int, ...], keepdims: bool, ddof: float
) -> Node:
    """Return the node of a reduction of those elements where a condition holds."""
    call = elementwise.call
    if name in FILLS:
        node = call("where", where, node, FILLS[name])
        return plain(name, node, axes, keepdims=keepdims)
    if name in EXTREMES:
        raise InputError(
            f"{name}: expected initial beside where, got none: write {name}(x, where=..., "
            "initial=...), of a lazy array or in an expression"
        )
    if name not in ("mean", "var", "std"):
        raise InputError(
            f"{name}: expected no where, as in NumPy, got one: put a number that does not matter "
            "in place of the others, by numpy.where"
        )
    dtype = dtype_of(name, node)
    if name == "mean":
        mean = call("divide", *_total_and_count(node, where, axes, keepdims))
        return elementwise.astype(mean, dtype)
    mean = call("divide", *_total_and_count(node, where, axes, True))
    apart = call("absolute", call("subtract", node, mean))
    total, count = _total_and_count(call("square", apart), where, axes, keepdims)
    var = call("divide", total, call("maximum", call("subtract", count, ddof), 0))
    return elementwise.astype(call("sqrt", var) if name == "std" else var, dtype)


def _total_and_count(
    node: Node, where: Node, axes: tuple[int, ...], keepdims: bool
) -> tuple[Node, Node]:
    """Return the sum, and the number, of those elements where a condition holds."""
    total = plain("sum", elementwise.call("where", where, node, 0), axes, keepdims=keepdims)
    each = math.prod(
        n for axis, n in enumerate(node.spec.shape) if axis in axes and where.spec.shape[axis] == 1
    )
    met = plain("sum", where, axes, keepdims=keepdims)
    return total, elementwise.call("multiply", met, each)


def extreme(
    name: str,
    node: Node,
    axis: Axes,
    *,
    keepdims: bool,
    initial: object,
    where: object,
    skipna: bool,
) -> Node:
    """Return the node of the least or the greatest element.

    Parameters
    ----------
    name : {"min", "max"}
    initial : scalar or None
        A number that takes part, too: with `where` it has to be given.
    """
    axes = axes_of(axis, len(node.spec.shape))
    if initial is None and where is not True:
        return of_chosen(name, node, condition(node_of(where), node, skipna), axes, keepdims, 0)
    if initial is None:
        return plain(name, node, axes, keepdims=keepdims, skipna=skipna)
    first = np.full((), initial, node.spec.dtype)[()]
    if where is not True:
        mask = condition(node_of(where), node, skipna)
        node = elementwise.call("where", mask, node, first)
    found = plain(name, node, axes, keepdims=keepdims, skipna=skipna)
    return elementwise.call(EXTREMES[name][skipna], found, first)
