"""Functions that make nodes: shapes and dtypes of results, and what operations are lowered to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph.node import (
    Attributes,
    Call,
    Constant,
    Elementwise,
    Gather,
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
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Map, Scan
from sharedcompute.operations.declarations import Reduce as Reduction
from sharedcompute.operations.parameters import Parameter, bind
from sharedcompute.operations.reductions.reduction import Reduction as BoundReduction
from sharedcompute.operations.rowwise.unpacking import as_asked, unpack_stage
from sharedcompute.operations.specs import Array, ArraySpec, DType, Params, Scalar
from sharedcompute.operations.stages import Argument, Carry, FromModel, Needed, Stage

NUMBERS: Mapping[type, ArraySpec] = MappingProxyType(
    {kind: ArraySpec((), np.dtype(kind)) for kind in (bool, int, float, complex)}
)
"""What Python's numbers are where no array beside them decides."""


def read(source: Source, name: str = "") -> Node:
    """Return the node of all rows of a source, which the user may call by a name."""
    return Node(Read(source, name), (), ArraySpec(source.shape, source.dtype))


def decoded(source: Source, decode_cf: bool) -> Node:
    """Return the node of a source, as the CF attributes of a dataset mean it if that is asked for.

    Raises
    ------
    InputError
        Files that are joined are packed in different ways; an attribute is no number.
    """
    if not isinstance(source, DatasetSource):
        return read(source)
    source = as_asked(source, decode_cf)
    if not decode_cf:
        return read(source)
    rows = widened(read(source))
    stage = unpack_stage(source, rows.spec.dtype)
    return rows if stage is None else staged(stage, rows)


def constant(value: Scalar) -> Node:
    """Return the node of a number."""
    spec = NUMBERS.get(type(value)) or ArraySpec((), np.asarray(value).dtype)
    return Node(Constant(value), (), spec)


def elementwise(
    function: str, dtype: DType, inputs: Sequence[Node], attributes: Attributes = ()
) -> Node:
    """Return the node of a function of single elements.

    Raises
    ------
    InputError
        The shapes do not broadcast.
    """
    shape: tuple[int, ...] = ()
    for given in inputs:
        found = given.spec.shape
        if found and found != shape:
            shape = found if not shape else broadcast(inputs)
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
    if node.spec.dtype != np.float16 or not node.spec.shape:
        return node
    single = np.dtype(np.float32)
    return staged(Stage("half to single precision", widen, (), single, elementwise=True), node)


def widen(x: Array, out: Array) -> None:
    """Convert half precision to single."""
    np.copyto(out, x)


def apply(operation: Map | Scan, params: Params, *inputs: Node) -> Node:
    """Return the rows that a map, stencil or scan gives; of several results the first.

    Raises
    ------
    InputError
        The operation does not suit the data.
    """
    return applied(operation, params, *inputs)[0]


def applied(operation: Map | Scan, params: Params, *inputs: Node) -> tuple[Node, ...]:
    """Return all results of a map, stencil or scan.

    Raises
    ------
    InputError
        The operation does not suit the data, or the inputs each other.
    """
    first = inputs[0].spec.shape
    for x in inputs[1:]:
        if x.spec.shape[:1] != first[:1]:
            raise InputError(
                f"{operation.name}: expected inputs with the same number of rows, got shapes "
                f"{first} and {x.spec.shape}; give the rows that belong together"
            )
    found = inputs
    stages = operation.stages(params, *(x.spec for x in inputs))
    for stage in stages:
        found = results(stage, *found)
    call = Call(operation.name, given(operation.parameters, params), len(stages))
    return tuple(_shown_as(call, node) for node in found) if stages else found


def _shown_as(call: Call, node: Node) -> Node:
    """Return rows that are shown as a call of the operation that gives them."""
    if isinstance(node.op, Reshape):
        # Rows of groups.
        return Node(node.op, (_shown_as(call, node.inputs[0]),), node.spec)
    if not isinstance(node.op, Rowwise | Gather):
        return node
    return Node(replace(node.op, call=call), node.inputs, node.spec)


def given(parameters: Sequence[Parameter], params: Params) -> Attributes:
    """Return the parameters that differ from their defaults."""
    return tuple(
        (p.name, params[p.name])
        for p in parameters
        if p.name in params and (p.required or params[p.name] is not p.default)
    )


def staged(stage: Stage, *inputs: Node) -> Node:
    """Return the rows that one stage gives; of several results the first."""
    return results(stage, *inputs)[0]


def results(stage: Stage, *inputs: Node) -> tuple[Node, ...]:
    """Return the results of one stage, with nodes for what its arguments stand for."""
    whole: list[Node] = []
    args: list[Any] = []
    for argument in stage.args:
        needed = _needed(argument, inputs[0])
        if needed is None:
            args.append(argument)
        else:
            args.append(Argument(len(whole)))
            whole.append(needed)
    lowered = replace(stage, args=tuple(args))
    given = tuple(grouped(x, stage.ratio[1], stage.label) for x in inputs)
    specs = stage.results(given[0].spec)
    if stage.variable:
        none = [ArraySpec((0, *spec.shape[1:]), spec.dtype) for spec in specs]
        return tuple(
            Node(Gather(lowered, len(inputs), result), (*given, *whole), spec)
            for result, spec in enumerate(none)
        )
    return tuple(
        ungrouped(Node(Rowwise(lowered, len(inputs), result), (*given, *whole), spec), stage)
        for result, spec in enumerate(specs)
    )


def grouped(node: Node, size: int, label: str) -> Node:
    """Return rows in groups of `size`, each of which is one row.

    Raises
    ------
    InputError
        Their number is no multiple of it.
    """
    if size == 1:
        return node
    n = node.spec.shape[0]
    if n % size:
        whole = n // size * size
        raise InputError(
            f"{label}: expected a multiple of {size} rows, got {n}: give a window of them, "
            f"x[:{whole}]"
        )
    op, inputs = node.op, node.inputs
    if isinstance(op, Rowwise) and op.stage.elementwise and len(inputs) == 1:
        # What is read is put in groups as it is read.
        inner = grouped(inputs[0], size, label)
        return Node(op, (inner,), ArraySpec(inner.spec.shape, node.spec.dtype))
    return reshape(node, (n // size, size, *node.spec.shape[1:]))


def ungrouped(node: Node, stage: Stage) -> Node:
    """Return the rows of a stage's groups as rows of their own."""
    size = stage.ratio[0]
    shape = node.spec.shape
    return node if size == 1 else reshape(node, (shape[0] * size, *shape[2:]))


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
