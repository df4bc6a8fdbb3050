"""Nodes of the same elements in other shapes, with NumPy's arguments."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from sharedcompute.api.lazy import elementwise
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Node

Axes = SupportsIndex | Sequence[SupportsIndex]


def reshape(node: Node, shape: int | Sequence[int]) -> Node:
    """Return the node of another shape, one of whose sides may be -1.

    Raises
    ------
    InputError
        It has another number of elements.
    """
    wanted = tuple(map(int, (shape,) if isinstance(shape, SupportsIndex) else shape))
    size, known = math.prod(node.spec.shape), math.prod(n for n in wanted if n != -1)
    open_sides = wanted.count(-1)
    if open_sides == 1 and known and size % known == 0:
        wanted = tuple(size // known if n == -1 else n for n in wanted)
    if open_sides > 1 or min(wanted, default=0) < 0 or math.prod(wanted) != size:
        raise InputError(
            f"expected a shape with as many elements as {node.spec.shape}, which has {size}, got "
            f"{wanted}; one side may be -1"
        )
    return build.reshape(node, wanted)


def transpose(node: Node, axes: Sequence[SupportsIndex] | None = None) -> Node:
    """Return the node of another order of axes; by default from the last to the first."""
    ndim = len(node.spec.shape)
    if axes is None:
        return build.permute(node, tuple(range(ndim))[::-1])
    order = normalize_axis_tuple(tuple(map(operator.index, axes)), ndim)
    if len(order) != ndim:
        raise InputError(f"axes: expected each of {ndim} axes once, got {tuple(axes)}")
    return build.permute(node, order)


def swapaxes(node: Node, first: SupportsIndex, second: SupportsIndex) -> Node:
    """Return the node with two axes that have changed places."""
    order = list(range(len(node.spec.shape)))
    one, other = (normalize_axis_index(a, len(order)) for a in (first, second))  # type: ignore[arg-type]
    order[one], order[other] = order[other], order[one]
    return build.permute(node, tuple(order))


def moveaxis(node: Node, source: Axes, destination: Axes) -> Node:
    """Return the node with some axes at other places; the others keep their order."""
    ndim = len(node.spec.shape)
    begin = normalize_axis_tuple(source, ndim, "source")  # type: ignore[arg-type]
    end = normalize_axis_tuple(destination, ndim, "destination")  # type: ignore[arg-type]
    if len(begin) != len(end):
        raise InputError(f"expected as many places as axes, got {source} and {destination}")
    order = [axis for axis in range(ndim) if axis not in begin]
    for at, axis in sorted(zip(end, begin, strict=True)):
        order.insert(at, axis)
    return build.permute(node, tuple(order))


def expand_dims(node: Node, axis: Axes) -> Node:
    """Return the node with new axes of length 1."""
    added = axis if isinstance(axis, Sequence) else (axis,)
    ndim = len(node.spec.shape) + len(added)
    places = normalize_axis_tuple(tuple(map(operator.index, added)), ndim)
    sides = iter(node.spec.shape)
    return build.reshape(node, tuple(1 if a in places else next(sides) for a in range(ndim)))


def squeeze(node: Node, axis: Axes | None = None) -> Node:
    """Return the node without axes of length 1: all, or those that are named.

    Raises
    ------
    InputError
        One that is named is longer.
    """
    shape = node.spec.shape
    if axis is None:
        return build.reshape(node, tuple(n for n in shape if n != 1))
    gone = normalize_axis_tuple(axis, len(shape))  # type: ignore[arg-type]
    for a in gone:
        if shape[a] != 1:
            raise InputError(f"squeeze: expected axes of length 1, axis {a} of {shape} is longer")
    return build.reshape(node, tuple(n for a, n in enumerate(shape) if a not in gone))


def concatenate(nodes: Sequence[Node], axis: SupportsIndex | None = 0) -> Node:
    """Return the node of arrays one after the other along an axis; None: flattened.

    Raises
    ------
    InputError
        There are none, or their other axes differ.
    """
    if not nodes:
        raise InputError("expected at least one array to join, got none")
    if axis is None:
        nodes, axis = [reshape(node, -1) for node in nodes], 0
    shapes = [node.spec.shape for node in nodes]
    at = normalize_axis_index(axis, len(shapes[0]))  # type: ignore[arg-type]
    for shape in shapes[1:]:
        if len(shape) != len(shapes[0]) or any(
            a != b for n, (a, b) in enumerate(zip(shape, shapes[0], strict=True)) if n != at
        ):
            raise InputError(
                f"expected arrays that differ along axis {at} only, got shapes {shapes[0]} and "
                f"{shape}"
            )
    dtype = np.result_type(*(node.spec.dtype for node in nodes))
    return build.join([elementwise.astype(node, dtype) for node in nodes], at)


def stack(nodes: Sequence[Node], axis: SupportsIndex = 0) -> Node:
    """Return the node of arrays beside each other along a new axis."""
    for node in nodes[1:]:
        if node.spec.shape != nodes[0].spec.shape:
            raise InputError(
                f"stack: expected arrays of one shape, got {nodes[0].spec.shape} and "
                f"{node.spec.shape}"
            )
    return concatenate([expand_dims(node, axis) for node in nodes], axis)


def broadcast_to(node: Node, shape: int | Sequence[int]) -> Node | None:
    """Return the node of another shape with new axes of length 1; None for longer ones.

    Raises
    ------
    InputError
        It does not broadcast to that shape.
    """
    wanted = tuple(map(int, (shape,) if isinstance(shape, SupportsIndex) else shape))
    try:
        found = np.broadcast_shapes(node.spec.shape, wanted)
    except ValueError:
        found = ()
    if found != wanted:
        raise InputError(f"expected a shape that {node.spec.shape} broadcasts to, got {wanted}")
    same = math.prod(wanted) == math.prod(node.spec.shape)
    return build.reshape(node, wanted) if same else None
