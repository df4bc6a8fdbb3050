"""Functions that make nodes: shapes and dtypes of results, and what operations are lowered to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph.node import (
    Attributes,
    Call,
    Constant,
    Elementwise,
    Join,
    Model,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
)
from sharedcompute.graph.ports import Source
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Map, Scan
from sharedcompute.operations.declarations import Reduce as Reduction
from sharedcompute.operations.parameters import Parameter, bind
from sharedcompute.operations.reductions.reduction import Reduction as BoundReduction
from sharedcompute.operations.specs import Array, ArraySpec, DType, Params, Scalar
from sharedcompute.operations.stages import Argument, Carry, FromModel, Needed, Stage


def read(source: Source) -> Node:
    """Return the node of all rows of a source."""
    return Node(Read(source), (), ArraySpec(source.shape, source.dtype))


def constant(value: Scalar) -> Node:
    """Return the node of a number."""
    return Node(Constant(value), (), ArraySpec((), np.asarray(value).dtype))


def elementwise(
    function: str, dtype: DType, inputs: Sequence[Node], attributes: Attributes = ()
) -> Node:
    """Return the node of a function of single elements.

    Raises
    ------
    InputError
        The shapes do not broadcast.
    """
    shape = inputs[0].spec.shape
    for given in inputs[1:]:
        if given.spec.shape not in ((), shape):
            shape = broadcast(inputs)
            break
    return Node(Elementwise(function, attributes), tuple(inputs), ArraySpec(shape, dtype))


def broadcast(inputs: Sequence[Node]) -> tuple[int, ...]:
    """Return the shape that inputs are broadcast to."""
    shapes = [given.spec.shape for given in inputs]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(dict.fromkeys(map(str, shapes)))
        raise InputError(
            f"expected shapes that broadcast against each other, got {listed}: axes are aligned "
            "at the last one and must be equal or 1; give one of them new axes of length 1"
        ) from None


def widened(node: Node) -> Node:
    """Return the rows in a dtype that numba has arithmetic for: half precision has none."""
    if node.spec.dtype != np.float16:
        return node
    single = np.dtype(np.float32)
    return staged(Stage("half to single precision", widen, (), single, elementwise=True), node)


def widen(x: Array, out: Array) -> None:
    """Convert half precision to single."""
    np.copyto(out, x)


def apply(operation: Map | Scan, params: Params, *inputs: Node) -> Node:
    """Return the rows that a map, stencil or scan gives.

    Raises
    ------
    InputError
        The operation does not suit the data.
    """
    first = inputs[0]
    stages = operation.stages(params, first.spec)
    for stage in stages:
        first = staged(stage, first, *inputs[1:])
    if isinstance(first.op, Rowwise) and stages:
        shown = given(operation.parameters, params)
        op = replace(first.op, call=Call(operation.name, shown, len(stages)))
        first = Node(op, first.inputs, first.spec)
    return first


def given(parameters: Sequence[Parameter], params: Params) -> Attributes:
    """Return the parameters that differ from their defaults."""
    return tuple(
        (p.name, params[p.name])
        for p in parameters
        if p.name in params and (p.required or params[p.name] is not p.default)
    )


def staged(stage: Stage, *inputs: Node) -> Node:
    """Return the rows that one stage gives, with nodes for what its arguments stand for."""
    whole: list[Node] = []
    args: list[Any] = []
    for argument in stage.args:
        needed = _needed(argument, inputs[0])
        if needed is None:
            args.append(argument)
        else:
            args.append(Argument(len(whole)))
            whole.append(needed)
    spec = inputs[0].spec
    row = spec.shape[1:] if stage.row_shape is None else stage.row_shape
    op = Rowwise(replace(stage, args=tuple(args)), len(inputs))
    return Node(op, (*inputs, *whole), ArraySpec((spec.shape[0], *row), stage.dtype))


def _needed(argument: object, rows: Node) -> Node | None:
    """Return the node that an argument of a stage stands for; None for a value."""
    if isinstance(argument, Needed | Carry):
        operation = find(argument.reduction, "reduce")
        assert isinstance(operation, Reduction)
        params = bind(operation.name, operation.parameters, {"skipna": argument.skipna})
        running = isinstance(argument, Carry)
        return reduced(operation, params, rows, (0,), exact=True, running=running)
    if isinstance(argument, FromModel):
        return Node(Model(argument.name), (rows,), ArraySpec((), np.dtype(np.float64)))
    return None


def reduced(
    operation: Reduction,
    params: Params,
    node: Node,
    axes: tuple[int, ...],
    *,
    keepdims: bool = False,
    exact: bool = False,
    running: bool = False,
) -> Node:
    """Return a reduction along some axes, which are sorted and from 0 on."""
    shape = node.spec.shape
    left = tuple(
        1 if axis in axes else n for axis, n in enumerate(shape) if keepdims or axis not in axes
    )
    dtype = np.dtype(np.float64) if exact else operation.dtype(node.spec.dtype, params)
    return Node(
        Reduce(operation, params, axes, keepdims, exact, running), (node,), ArraySpec(left, dtype)
    )


def reduction_of(node: Node) -> BoundReduction:
    """Return the reduction that a node stands for."""
    op = node.op
    assert isinstance(op, Reduce)
    spec = node.inputs[0].spec
    return BoundReduction(op.operation, op.params, spec, op.axes, op.keepdims, op.running)


def select(node: Node, keys: tuple[slice | int, ...]) -> Node:
    """Return a box of a node; of a window its box at once.

    Parameters
    ----------
    keys : tuple of (slice or int)
        One for each axis, as `Select` has them.
    """
    if all(key == slice(0, n, 1) for key, n in zip(keys, node.spec.shape, strict=True)):
        return node
    shape = tuple(len(range(k.start, k.stop, k.step)) for k in keys if isinstance(k, slice))
    return Node(Select(keys), (node,), ArraySpec(shape, node.spec.dtype))


def reshape(node: Node, shape: tuple[int, ...]) -> Node:
    """Return the same elements in another shape, which has as many."""
    if shape == node.spec.shape:
        return node
    return Node(Reshape(shape), (node,), ArraySpec(shape, node.spec.dtype))


def permute(node: Node, axes: tuple[int, ...]) -> Node:
    """Return the same elements with another order of axes."""
    if axes == tuple(range(len(axes))):
        return node
    shape = tuple(node.spec.shape[axis] for axis in axes)
    return Node(Permute(axes), (node,), ArraySpec(shape, node.spec.dtype))


def join(nodes: Sequence[Node], axis: int) -> Node:
    """Return arrays one after the other along an axis; their other axes and dtypes are equal."""
    if len(nodes) == 1:
        return nodes[0]
    shape = list(nodes[0].spec.shape)
    shape[axis] = sum(node.spec.shape[axis] for node in nodes)
    return Node(Join(axis), tuple(nodes), ArraySpec(tuple(shape), nodes[0].spec.dtype))
