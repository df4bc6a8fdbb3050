"""A plan and a run, told to a person and to a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sharedcompute.events import BlockDone, Event
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.machine import format_size, memory_available
from sharedcompute.plan.build import Plan
from sharedcompute.plan.loading import Load
from sharedcompute.plan.passes import Keep, Pass


def describe(plan: Plan) -> str:
    """The plan in a few lines, for ``--dry-run``."""
    return "\n".join(f"{name:<10}{text}" for name, text in _lines(plan))


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    source, blocks, p = plan.job.source, plan.blocks, plan.projection
    size = format_size(plan.passes[-1].spec(0).nbytes)
    yield "input", f"{place(source)}  {shape(source.shape)} {source.dtype}, {size}"
    yield "read path", f"{source.read_path}: {source.reason}"
    if plan.load is not None:
        yield "load", _load(plan.load)
    for number, work in enumerate(plan.passes, start=1):
        yield f"pass {number}", work.purpose
        for stage in work.stages:
            halo = f", halo {stage.halo} rows, mode {stage.mode}" if stage.halo else ""
            yield "", f"{stage.label} -> {stage.dtype}{halo}"
        for keep in work.keeps:
            yield "", f"keep {_kept(keep, work)}"
        for observe in work.observes:
            over = "all elements" if observe.reduction.over_all else "rows"
            yield "", f"reduce {observe.reduction.operation.name} over {over}"
    strips = f"in strips of {plan.passes[-1].strip}"
    yield "blocks", f"{len(blocks)} of {blocks.rows} rows, {strips}"
    if plan.engine == "local":
        each = "worker" if plan.workers == 1 else "workers"
        threads = plan.options.threads
        yield "engine", f"local: {plan.workers} {each} x {threads} thread(s)"
        yield "schedule", plan.options.schedule
    else:
        asked = plan.options.engine == "serial" or plan.options.workers == 1
        why = "as asked" if asked else "the job is too small to gain from workers"
        yield "engine", f"serial: {why}"
    have = format_size(plan.options.memory or memory_available())
    parts = (("processes", p.processes), ("buffers", p.scratch), ("shared", p.shared))
    listed = ", ".join(f"{name} {format_size(size)}" for name, size in parts)
    yield "memory", f"{format_size(p.memory)} of {have}: {listed}"
    if plan.job.output is not None:
        yield "output", f"{plan.job.output.address}, at most {format_size(p.disk)}"


def _load(load: Load) -> str:
    where = "into memory" if load.into == "memory" else "into a file without a name"
    parts = f", in {len(load.stripes)} stripes of columns" if len(load.stripes) > 1 else ""
    return f"all chunks first, {where}{parts}: each would be decoded {load.times:.3g} times"


def _kept(keep: Keep, work: Pass) -> str:
    spec = work.spec(keep.depth)
    sink: Any = keep.sink
    if not hasattr(sink, "path"):
        return f"in memory  {shape(spec.shape)} {spec.dtype}"
    layout = f"chunks {shape(sink.chunks)}" if sink.chunks else "contiguous"
    names = ", ".join(sink.filter_names)
    filters = f", {names}" if names else ""
    return f"{sink.path}  {shape(spec.shape)} {spec.dtype}, {layout}{filters}"


def shape(sizes: tuple[int, ...]) -> str:
    """A shape for a person: ``240 x 37 x 49``."""
    return " x ".join(map(str, sizes)) or "a number"


def place(source: Any) -> str:
    """Where a source lies."""
    if isinstance(source, DatasetSource):
        return f"{source.file}::{source.path}"
    return "an array in memory"


class Totals:
    """Adds up the events of a run."""

    def __init__(self) -> None:
        self.nbytes = 0
        self.blocks = 0
        self.ranks: set[int] = set()
        self.seconds = {"read": 0.0, "compute": 0.0, "write": 0.0}

    def __call__(self, event: Event) -> None:
        """Listen."""
        if isinstance(event, BlockDone):
            self.nbytes += event.nbytes
            self.blocks += 1
            self.ranks.add(event.rank)
            self.seconds["read"] += event.read
            self.seconds["compute"] += event.compute
            self.seconds["write"] += event.write


def plan_record(plan: Plan) -> dict[str, Any]:
    """The plan for a program."""
    source, p = plan.job.source, plan.projection
    out = plan.job.output
    return {
        "input": place(source),
        "shape": list(source.shape),
        "dtype": str(source.dtype),
        "read_path": source.read_path,
        "load": None if plan.load is None else plan.load.into,
        "passes": [work.purpose for work in plan.passes],
        "blocks": len(plan.blocks),
        "block_rows": plan.blocks.rows,
        "strip_rows": plan.passes[-1].strip,
        "engine": plan.engine,
        "workers": plan.workers,
        "threads": plan.options.threads,
        "schedule": plan.options.schedule,
        "memory": p.memory,
        "disk": p.disk,
        "output": None if out is None else str(out.address),
    }


def run_record(plan: Plan, totals: Totals, seconds: float) -> dict[str, Any]:
    """The plan and what became of it, for ``--json``."""
    return {
        **plan_record(plan),
        "bytes_read": totals.nbytes,
        "seconds": seconds,
        "bytes_per_second": totals.nbytes / seconds if seconds else 0.0,
        "worker_seconds": totals.seconds,
    }
