"""Running lazy arrays: small ones at once, others as one job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.lazy.evaluate import LIMIT, evaluate
from sharedcompute.api.lazy.memory import check_room, nbytes
from sharedcompute.api.lazy.opened import refreshed, source_of
from sharedcompute.api.lazy.settling import is_settled, settled
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.graph import build
from sharedcompute.graph.node import Node, Read, Reduce, Rowwise, ordered
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_all
from sharedcompute.operations.rowwise.unpacking import unpacked
from sharedcompute.operations.specs import Array
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.planning.job import ExpressionStep
from sharedcompute.planning.plan import Plan

DEFAULTS = Settings()


def in_memory(
    nodes: Sequence[Node], settings: Settings = DEFAULTS, listen: Listener | None = None
) -> list[Array]:
    """Return the arrays of nodes, where there is memory for them.

    Raises
    ------
    MemoryBudgetError
        There is not.
    """
    here = settings.team is None and listen is None and _is_auto(settings)
    found = evaluate(nodes) if here else None
    if found is not None:
        return found
    check_room(nodes, settings.options.memory)
    nodes = ready(nodes, settings, listen)
    if here:
        nodes = with_small_reads(nodes)
        found = evaluate(nodes)
        if found is not None:
            return found
    arrays = [_read(node) if here and source_of(node) is not None else None for node in nodes]
    left = [n for n, array in enumerate(arrays) if array is None]
    if left:
        plan = plan_of([(nodes[n], None) for n in left], None, settings)
        for n, array in zip(left, _run(plan, settings, listen), strict=True):
            arrays[n] = array
    return [array for array in arrays if array is not None]


def ready(nodes: Sequence[Node], settings: Settings, listen: Listener | None) -> list[Node]:
    """Return the same, of files as they are now, with what no pass computes in memory."""
    return settled(refreshed(nodes), lambda given: in_memory(given, settings, listen))


def with_small_reads(nodes: Sequence[Node]) -> Sequence[Node]:
    """Return the same with arrays in memory for small windows of datasets.

    Where there are reductions a job has blocks that follow chunks; that gives other bits.
    """
    graph = ordered(nodes)
    small = all(nbytes(n) <= LIMIT for n in graph)
    if not small or any(isinstance(n.op, Reduce | Rowwise) for n in graph):
        return nodes
    changed: dict[int, Node] = {}
    for node in graph:
        source = node.op.source if isinstance(node.op, Read) else None
        if isinstance(source, DatasetSource):
            changed[id(node)] = build.read(ArraySource(_read(node)))
        elif node.inputs:
            changed[id(node)] = Node(
                node.op, tuple(changed.get(id(i), i) for i in node.inputs), node.spec
            )
    return [changed.get(id(node), node) for node in nodes]


def _is_auto(settings: Settings) -> bool:
    options = settings.options
    asked = (options.block_rows, options.workers, options.memory)
    return options.engine == "auto" and asked == (None, None, None)


def _run(plan: Plan, settings: Settings, listen: Listener | None) -> list[Array]:
    return [np.asarray(found) for found in run_and_warn(plan, settings.team, listen).results]


def plan_in_memory(node: Node) -> JobPlan[Array]:
    """Plan to compute a node.

    Raises
    ------
    InputError
        Some of it is to be computed before anything of it can be planned.
    """
    (now,) = refreshed((node,))
    if not is_settled(now):
        raise InputError(
            "expected an array whose rows stay rows, got one with its rows in another order: "
            "compute it, or plan what it is made of"
        )
    plan = plan_of([(now, None)], None, DEFAULTS)
    return JobPlan(plan, lambda listen: _run(plan, DEFAULTS, listen)[0])


def plan_of(
    wanted: Sequence[tuple[Node, str | None]], output: Address | None, settings: Settings
) -> Plan:
    """Plan the job that computes nodes, and saves those that have a path in the output."""
    steps = tuple(ExpressionStep(node, save) for node, save in wanted)
    return make_plan(make_job(None, steps, output, settings), settings)


def _read(node: Node) -> Array:
    """Return the numbers of what is read and no more."""
    source = source_of(node)
    if isinstance(source, DatasetSource):
        rows = read_all(source)
        return rows if isinstance(node.op, Read) else unpacked(source, rows)
    assert isinstance(source, ArraySource)
    return np.array(source.array, subok=False)
