"""Plans as text, and as a table for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterator

from sharedcompute.operations.specs import ArraySpec
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.budget.loading import Load
from sharedcompute.planning.budget.projection import Projection
from sharedcompute.planning.job import Job
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.structure import Repack
from sharedcompute.report.arrays import into_of, kept, place, sampled, shape, stored
from sharedcompute.report.graph import DrawnPass, Value, draw
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
    drawn = draw(plan)
    several = drawn.named or len(plan.inputs) > 1
    for name, source in drawn.inputs:
        size = format_size(ArraySpec(source.shape, source.dtype).nbytes)
        what = f"{place(source)}  {shape(source.shape)} {source.dtype}, {size}"
        yield "input", f"{name} = {what}" if several else what
        yield "read path", f"{source.read_path}: {source.reason}"
    for load in plan.loads:
        yield "load", _load(load)
    for number, work in enumerate(drawn.passes, start=1):
        yield f"pass {number}", work.purpose
        yield from (("", line) for line in (_named(work) if drawn.branches else _plain(work)))
    for small in drawn.after:
        yield "then", f"{small.text} -> {_spec(small.spec)}"
    blocks, last = plan.blocks, plan.passes[-1]
    strips = f"in strips of {last.strip * last.unit}"
    yield "blocks", f"{len(blocks)} of {blocks.rows * last.unit} rows, {strips}"


def _named(work: DrawnPass) -> Iterator[str]:
    """Yield what a pass does, with a name for each value."""
    for value in work.steps:
        yield f"{value.name} = {value.text} -> {value.spec.dtype}{_around(value)}"
    for store, value in work.kept:
        yield f"keep {value.name} {kept(store, value.spec)}"
    for value in work.reduced:
        yield f"{value.name} = {value.text} -> {_spec(value.spec)}"
    for value in work.gathered:
        yield f"{value.name} = {value.text} -> {_any_rows(value)}"


def _plain(work: DrawnPass) -> Iterator[str]:
    """Yield what a pass does: one step after the other, each with the result of that before it."""
    for value in work.steps:
        yield f"{value.label} -> {value.spec.dtype}{_around(value)}"
    for store, value in work.kept:
        yield f"keep {kept(store, value.spec).removeprefix('as ')}"
    for value in work.reduced:
        yield f"reduce {value.label}"
    for value in work.gathered:
        yield f"{value.label} -> {_any_rows(value)}"


def _around(value: Value) -> str:
    return f", halo {value.halo} rows, mode {value.mode}" if value.halo else ""


def _any_rows(value: Value) -> str:
    return f"any number of rows of {shape(value.spec.shape[1:])} {value.spec.dtype}"


def _spec(spec: ArraySpec) -> str:
    return f"{shape(spec.shape)} {spec.dtype}"


def _repack(plan: Plan, repack: Repack) -> Iterator[tuple[str, str]]:
    yield "input", repack.file
    for at, recoding in plan.recodings.items():
        source, storage = recoding.source, recoding.storage
        yield source.path, f"{shape(source.shape)} {source.dtype}"
        yield "", f"read by {source.read_path}: {source.reason}"
        before = stored(source.chunks, source.filters)
        yield "", f"{before} -> {stored(storage.chunks, storage.filters)}"
        boxes = recoding.boxes
        loaded = (
            f", all chunks decoded first into {into_of(recoding.load)}" if recoding.load else ""
        )
        many = "box" if len(boxes) == 1 else "boxes"
        yield "", f"{len(boxes)} {many} of {shape(boxes.chunks)}{loaded}"
        if repack.check:
            yield "", f"HDF5 reads back {sampled(plan.samples.get(at))}"
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
    if must_be_alone(options.engine) or options.workers == 1:
        return f"{name}: as asked"
    if options.threads > 1:
        return f"{name}: {options.threads} threads of this process"
    return f"{name}: the job is too small to gain from workers"


def _memory(p: Projection, options: RunOptions) -> str:
    have = format_size(options.memory or memory_available())
    parts = [("processes", p.processes), ("buffers", p.buffers), ("shared", p.shared)]
    parts += [("compiling", p.compiling)] if p.compiling else []
    listed = ", ".join(f"{name} {format_size(size)}" for name, size in parts)
    return f"{format_size(p.memory)} of {have}: {listed}"


def _load(load: Load) -> str:
    where = "into memory" if load.into == "memory" else "into a file without a name"
    parts = f", in {len(load.stripes)} stripes of columns" if len(load.stripes) > 1 else ""
    return f"all chunks first, {where}{parts}: each would be decoded {load.times:.3g} times"
