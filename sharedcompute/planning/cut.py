"""Cutting a graph into passes: the longest chain of reductions that rows need, and one more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sharedcompute.graph.build import reduction_of
from sharedcompute.graph.node import Node, Reduce, Rowwise
from sharedcompute.graph.ports import Sink
from sharedcompute.operations.stages import is_ours
from sharedcompute.planning.budget.blocks import lone_strip
from sharedcompute.planning.demand import Demand, spaces
from sharedcompute.planning.in_memory import ArraySink
from sharedcompute.planning.passes import Pass, ReductionOutput, Step, Store
from sharedcompute.planning.planned import PlannedSink, ToMemory
from sharedcompute.planning.program import gathers, program
from sharedcompute.rows import Blocks

Cuts = Mapping[int, tuple[Blocks, int]]
"""Blocks and rows of a strip, by the number of rows in all."""


@dataclass(frozen=True)
class RowResult:
    """A result that has rows.

    Parameters
    ----------
    node : Node
    step : int
        Which step of the job has it.
    sink : Sink, DatasetSink or ToMemory
    name : str
        Of a reduction among those of its step; else empty.
    group : int
        Rows of the sink for each row of the node.
    """

    node: Node
    step: int
    sink: Sink | PlannedSink
    name: str = ""
    group: int = 1


def cut(demand: Demand, results: Sequence[RowResult], cuts: Cuts, purpose: str) -> list[Pass]:
    """Return the passes in their order; the last one over the rows of `results` stores them."""
    reduced = _levels(demand, results)
    kept = {n: demand.level[n.key] for n in demand.kept.values()}
    gathered = {n: demand.gathered_at(n) for n in demand.gathered}
    levels = (*reduced.values(), *kept.values(), *gathered.values())
    last = max([0, *levels, *_stored_at(demand, results)])
    found: list[Pass] = []
    for level in range(last + 1):
        here = [n for n, at in reduced.items() if at == level]
        whole = [n for n, at in kept.items() if at == level]
        taken = [n for n, at in gathered.items() if at == level]
        stored = list(results) if level == last else []
        rows = [*(n.inputs[0] for n in (*here, *taken)), *whole]
        # Those with results come last.
        after = spaces(r.node for r in stored)
        for n in [*(n for n in spaces(rows) if n not in after), *after]:
            found.append(
                _pass(
                    demand,
                    [r for r in here if r.inputs[0].spec.shape[0] == n],
                    [k for k in whole if k.spec.shape[0] == n],
                    [g for g in taken if g.inputs[0].spec.shape[0] == n],
                    [s for s in stored if s.node.spec.shape[0] == n],
                    cuts[n],
                    purpose if level == last else "",
                    str(len(found) + 1),
                )
            )
    return found


def nothing(purpose: str) -> Pass:
    """Return the pass of a job whose results need no rows: they are computed as a whole."""
    return Pass((), (), (), (), Blocks(0, 1), 1, purpose, "1")


def _stored_at(demand: Demand, results: Sequence[RowResult]) -> list[int]:
    return [demand.level[result.node.key] for result in results]


def _levels(demand: Demand, results: Sequence[RowResult]) -> dict[Node, int]:
    """Return the pass of each reduction: the earliest one that there is in any case."""
    own = {n: demand.level[n.inputs[0].key] for n in demand.reduced}
    needed = {n for n in own if n.key in demand.used}
    stored = _stored_at(demand, results)
    there = {own[n] for n in needed} | {demand.level[k] for k in demand.kept}
    there |= {max(stored)} if stored else set()
    return {
        n: at if n in needed else min((level for level in there if level >= at), default=at)
        for n, at in own.items()
    }


def _pass(
    demand: Demand,
    reduced: Sequence[Node],
    kept: Sequence[Node],
    gathered: Sequence[Node],
    stored: Sequence[RowResult],
    blocks: tuple[Blocks, int],
    purpose: str,
    section: str,
) -> Pass:
    targets = [*(n.inputs[0] for n in reduced), *kept, *(result.node for result in stored)]
    targets += [i for n in gathered for i in n.inputs if demand.goes_over(i, n)]
    made = program(targets, demand)
    stores = [
        Store(made.values[r.node.key], r.sink, r.step, name=r.name, group=r.group) for r in stored
    ]
    stores += [Store(made.values[n.key], ToMemory(n.spec), None, n.key) for n in kept]
    outputs = [
        ReductionOutput(made.values[n.inputs[0].key], reduction_of(n), n.key, is_exact(n))
        for n in reduced
    ]
    work = Pass(
        tuple(made.feeds),
        tuple(made.steps),
        tuple(stores),
        tuple(outputs),
        *blocks,
        purpose or _purpose(demand, reduced, kept),
        section,
        gathers(gathered, made.values),
    )
    if not _goes_through_memory_once(work):
        return work
    row_bytes = max(spec.row_bytes for spec in work.specs)
    return replace(work, strip=lone_strip(work.blocks, work.strip, row_bytes))


def _goes_through_memory_once(work: Pass) -> bool:
    """Return whether one kernel takes rows where they are, and writes where they stay."""
    return (
        len(work.steps) == 1
        and _is_of_single_rows(work.steps[0])
        and not work.reductions
        and not work.gathers
        and all(feed.scratch_nbytes(1) == 0 for feed in work.feeds)
        and [store.value for store in work.stores] == [work.steps[0].result]
        and all(isinstance(store.sink, ArraySink | ToMemory) for store in work.stores)
    )


def _is_of_single_rows(step: Step) -> bool:
    """Return whether a kernel of ours makes each row of one row."""
    carries = any(operand.per_block for operand in step.operands)
    return is_ours(step.stage.kernel) and step.stage.halo == 0 and not carries


def is_exact(node: Node) -> bool:
    """Return whether kernels take a reduction in full precision."""
    return isinstance(node.op, Reduce) and node.op.exact


def _purpose(demand: Demand, reduced: Sequence[Node], kept: Sequence[Node]) -> str:
    """Return what a pass before the last one is for."""
    names = [n.op.operation.name for n in reduced if isinstance(n.op, Reduce)]
    users = [
        _label(user)
        for user in demand.by_rows.values()
        if isinstance(user.op, Rowwise)
        and any(n is i for i in user.inputs for n in (*reduced, *kept))
    ]
    what = ", ".join(dict.fromkeys([*names, *map(_label, kept)]))
    return f"{what} for {', '.join(dict.fromkeys(users))}" if users else what


def _label(node: Node) -> str:
    stage = getattr(node.op, "stage", None)
    return stage.label if stage is not None else type(node.op).__name__.lower()
