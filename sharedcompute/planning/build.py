"""From a job to a plan: stages, passes, blocks, phases, and what they will take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import shorten

from sharedcompute.errors import InputError
from sharedcompute.graph.build import reduction_of
from sharedcompute.graph.node import Gather, Model, Node, Read, Rowwise, ordered
from sharedcompute.graph.ports import Source
from sharedcompute.graph.text import input_names, text
from sharedcompute.hdf5.format.fill_value import ZEROS
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.input_files import InputFiles
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.reductions.tally import tallies
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.axes import primary
from sharedcompute.planning.budget.blocks import choose_blocks, followed
from sharedcompute.planning.budget.compiling import code_of
from sharedcompute.planning.budget.cost import Computation
from sharedcompute.planning.budget.engines import Choice, choose_engine
from sharedcompute.planning.budget.staging import Staged, followed_by, staged_for
from sharedcompute.planning.budget.wholes import wholes
from sharedcompute.planning.cut import Cuts, RowResult, cut, is_exact, nothing
from sharedcompute.planning.demand import (
    Demand,
    has_rows,
    is_read_in_groups,
    rows_in_groups,
    spaces,
)
from sharedcompute.planning.fit import FitPart, Iterate
from sharedcompute.planning.grouped import plain
from sharedcompute.planning.in_memory import ArraySink
from sharedcompute.planning.job import (
    ExpressionStep,
    FitStep,
    Job,
    ResultStep,
    Step,
    operations_of,
)
from sharedcompute.planning.job_graph import JobGraph, Wanted, sources_of
from sharedcompute.planning.output import OutputSpec
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.phases import phases_of
from sharedcompute.planning.plan import Plan, Small
from sharedcompute.planning.planned import ToMemory
from sharedcompute.planning.program import feed_of, program
from sharedcompute.planning.scratch import scratch_folder
from sharedcompute.rows import Blocks
from sharedcompute.system.machine import memory_available

PURPOSE_LENGTH = 60
"""Letters of an expression in the purpose of a pass."""

ALIGNED_BYTES = 64 * 1024**2
"""A strip may grow to this to follow the chunks of both input and output."""


def build(job: Job, options: RunOptions, *, have_team: bool = False) -> Plan:
    """Plan a job.

    Raises
    ------
    InputError
        A step does not fit the data.
    MemoryBudgetError
        It would not fit the memory.
    """
    graph = JobGraph(job)
    graph.unify()
    results, smalls = _results(job, graph)
    _check_rows(results)
    demand = Demand(
        [result.node for result in results], [small.node for small in smalls], graph.fitted
    )
    cuts = {n: _blocks(n, demand, results, graph, options) for n in _spaces(demand)}
    passes = cut(demand, results, cuts, _purpose(job))
    fit = None if graph.fit is None else _fit_pass(graph, demand, cuts, _purpose(job))
    if not passes and fit is None:
        passes = [nothing(_purpose(job))]
    choice = choose_engine(passes, options, fit, have_team=have_team)
    whole = wholes(demand.whole, demand.kept, passes, [small.node for small in smalls])
    folder = scratch_folder(job.output)
    code = code_of(passes, demand.whole.values(), fits=fit is not None)
    computed = Computation(passes, fit, whole, code)
    choice, staged = _staged(computed, choice, options, folder)
    return Plan(
        job,
        replace(options, threads=choice.threads),
        phases_of(staged.hold(passes), fit, staged.loads),
        choice.engine,
        choice.workers,
        staged.projection,
        code,
        _reads(job, graph),
        tuple(smalls),
        demand.whole,
        _row_nodes(graph, results),
        graph.fitted,
    )


def _row_nodes(graph: JobGraph, results: Sequence[RowResult]) -> dict[tuple[int, str], Node]:
    """Return the results that have rows, by step and name."""
    found = {(result.step, result.name) for result in results}
    return {(w.step, w.name): w.node for w in graph.wanted if (w.step, w.name) in found}


def _spaces(demand: Demand) -> list[int]:
    """Return the numbers of rows that passes go over."""
    return spaces(demand.by_rows.values())


def _fit_pass(graph: JobGraph, demand: Demand, cuts: Cuts, purpose: str) -> Iterate:
    """Return the phase that iterates over the rows which the fit sees."""
    assert graph.fit is not None
    assert graph.fitted is not None
    made = program([graph.fitted], demand)
    models = {k: n.op.name for k, n in demand.whole.items() if isinstance(n.op, Model)}
    blocks = cuts[graph.fitted.spec.shape[0]]
    work = Pass(tuple(made.feeds), tuple(made.steps), (), (), *blocks, purpose, "0")
    part = replace(graph.fit, value=made.values[graph.fitted.key])
    return Iterate(part, work, models)


def _staged(
    computed: Computation, choice: Choice, options: RunOptions, folder: Path
) -> tuple[Choice, Staged]:
    """Choose what is loaded and held, and how many workers, or threads, fit the memory."""
    room = memory_available() if options.memory is None else options.memory
    stage = partial(staged_for, computed, choice.engine, room, folder)
    staged = stage(choice.threads, choice.workers)
    # Nobody asked for so many: as many as fit.
    while options.workers is None and not staged.projection.fits(room):
        if choice.workers > 1:
            choice = replace(choice, workers=choice.workers - 1)
        elif choice.threads > options.threads:
            choice = replace(choice, threads=choice.threads - 1)
        else:
            break
        staged = stage(choice.threads, choice.workers)
    staged.projection.check(options.memory, room)
    return choice, staged


def _reads(job: Job, graph: JobGraph) -> InputFiles:
    """Return all files that a job reads: there is no other list of them."""
    seen = (seen for source in sources_of(graph) for seen in source.reads.seen)
    return InputFiles.of(seen, job.scripts)


def _results(job: Job, graph: JobGraph) -> tuple[list[RowResult], list[Small]]:
    """Return the results that have rows, and those that are there as a whole.

    In memory only the last step of a pipeline that gives rows has a result; expressions all have.
    """
    rows: list[Wanted] = []
    smalls: list[Small] = []
    known: dict[str, bool] = {}
    for node in ordered([wanted.node for wanted in graph.wanted]):
        known[node.key] = has_rows(node, known)
    for wanted in graph.wanted:
        inner = rows_in_groups(wanted.node)
        if known[wanted.node.key] or (inner is not None and known[inner.key]):
            rows.append(wanted)
        else:
            smalls.append(Small(wanted.node, wanted.step, wanted.name))
    if job.output is None:
        last = max((w.step for w in rows if not w.name), default=None)
        rows = [w for w in rows if w.name or _is_returned(job, w.step) or w.step == last]
    else:
        rows = [w for w in rows if job.steps[w.step].save is not None]
    out = job.output
    if out is not None and (rows or any(isinstance(s, FitStep) and s.save for s in job.steps)):
        # Chunks are for reductions only where no step saves rows.
        out = replace(out, chunks=None)
    found = [_row_result(job, graph, w, known) for w in rows]
    return found, [replace(small, sink=_small_sink(job, out, small)) for small in smalls]


def _row_result(job: Job, graph: JobGraph, wanted: Wanted, known: Mapping[str, bool]) -> RowResult:
    """Return a result that has rows; those of groups are stored as the groups come."""
    sink = _sink(job, graph, wanted)
    inner = None if known[wanted.node.key] else rows_in_groups(wanted.node)
    if inner is None:
        return RowResult(wanted.node, wanted.step, sink, wanted.name)
    return RowResult(inner, wanted.step, sink, wanted.name, inner.spec.shape[1])


def _is_returned(job: Job, step: int) -> bool:
    return isinstance(job.steps[step], ExpressionStep | ResultStep)


def _check_rows(results: Sequence[RowResult]) -> None:
    """Refuse datasets of different numbers of rows in one file: blocks are noted for one number."""
    stored = [(r.node.spec.rows, r.sink) for r in results if isinstance(r.sink, DatasetSink)]
    for rows, sink in stored:
        if rows != stored[0][0]:
            first, other = (f"{s.shape[0]} in {s.path}" for s in (stored[0][1], sink))
            raise InputError(
                f"expected results with as many rows in one job, got {first} and {other}: "
                "store them one after the other"
            )


def _sink(job: Job, graph: JobGraph, wanted: Wanted) -> DatasetSink | ToMemory | ArraySink:
    spec = wanted.node.spec
    if job.output is None:
        return ToMemory(spec) if job.into is None or wanted.name else ArraySink(job.into)
    like = primary(wanted.node)
    if like is not None and like.packing is not None and job.decode_cf:
        # Its fill value is a packed number.
        like = replace(like, fill=ZEROS)
    step = job.steps[wanted.step]
    path = str(step.save)
    if isinstance(step, FitStep) and graph.fit is not None and graph.fit.rows is not None:
        path = f"{path}/{graph.fit.rows[0]}"
    if wanted.name:
        path = f"{path.rstrip('/')}/{wanted.name}"
    return job.output.sink(like, path, spec)


def _small_sink(job: Job, out: OutputSpec | None, small: Small) -> DatasetSink | None:
    save = job.steps[small.step].save
    if out is None or save is None:
        return None
    if isinstance(small.node.op, Gather):
        return out.growing(save, small.node.spec)
    path = f"{save.rstrip('/')}/{small.name}" if small.name else save
    return out.sink(None, path, small.node.spec)


def _blocks(
    rows: int,
    demand: Demand,
    results: Sequence[RowResult],
    graph: JobGraph,
    options: RunOptions,
) -> tuple[Blocks, int]:
    """Choose blocks for all passes over so many rows: a scan's passes must agree on them."""
    nodes = [n for n in demand.by_rows.values() if n.spec.shape[0] == rows]
    row_bytes = max(node.spec.row_bytes for node in nodes)
    stored = [r for r in results if r.node.spec.shape[0] == rows]
    written = math.lcm(1, *(followed_by(r.sink, r.node.spec, r.group) for r in stored))
    feeds = [feed_of(n) for n in nodes if isinstance(n.op, Read) or is_read_in_groups(n)]
    read = _followed(feeds, row_bytes)
    unit = max((feed.shape[1] for feed in feeds if plain(feed) is not feed), default=1)
    # Chunks of the output must be whole; those of the input had better be.
    alignment = math.lcm(read, written)
    if alignment > read and alignment * row_bytes > ALIGNED_BYTES:
        alignment = written
    fit = graph.fit
    used, kept = _state_nbytes(rows, demand, fit)
    return choose_blocks(
        rows,
        row_bytes,
        alignment=alignment,
        halo=max(_halo(nodes, demand), *_gathered_halos(rows, demand), 0),
        state_bytes=used,
        kept_bytes=kept,
        block_rows=options.block_rows and -(-options.block_rows // unit),
        strip_rows=fit.operation.strip_rows if fit else 1,
    )


def _followed(sources: Sequence[Source], row_bytes: int) -> int:
    """Return the chunk rows that strips follow: of all inputs, or of the costliest to decode."""
    each = [(followed(s.shape[0], row_bytes, s.row_alignment), s) for s in sources]
    together = math.lcm(1, *(rows for rows, _ in each))
    if len(each) < 2 or together * row_bytes <= ALIGNED_BYTES:
        return together
    return max(each, key=lambda pair: _decoding_nbytes(pair[1]))[0]


def _decoding_nbytes(source: Source) -> int:
    source = plain(source)
    return source.nbytes if isinstance(source, DatasetSource) and source.filtered else 0


def _halo(nodes: Sequence[Node], demand: Demand) -> int:
    """Return the rows that the longest way from the data to a result needs on each side."""
    halos: dict[str, int] = {}
    for node in nodes:
        inputs = [] if demand.is_fed(node) else demand.row_inputs(node)
        own = node.op.stage.reach if isinstance(node.op, Rowwise) else 0
        halos[node.key] = own + max((halos[i.key] for i in inputs), default=0)
    return max(halos.values())


def _gathered_halos(rows: int, demand: Demand) -> list[int]:
    """Return the halos of what is gathered of so many rows."""
    here = [n for n in demand.gathered if n.inputs[0].spec.shape[0] == rows]
    return [n.op.stage.halo for n in here if isinstance(n.op, Gather)]


def _state_nbytes(rows: int, demand: Demand, fit: FitPart | None) -> tuple[int, int]:
    """Return the bytes of the reductions' state, and what of it each block keeps."""
    here = [n for n in demand.reduced if n.inputs[0].spec.shape[0] == rows]
    results = [n for n in here if not is_exact(n)]
    exact = [n for n in here if is_exact(n)]
    inputs = {n.inputs[0].key for n in results}
    made = [
        tally
        for key in inputs
        for tally in tallies([reduction_of(n) for n in results if n.inputs[0].key == key])
    ]
    needed = sum(_read_size(n) * 24 for n in exact)
    used = needed + sum(t.working_nbytes for t in made)
    if fit is not None:
        # Each fit has fresh memory for its states, which is slow: half as many blocks for that.
        used += 2 * fit.state_nbytes
    kept = sum(t.working_nbytes - (0 if t.exact else t.nbytes) for t in made)
    return used, used - kept


def _read_size(node: Node) -> int:
    """Return the elements of a row of the data that a reduction is computed from."""
    return max(n.spec.row_size for n in ordered([node]) if isinstance(n.op, Read))


def _purpose(job: Job) -> str:
    steps = [step for step in job.steps if not (isinstance(step, ResultStep) and step.result)]
    names = ", ".join(name for step in steps for name in _names(step))
    expressions = any(isinstance(step, ExpressionStep) for step in job.steps)
    return shorten(names, PURPOSE_LENGTH, placeholder=" ...") if expressions else names


def _names(step: Step) -> list[str]:
    if isinstance(step, ExpressionStep):
        return [step.text or text(step.node, input_names([step.node]))]
    return [op.name for op, _ in operations_of(step)]
