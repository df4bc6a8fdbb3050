"""Running the kernel of one node over all rows, in arrays that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sharedcompute.engines.engine import undeliverable
from sharedcompute.engines.units.block import BlockRunner
from sharedcompute.graph.node import Node, Rowwise, is_running
from sharedcompute.operations.specs import Array
from sharedcompute.operations.stages import Argument
from sharedcompute.planning.in_memory import ArraySink, ArraySource
from sharedcompute.planning.passes import Operand, Pass, Step, Store
from sharedcompute.planning.program import stage_of
from sharedcompute.rows import Blocks


def _operand(argument: object, nodes: Sequence[Node], arrays: Sequence[Array]) -> Operand:
    if not isinstance(argument, Argument):
        return Operand(argument)
    return Operand(arrays[argument.number], per_block=is_running(nodes[argument.number]))


def rows_of(node: Node, inputs: Sequence[Array]) -> Array:
    """Return the rows that a node's kernel gives for those of its inputs, as one block."""
    op = node.op
    assert isinstance(op, Rowwise)
    stage, count = stage_of(node), op.rows
    given, whole = inputs[:count], inputs[count:]
    operands = tuple(_operand(a, node.inputs[count:], whole) for a in stage.args)
    out = np.empty(node.spec.shape, node.spec.dtype)
    if not len(out):
        return out
    specs = stage.results(node.inputs[0].spec) if stage.more else (node.spec,)
    step = Step(replace(stage, args=()), tuple(range(count)), operands, count, specs)
    work = Pass(
        tuple(map(ArraySource, given)),
        (step,),
        (Store(count + op.result, ArraySink(out)),),
        (),
        Blocks(len(out), len(out)),
        len(out),
        "",
    )
    runner = BlockRunner(work, (), undeliverable)
    try:
        runner.run(0)
    finally:
        runner.close()
    return out
