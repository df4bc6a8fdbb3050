"""Render plans and runs as text, HTML and JSON."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Iterator

from sharedcompute.events import BlockDone, BlocksRestored, Event, PassStarted, WorkerReplaced
from sharedcompute.graph.node import Gather, Reduce
from sharedcompute.graph.ports import Source
from sharedcompute.graph.text import text as expression
from sharedcompute.hdf5.filters.pipeline import Pipeline
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.budget.loading import Load
from sharedcompute.planning.budget.projection import Projection
from sharedcompute.planning.job import Job
from sharedcompute.planning.passes import Pass, Store
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.planned import Held, Into
from sharedcompute.planning.proof import Sample
from sharedcompute.planning.structure import Repack
from sharedcompute.system.machine import format_size, memory_available
from sharedcompute.traits import must_be_alone, traits_of
from sharedcompute.wording import on_command_line


def describe(plan: Plan) -> str:
    """Render a plan in a few lines, for ``--dry-run``."""
    return "\n".join(f"{name:<10}{text}" for name, text in _lines(plan))


def as_html(plan: Plan) -> str:
    """Render a plan as a table, for notebooks."""
    cell = '<td style="text-align: left">'
    rows = "".join(
        f"<tr>{cell}{html.escape(name)}</td>{cell}{html.escape(text)}</td></tr>"
        for name, text in _lines(plan)
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    task = plan.task
    yield from _job(plan) if isinstance(task, Job) else _repack(plan, task)
    yield from _machine(plan)


def _job(plan: Plan) -> Iterator[tuple[str, str]]:
    blocks, reads = plan.blocks, plan.inputs
    names = {} if len(reads) == 1 else {id(source): f"x{i}" for i, source in enumerate(reads)}
    for source in reads:
        size = format_size(ArraySpec(source.shape, source.dtype).nbytes)
        named = f"{names[id(source)]} = " if names else ""
        what = f"{named}{place(source)}  {shape(source.shape)} {source.dtype}, {size}"
        yield "input", what
        yield "read path", f"{source.read_path}: {source.reason}"
    for load in plan.loads:
        yield "load", _load(load)
    for number, work in enumerate(plan.passes, start=1):
        yield f"pass {number}", work.purpose
        yield from _program(work)
    for small in plan.smalls:
        if not isinstance(small.node.op, Reduce | Gather):
            spec = small.node.spec
            yield "then", f"{expression(small.node)} -> {shape(spec.shape)} {spec.dtype}"
    unit = plan.passes[-1].unit
    strips = f"in strips of {plan.passes[-1].strip * unit}"
    yield "blocks", f"{len(blocks)} of {blocks.rows * unit} rows, {strips}"


def _program(work: Pass) -> Iterator[tuple[str, str]]:
    """Yield what a pass does with the rows that it reads."""
    for step in work.steps:
        stage = step.stage
        halo = f", halo {stage.halo} rows, mode {stage.mode}" if stage.halo else ""
        made = ", ".join(str(spec.dtype) for spec in step.specs)
        yield "", f"{stage.label} -> {made}{halo}"
    for store in work.stores:
        yield "", f"keep {_kept(store, work)}"
    for gather in work.gathers:
        made = ", ".join(f"{shape(s.shape[1:])} {s.dtype}" for s in gather.step.specs)
        yield "", f"{gather.step.stage.label} -> any number of rows of {made}"
    for output in work.reductions:
        over = "all elements" if output.reduction.over_all else "rows"
        yield "", f"reduce {output.reduction.operation.name} over {over}"


def _repack(plan: Plan, repack: Repack) -> Iterator[tuple[str, str]]:
    yield "input", repack.file
    for at, recoding in plan.recodings.items():
        source, storage = recoding.source, recoding.storage
        yield source.path, f"{shape(source.shape)} {source.dtype}"
        yield "", f"read by {source.read_path}: {source.reason}"
        before = _stored(source.chunks, source.filters)
        yield "", f"{before} -> {_stored(storage.chunks, storage.filters)}"
        boxes = recoding.boxes
        loaded = f", all chunks decoded first into {_into(recoding.load)}" if recoding.load else ""
        many = "box" if len(boxes) == 1 else "boxes"
        yield "", f"{len(boxes)} {many} of {shape(boxes.chunks)}{loaded}"
        if repack.check:
            yield "", f"HDF5 reads back {_sampled(plan.samples.get(at))}"
    for text in plan.notes:
        yield "note", on_command_line(text)
    if repack.copied:
        yield "as it is", f"{len(repack.copied)} datasets are copied by HDF5"


def _machine(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "engine", _engine(plan.engine, plan.workers, plan.options)
    if traits_of(plan.engine).processes and isinstance(plan.task, Job):
        yield "schedule", plan.options.schedule
    yield "memory", _memory(plan.projection, plan.options)
    if plan.task.output is not None:
        disk = format_size(plan.projection.disk)
        yield "output", f"{plan.task.output.address}, at most {disk}"


def _engine(name: str, workers: int, options: RunOptions) -> str:
    if traits_of(name).processes:
        each = "worker" if workers == 1 else "workers"
        pinned = ", pinned" if options.pin else ""
        return f"{name}: {workers} {each} x {options.threads} thread(s){pinned}"
    asked = must_be_alone(options.engine) or options.workers == 1
    return f"{name}: {'as asked' if asked else 'the job is too small to gain from workers'}"


def _memory(p: Projection, options: RunOptions) -> str:
    have = format_size(options.memory or memory_available())
    parts = (("processes", p.processes), ("buffers", p.buffers), ("shared", p.shared))
    listed = ", ".join(f"{name} {format_size(size)}" for name, size in parts)
    return f"{format_size(p.memory)} of {have}: {listed}"


def _load(load: Load) -> str:
    where = "into memory" if load.into == "memory" else "into a file without a name"
    parts = f", in {len(load.stripes)} stripes of columns" if len(load.stripes) > 1 else ""
    return f"all chunks first, {where}{parts}: each would be decoded {load.times:.3g} times"


def _into(into: Into) -> str:
    return "memory" if into == "memory" else "a file"


def _kept(store: Store, work: Pass) -> str:
    spec, sink = work.stored(store), store.sink
    held = (
        f", held in {_into(sink.into)} until all rows are there" if isinstance(sink, Held) else ""
    )
    sink = sink.sink if isinstance(sink, Held) else sink
    if not isinstance(sink, DatasetSink):
        return f"in memory  {shape(spec.shape)} {spec.dtype}"
    stored = _stored(sink.chunks, sink.filters)
    return f"{sink.path}  {shape(spec.shape)} {spec.dtype}, {stored}{held}"


def shape(sizes: tuple[int, ...]) -> str:
    """Return a shape for a person: ``240 x 37 x 49``."""
    return " x ".join(map(str, sizes)) or "a number"


def place(source: Source) -> str:
    """Return where a source lies."""
    if isinstance(source, DatasetSource):
        several = f" ({len(source.whole.parts)} files)" if source.glob else ""
        return f"{source}{several}"
    return "an array in memory"


class Totals:
    """Totals of the events of a run.

    Attributes
    ----------
    nbytes, blocks, restored, replaced : int
    ranks : set of int
        The workers that have finished blocks.
    seconds : dict of str to float
        Of all workers together, for reading, computing and writing.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self.blocks = 0
        self.restored = 0
        self.replaced = 0
        self.ranks: set[int] = set()
        self.seconds = {"read": 0.0, "compute": 0.0, "write": 0.0}
        self._began = math.inf
        # Of each pass: when its first block was taken, and when its last one was done.
        self._spans: list[tuple[float, float]] = []

    @property
    def start_seconds(self) -> float:
        """Time from the beginning to the first block: kernels are compiled, workers start."""
        first = min((first for first, _ in self._spans), default=math.inf)
        return max(0.0, first - self._began) if math.isfinite(first) else 0.0

    @property
    def parallel_seconds(self) -> float:
        """Time with blocks in work, of all passes; in the rest only the parent works."""
        return sum(last - first for first, last in self._spans if last > first)

    def __call__(self, event: Event) -> None:
        """Add an event."""
        if isinstance(event, PassStarted):
            self._began = min(self._began, time.monotonic())
            self._spans.append((math.inf, -math.inf))
        elif isinstance(event, BlockDone):
            first, last = self._spans.pop() if self._spans else (math.inf, -math.inf)
            ended = event.began + event.read + event.compute + event.write
            self._spans.append((min(first, event.began), max(last, ended)))
            self.nbytes += event.nbytes
            self.blocks += 1
            self.ranks.add(event.rank)
            self.seconds["read"] += event.read
            self.seconds["compute"] += event.compute
            self.seconds["write"] += event.write
        elif isinstance(event, BlocksRestored):
            self.restored += event.blocks
        elif isinstance(event, WorkerReplaced):
            self.replaced += 1


