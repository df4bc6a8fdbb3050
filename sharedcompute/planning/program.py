"""The program of a pass: values numbered, feeds first, and a step for each kernel call."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sharedcompute.graph.node import (
    Elementwise,
    Gather,
    Join,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
    is_running,
)
from sharedcompute.graph.ports import Source
from sharedcompute.operations.reductions.rows import row_reduction
from sharedcompute.operations.specs import Array
from sharedcompute.operations.stages import Argument, Stage
from sharedcompute.planning.demand import Demand, is_read_in_groups
from sharedcompute.planning.fusing import fuse, inner_nodes
from sharedcompute.planning.grouped import Grouped
from sharedcompute.planning.passes import GatherOutput, Operand, Step
from sharedcompute.planning.planned import Computed


@dataclass
class Program:
    """The feeds and the steps of one pass.

    Attributes
    ----------
    feeds : list of Source
    steps : list of Step
    values : dict of str to int
        By the keys of nodes.
    """

    feeds: list[Source] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)


def program(targets: Sequence[Node], demand: Demand) -> Program:
    """Return the program that gives the rows of some nodes."""
    made = Program()
    nodes = _needed(targets, demand)
    for node in nodes:
        if demand.is_fed(node):
            made.values[node.key] = len(made.feeds)
            made.feeds.append(feed_of(node))
    inner = inner_nodes(nodes, {node.key for node in targets}, demand)
    count = len(made.feeds)
    calls: dict[str, int] = {}
    for node in nodes:
        if not demand.is_fed(node) and node.key not in inner:
            call = _call_key(node)
            if call not in calls:
                calls[call] = count
                step = _step(node, count, made.values, inner, demand)
                made.steps.append(step)
                count += len(step.specs)
            made.values[node.key] = calls[call] + (
                node.op.result if isinstance(node.op, Rowwise) else 0
            )
    return made


def _call_key(node: Node) -> str:
    """Return the key of the kernel call that gives the rows of a node: of its first result."""
    if not isinstance(node.op, Rowwise) or not node.op.result:
        return node.key
    first = node.op.stage.results(node.inputs[0].spec)[0]
    return Node(replace(node.op, result=0), node.inputs, first).key


def _needed(targets: Sequence[Node], demand: Demand) -> list[Node]:
    """Return the row-shaped nodes that targets need in one pass, inputs first."""
    wanted = {node.key for node in targets}
    for node in reversed(demand.by_rows.values()):
        if node.key in wanted and not demand.is_fed(node):
            wanted.update(i.key for i in demand.row_inputs(node))
    return [node for node in demand.by_rows.values() if node.key in wanted]


def feed_of(node: Node) -> Source:
    """Return the source of a node that is read, or computed as a whole before."""
    if isinstance(node.op, Read):
        return node.op.source
    if is_read_in_groups(node):
        inner = node.inputs[0].op
        assert isinstance(inner, Read)
        return Grouped(inner.source, node.spec.shape[1])
    return Computed(node.key, node.spec)


def _step(node: Node, result: int, values: dict[str, int], inner: set[str], demand: Demand) -> Step:
    if isinstance(node.op, Elementwise):
        fused = fuse(node, inner, demand)
        stage, rows, whole = fused.stage, fused.rows, fused.whole
    else:
        stage, rows = stage_of(node), tuple(demand.row_inputs(node))
        whole = tuple(i for i in node.inputs if not demand.by_row(i, node))
    operands = tuple(_operand(argument, whole) for argument in stage.args)
    inputs = tuple(values[n.key] for n in rows)
    specs = (node.spec,) if not stage.more else stage.results(node.inputs[0].spec)
    return Step(replace(stage, args=()), inputs, operands, result, specs)


def gathers(nodes: Sequence[Node], values: Mapping[str, int]) -> tuple[GatherOutput, ...]:
    """Return the kernel calls that gather rows, one for all results of each."""
    found: dict[str, GatherOutput] = {}
    for node in nodes:
        op = node.op
        assert isinstance(op, Gather)
        specs = op.stage.results(node.inputs[0].spec)
        first = Node(replace(op, result=0), node.inputs, specs[0]).key
        if first not in found:
            operands = tuple(_operand(a, node.inputs[op.rows :]) for a in op.stage.args)
            inputs = tuple(values[i.key] for i in node.inputs[: op.rows])
            step = Step(replace(op.stage, args=()), inputs, operands, -1, specs)
            found[first] = GatherOutput(step, ("",) * len(specs))
        keys = list(found[first].keys)
        keys[op.result] = node.key
        found[first] = replace(found[first], keys=tuple(keys))
    return tuple(found.values())


def _operand(argument: object, whole: Sequence[Node]) -> Operand:
    if not isinstance(argument, Argument):
        return Operand(argument)
    node = whole[argument.number]
    return Operand(key=node.key, per_block=is_running(node))


def stage_of(node: Node) -> Stage:
    """Return the kernel call that gives the rows of a node."""
    op, spec = node.op, node.spec
    if isinstance(op, Rowwise):
        return op.stage
    row = spec.shape[1:]
    if isinstance(op, Reduce):
        given = node.inputs[0].spec
        return row_reduction(op.operation, op.params, given, op.axes, op.keepdims)
    if isinstance(op, Select):
        keys = (slice(None), *op.keys[1:])
        return Stage("select", functools.partial(_select, keys), (), spec.dtype, row_shape=row)
    if isinstance(op, Reshape):
        return Stage("reshape", _reshape, (), spec.dtype, row_shape=row)
    if isinstance(op, Permute):
        kernel = functools.partial(_permute, op.axes)
        return Stage("transpose", kernel, (), spec.dtype, row_shape=row)
    assert isinstance(op, Join)
    return Stage("concatenate", functools.partial(_join, op.axis), (), spec.dtype, row_shape=row)


def _select(keys: tuple[slice | int, ...], x: Array, out: Array) -> None:
    """Copy a box of each row."""
    np.copyto(out, x[keys])


def _reshape(x: Array, out: Array) -> None:
    """Copy rows to rows of another shape."""
    np.copyto(out, x.reshape(out.shape))


def _permute(axes: tuple[int, ...], x: Array, out: Array) -> None:
    """Copy rows with their axes in another order."""
    np.copyto(out, x.transpose(axes))


def _join(axis: int, *arrays: Array) -> None:
    """Copy several rows side by side."""
    *parts, out = arrays
    np.concatenate(parts, axis, out=out)
