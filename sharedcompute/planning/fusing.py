"""Fusing elementwise functions: those of one result are one step of a pass, with one kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from sharedcompute.graph.node import Constant, Elementwise, Node
from sharedcompute.graph.text import text
from sharedcompute.operations.stages import Argument, Stage
from sharedcompute.planning.demand import Demand
from sharedcompute.ufuncs.kernel import Kernel
from sharedcompute.ufuncs.program import Builder


@dataclass(frozen=True)
class Fused:
    """Elementwise functions that are computed together.

    Parameters
    ----------
    node : Node
        The result.
    rows, whole : tuple of Node
        What they take row by row, and what as a whole.
    stage : Stage
    """

    node: Node
    rows: tuple[Node, ...]
    whole: tuple[Node, ...]
    stage: Stage


def inner_nodes(nodes: Sequence[Node], targets: set[str], demand: Demand) -> set[str]:
    """Return the keys of the functions whose results one other function alone takes.

    Parameters
    ----------
    nodes : sequence of Node
        Of one pass.
    targets : set of str
        The keys of those whose rows are stored or reduced.
    """
    users: Counter[str] = Counter()
    user: dict[str, Node] = {}
    for node in nodes:
        if not demand.is_fed(node):
            for key in {i.key for i in demand.row_inputs(node)}:
                users[key] += 1
                user[key] = node
    return {
        node.key
        for node in nodes
        if isinstance(node.op, Elementwise)
        and not demand.is_fed(node)
        and node.key not in targets
        and users[node.key] == 1
        and isinstance(user[node.key].op, Elementwise)
        and user[node.key].spec.shape == node.spec.shape
    }


def fuse(node: Node, inner: set[str], demand: Demand) -> Fused:
    """Return a function with all that is computed on the way to it alone."""
    calls = list(_calls(node, inner))
    given = {i.key: i for call in calls for i in call.inputs if i.key not in inner}
    by_row = {i.key for call in calls for i in call.inputs if demand.by_row(i, call)}
    rows = tuple(n for k, n in given.items() if k in by_row)
    beside = [n for k, n in given.items() if k not in by_row]
    whole = tuple(n for n in beside if not isinstance(n.op, Constant))
    builder = Builder([n.spec.dtype for n in (*rows, *whole)])
    numbers = {n.key: number for number, n in enumerate((*rows, *whole))}
    for n in given.values():
        if isinstance(n.op, Constant):
            numbers[n.key] = builder.constant(n.op.value)
    for call in calls:
        assert isinstance(call.op, Elementwise)
        operands = (numbers[i.key] for i in call.inputs)
        numbers[call.key] = builder.call(call.op.function, *operands, attributes=call.op.attributes)
    program = builder.program(numbers[node.key])
    names = {n.key: f"x{number}" for number, n in enumerate((*rows, *whole))}
    stage = Stage(
        text(node, names),
        Kernel(program, len(rows)).for_elements(prod(node.spec.shape)),
        tuple(map(Argument, range(len(whole)))),
        node.spec.dtype,
        row_shape=node.spec.shape[1:],
        elementwise=True,
    )
    return Fused(node, rows, whole, stage)


def _calls(node: Node, inner: set[str]) -> Iterator[Node]:
    """Yield the functions to compute, each once, operands first."""
    seen: set[str] = set()
    left: list[tuple[Node, bool]] = [(node, False)]
    while left:
        n, done = left.pop()
        if done:
            yield n
        elif n.key not in seen:
            seen.add(n.key)
            left.append((n, True))
            left += [(i, False) for i in reversed(n.inputs) if i.key in inner]
