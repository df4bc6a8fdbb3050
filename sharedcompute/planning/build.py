"""From a job to a plan: stages, passes, blocks, phases, and what they will take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from sharedcompute.hdf5.format.fill_value import ZEROS
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.input_files import InputFiles
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.budget.blocks import choose_blocks, followed
from sharedcompute.planning.budget.engines import choose_engine
from sharedcompute.planning.budget.staging import Staged, followed_by, staged_for
from sharedcompute.planning.chain import Chain
from sharedcompute.planning.cut import Frame
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.in_memory import ArraySink
from sharedcompute.planning.job import FitStep, Job, ReduceStep, operations_of
from sharedcompute.planning.output import OutputSpec
from sharedcompute.planning.passes import Pass, ReductionOutput, Store
from sharedcompute.planning.phases import phases_of
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.planned import ToMemory
from sharedcompute.planning.scratch import scratch_folder
from sharedcompute.rows import Blocks

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
    chain = Chain(job)
    stores = _stores(job, chain)
    blocks, strip = _blocks(job, chain, stores, options)
    frame = Frame(job.source, tuple(chain.stages), blocks, strip)
    passes = frame.passes(stores, _reductions(job, chain), _purpose(job), chain.fit)
    engine, workers = choose_engine(passes, options, chain.fit, have_team=have_team)
    workers, staged = _staged(
        passes, chain.fit, engine, workers, options, scratch_folder(job.output)
    )
    passes = (*passes[:-1], staged.hold(passes[-1]))
    return Plan(
        job,
        options,
        phases_of(passes, chain.fit, staged.load),
        engine,
        workers,
        staged.projection,
        _reads(job, chain),
    )


def _staged(
    passes: tuple[Pass, ...],
    fit: FitPart | None,
    engine: str,
    workers: int,
    options: RunOptions,
    folder: Path,
) -> tuple[int, Staged]:
    """Choose what is loaded and held, and how many of the workers fit the memory."""
    stage = partial(staged_for, passes, engine, fit, options.memory, folder, options.threads)
    staged = stage(workers)
    # Nobody asked for so many workers: as many as fit.
    while options.workers is None and workers > 1 and not staged.projection.fits(options.memory):
        workers -= 1
        staged = stage(workers)
    staged.projection.check(options.memory)
    return workers, staged


def _reads(job: Job, chain: Chain) -> InputFiles:
    """Return all files that a job reads: there is no other list of them."""
    sources = [s for s in (job.source, *chain.given) if isinstance(s, DatasetSource)]
    return InputFiles.of((seen for s in sources for seen in s.reads.seen), job.scripts)


def _stores(job: Job, chain: Chain) -> tuple[Store, ...]:
    """Return the results that have rows; in memory that is the last one alone."""
    steps = list(chain.depths)
    if job.output is None:
        steps = steps[-1:]
    else:
        steps = [n for n in steps if job.steps[n].save is not None]
    return tuple(Store(chain.depths[n], _sink(job, chain, n), step=n) for n in steps)


def _sink(job: Job, chain: Chain, number: int) -> DatasetSink | ToMemory | ArraySink:
    spec = chain.spec_at(chain.depths[number])
    if job.output is None:
        return ToMemory(spec) if job.into is None else ArraySink(job.into)
    like = job.source if isinstance(job.source, DatasetSource) else None
    if like is not None and job.packing is not None:
        # Its fill value is a packed number.
        like = replace(like, fill=ZEROS)
    step = job.steps[number]
    path = str(step.save)
    if isinstance(step, FitStep) and chain.fit is not None and chain.fit.rows is not None:
        path = f"{path}/{chain.fit.rows[0]}"
    return job.output.sink(like, path, spec)


def _reductions(job: Job, chain: Chain) -> tuple[ReductionOutput, ...]:
    """Choose where reductions are saved. Chunks are for them only where no step saves rows."""
    out = job.output
    if out is not None and any(not isinstance(s, ReduceStep) and s.save for s in job.steps):
        out = replace(out, chunks=None)
    return tuple(replace(made, sink=_small_sink(job, out, made)) for made in chain.reductions)


def _small_sink(job: Job, out: OutputSpec | None, made: ReductionOutput) -> DatasetSink | None:
    save = None if made.step is None else job.steps[made.step].save
    if out is None or save is None:
        return None
    path = f"{save.rstrip('/')}/{made.reduction.operation.name}"
    return out.sink(None, path, made.reduction.result_spec)


def _blocks(
    job: Job, chain: Chain, stores: Iterable[Store], options: RunOptions
) -> tuple[Blocks, int]:
    """Choose blocks for all passes of the job: a scan's passes must agree on them."""
    specs = [chain.spec_at(depth) for depth in range(len(chain.stages) + 1)]
    row_bytes = max(spec.row_bytes for spec in specs)
    written = math.lcm(1, *(followed_by(store, chain.spec_at(store.depth)) for store in stores))
    read = followed(chain.source.rows, row_bytes, job.source.row_alignment)
    # Chunks of the output must be whole; those of the input had better be.
    alignment = math.lcm(read, written)
    if alignment > read and alignment * row_bytes > ALIGNED_BYTES:
        alignment = written
    used, kept = chain.state_nbytes
    return choose_blocks(
        chain.source.rows,
        row_bytes,
        alignment=alignment,
        halo=sum(stage.halo for stage in chain.stages),
        state_bytes=used,
        kept_bytes=kept,
        block_rows=options.block_rows,
        strip_rows=chain.fit.operation.strip_rows if chain.fit else 1,
    )


def _purpose(job: Job) -> str:
    return ", ".join(op.name for step in job.steps for op, _ in operations_of(step))
