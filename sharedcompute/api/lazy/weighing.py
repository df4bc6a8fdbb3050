"""Nodes of reductions with weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.plain_reductions import Axes, axes_of, plain
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Node

WEIGHTED = ("mean", "std", "sum", "var")
"""Reductions that have a meaning with weights."""


def weighted(
    name: str,
    node: Node,
    weights: Node,
    axis: Axes = None,
    *,
    keepdims: bool = False,
    skipna: bool = False,
) -> Node:
    """Return the node of a reduction with weights, as of xarray's ``weighted``.

    Parameters
    ----------
    name : {"mean", "std", "sum", "var"}
        Of sums of ``w * x``, divided by the sum of the weights; the variance is the mean of the
        squared distances from the mean.
    weights : Node
        Broadcast against the array; or of one dimension, an entry for each place along the axis.
    skipna : bool
        Leave NaN out, with their weights.
    """
    if name not in WEIGHTED:
        raise InputError(f"{name}: expected one of {', '.join(WEIGHTED)} with weights")
    call, shape = elementwise.call, node.spec.shape
    axes = axes_of(axis, len(shape))
    weights = _spread_out(weights, shape, axes)
    dtype = np.result_type(node.spec.dtype, weights.spec.dtype)
    dtype = dtype if dtype.kind in "fc" else np.dtype(np.float64)
    node, weights = elementwise.astype(node, dtype), elementwise.astype(weights, dtype)
    if skipna and dtype.kind in "fc":
        gone = call("isnan", node)
        node, weights = call("where", gone, 0, node), call("where", gone, 0, weights)

    def total(values: Node, kept: bool) -> Node:
        return plain("sum", call("multiply", values, weights), axes, keepdims=kept)

    def weight(kept: bool) -> Node:
        each = math.prod(n for a, n in enumerate(shape) if a in axes and weights.spec.shape[a] == 1)
        return call("multiply", plain("sum", weights, axes, keepdims=kept), each)

    if name == "sum":
        return total(node, keepdims)
    if name == "mean":
        return call("divide", total(node, keepdims), weight(keepdims))
    mean = call("divide", total(node, True), weight(True))
    apart = call("square", call("absolute", call("subtract", node, mean)))
    var = call("divide", total(apart, keepdims), weight(keepdims))
    return call("sqrt", var) if name == "std" else var


def average(node: Node, axis: Axes, weights: Node, keepdims: bool) -> tuple[Node, Node]:
    """Return the nodes of a weighted average, and of the sum of its weights.

    Raises
    ------
    InputError
        The weights are neither like the array nor one for each place along the axes.
    """
    shape, given = node.spec.shape, weights.spec.shape
    axes = axes_of(axis, len(shape))
    if given != shape:
        named = normalize_axis_tuple(axis, len(shape)) if axis is not None else ()  # type: ignore[arg-type]
        along = tuple(shape[a] for a in named)
        if axis is None or given != along:
            raise InputError(
                f"weights: expected shape {shape}, or with an axis one for each place along it, "
                f"got {given}"
            )
        weights = build.permute(weights, tuple(map(named.index, axes)))
        weights = build.reshape(weights, tuple(n if a in axes else 1 for a, n in enumerate(shape)))
    call = elementwise.call
    dtype = np.result_type(node.spec.dtype, weights.spec.dtype)
    if node.spec.dtype.kind not in "fc":
        dtype = np.result_type(dtype, np.float64)
    node, weights = elementwise.astype(node, dtype), elementwise.astype(weights, dtype)
    total = plain("sum", call("multiply", node, weights), axes, keepdims=keepdims)
    weight = plain("sum", weights, axes, keepdims=keepdims)
    return call("divide", total, weight), weight


def _spread_out(weights: Node, shape: tuple[int, ...], axes: tuple[int, ...]) -> Node:
    """Return weights with as many axes as an array of `shape`, each of its length or 1."""
    given = weights.spec.shape
    if len(given) == 1 and len(axes) == 1 and given == (shape[axes[0]],):
        sides = tuple(n if axis == axes[0] else 1 for axis, n in enumerate(shape))
        return build.reshape(weights, sides)
    fits = len(given) <= len(shape) and all(
        a in (1, n) for a, n in zip(reversed(given), reversed(shape), strict=False)
    )
    if not fits:
        raise InputError(
            f"weights: expected a shape that broadcasts to {shape}, or one entry for each place "
            f"along the axis, got {given}"
        )
    return build.reshape(weights, (*(1,) * (len(shape) - len(given)), *given))
