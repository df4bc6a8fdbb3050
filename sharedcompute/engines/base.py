"""Executing a plan: its passes in order, what they work out, and the output file around them.

An engine only runs one pass; everything else is here, the same for all engines.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sharedcompute.engines.block import Deliver
from sharedcompute.engines.results import Results
from sharedcompute.events import JobFinished, Listener, PassStarted
from sharedcompute.operations.accumulate import Reduction, Tally, cast_result, served_by
from sharedcompute.operations.base import Array, DType, State
from sharedcompute.plan.build import Plan, ToMemory
from sharedcompute.plan.memory import ArraySink
from sharedcompute.plan.passes import Pass, needs


class Engine(Protocol):
    """Runs passes."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def workers(self) -> int:
        """How many run blocks at a time."""

    def allocate(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """An array that whoever runs blocks can write to."""

    def share(self, array: Array) -> Array:
        """An array in a form that reaches whoever runs blocks at little cost."""

    def reach(self, source: Any) -> Any:
        """The source in a form that whoever runs blocks can open."""

    def run(self, work: Pass, states: list[State], deliver: Deliver, listen: Listener) -> None:
        """Run all blocks; fill the states, fields of shape (slots, width), and combine them."""


@dataclass(frozen=True)
class Outcome:
    """What a job gave.

    Parameters
    ----------
    results : tuple
        For each step of the job: an array (a transform kept in memory), a dict of arrays by
        reduction, or None (written to the file, or wanted by later steps only).
    seconds : float
        From the first pass to the output in its place.
    """

    results: tuple[Any, ...]
    seconds: float


def execute(plan: Plan, engine: Engine, listen: Listener) -> Outcome:
    """Run a plan to its end. If it fails, the output path is as it was."""
    began = time.monotonic()
    values: dict[tuple[int, Any], Array] = {}
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(Results(plan)) if plan.job.output else None
        for number, work in enumerate(plan.passes, start=1):
            nbytes = work.spec(0).nbytes
            rows = work.source.shape[0]
            listen(PassStarted(number, len(plan.passes), work.purpose, rows, nbytes))
            bound = _with_sinks(work.bind(values), engine, results)
            states = [_block_states(t, len(work.blocks), engine) for _, t in work.tallies]
            watch = results.watch(listen) if results else listen
            deliver = results.deliver if results else _undeliverable
            if len(work.blocks):
                engine.run(bound, states, deliver, watch)
            if number < len(plan.passes):
                found = _worked_out(work, states, plan.passes[-1])
                values |= {key: engine.share(value) for key, value in found.items()}
        reduced = _reduced(plan.passes[-1], states)
        if results:
            results.finish(reduced)
    outcome = Outcome(_by_step(plan, bound, reduced), time.monotonic() - began)
    listen(JobFinished(outcome.seconds))
    return outcome


def _block_states(tally: Tally, blocks: int, engine: Engine) -> State:
    """Room for the states, which the blocks fill in; without rows, the identity."""
    states = tally.states(tally.slots(blocks, engine.workers), engine.allocate)
    if blocks == 0:
        tally.reset(states)
    return states


def _undeliverable(_block: int, _number: int, _chunks: Sequence[Any]) -> None:
    raise AssertionError("arrays in memory give no chunks")


def _with_sinks(work: Pass, engine: Engine, results: Results | None) -> Pass:
    """The pass with the source and sinks that workers open."""
    keeps = []
    for i, keep in enumerate(work.keeps):
        if isinstance(keep.sink, ToMemory):
            spec = keep.sink.spec
            keeps.append(replace(keep, sink=ArraySink(engine.allocate(spec.shape, spec.dtype))))
        elif results is not None:
            keeps.append(replace(keep, sink=results.target(i)))
        else:
            keeps.append(keep)
    return replace(work, source=engine.reach(work.source), keeps=tuple(keeps))


def _worked_out(work: Pass, states: list[State], last: Pass) -> dict[tuple[int, Any], Array]:
    """What a prelude pass found, for the arguments of the stage behind it in the `last` pass."""
    stage = work.observes[0].depth
    kept = [t for _, t in work.tallies]
    wanted = [a for i, a in needs(last.stages) if i == stage]
    combined = [
        t.prefixes(s) if t.running else t.total(s) for t, s in zip(kept, states, strict=True)
    ]
    found: dict[tuple[int, Any], Array] = {}
    for observe, argument in zip(work.observes, wanted, strict=True):
        state = combined[served_by(observe.reduction, kept)]
        found[stage, argument] = observe.reduction.result(state)
    return found


def _reduced(work: Pass, states: list[State]) -> list[tuple[Reduction, Array]]:
    """The result of each reduction of a pass."""
    combined = [(depth, t, t.total(s)) for (depth, t), s in zip(work.tallies, states, strict=True)]
    found = []
    for observe in work.observes:
        here = [(t, s) for depth, t, s in combined if depth == observe.depth]
        state = here[served_by(observe.reduction, [t for t, _ in here])][1]
        values = observe.reduction.result(state)
        found.append((observe.reduction, cast_result(observe.reduction, values)))
    return found


def _by_step(plan: Plan, work: Pass, reduced: list[tuple[Reduction, Array]]) -> tuple[Any, ...]:
    steps: list[Any] = [None] * len(plan.job.steps)
    for number, keep in zip(plan.keep_steps, work.keeps, strict=True):
        if isinstance(keep.sink, ArraySink):
            steps[number] = keep.sink.array
    for number, (reduction, values) in zip(plan.observe_steps, reduced, strict=True):
        steps[number] = {**(steps[number] or {}), reduction.operation.name: values}
    return tuple(steps)