def plan_record(plan: Plan) -> dict[str, object]:
    """Return a plan for a program, for ``--dry-run --json``."""
    task, out = plan.task, plan.task.output
    described = _job_record(plan) if isinstance(task, Job) else _repack_record(plan, task)
    return {
        **described,
        "memory": plan.projection.memory,
        "disk": plan.projection.disk,
        "output": None if out is None else str(out.address),
    }


def _job_record(plan: Plan) -> dict[str, object]:
    first = plan.inputs[0]
    return {
        "input": place(first),
        "inputs": [place(source) for source in plan.inputs],
        "shape": list(first.shape),
        "dtype": str(first.dtype),
        "read_path": first.read_path,
        "load": plan.loads[0].into if plan.loads else None,
        "passes": [work.purpose for work in plan.passes],
        "blocks": len(plan.blocks),
        "block_rows": plan.blocks.rows * plan.passes[-1].unit,
        "strip_rows": plan.passes[-1].strip * plan.passes[-1].unit,
        "engine": plan.engine,
        "workers": plan.workers,
        "threads": plan.options.threads,
        "schedule": plan.options.schedule,
    }


def _repack_record(plan: Plan, repack: Repack) -> dict[str, object]:
    return {
        "input": str(repack.address),
        "datasets": [
            {
                "path": recoding.source.path,
                "read_path": recoding.source.read_path,
                "chunks": list(recoding.storage.chunks) if recoding.storage.chunks else None,
                "filters": [step.name for step in recoding.storage.filters],
                "load": recoding.load,
                "boxes": len(recoding.boxes),
                "checked": _sampled(plan.samples.get(at)),
            }
            for at, recoding in plan.recodings.items()
        ],
        "copied": list(repack.copied),
        "engine": plan.engine,
        "workers": plan.workers,
    }


def run_record(plan: Plan, totals: Totals, seconds: float) -> dict[str, object]:
    """Return a plan and its run for a program, for ``--json``."""
    return {**plan_record(plan), **done_record(totals, seconds)}


def done_record(totals: Totals, seconds: float) -> dict[str, object]:
    """Return what a run took."""
    return {
        "bytes_read": totals.nbytes,
        "seconds": seconds,
        "bytes_per_second": totals.nbytes / seconds if seconds else 0.0,
        "worker_seconds": totals.seconds,
        "start_seconds": totals.start_seconds,
        "parallel_seconds": totals.parallel_seconds,
        "restored_blocks": totals.restored,
        "workers_replaced": totals.replaced,
    }


def _sampled(sample: Sample | None) -> str:
    if sample is None:
        return "nothing"
    return "all of it" if sample.whole else f"{len(sample.numbers)} of {len(sample.boxes)} chunks"


def _stored(chunks: tuple[int, ...] | None, filters: Pipeline) -> str:
    layout = f"chunks {shape(chunks)}" if chunks else "contiguous"
    return ", ".join([layout, *(step.name for step in filters)])
