"""From a job to a plan: stages, passes, blocks, and what it will take. Nothing is run here."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.fill_value import ZEROS
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_box
from sharedcompute.hdf5.safety.input_files import InputFiles
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Operation, Reduce
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.kinds import is_address
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.reductions.tally import tallies
from sharedcompute.operations.rowwise.unpacking import as_asked, unpack_stage, unpacked
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.operations.stages import Carry, Needed, Stage
from sharedcompute.options import RunOptions
from sharedcompute.plan.budget.blocks import choose_blocks, followed
from sharedcompute.plan.budget.cost import Projection, choose_engine
from sharedcompute.plan.budget.loading import Load
from sharedcompute.plan.budget.staging import Staged, followed_by, staged_for
from sharedcompute.plan.fit import FitPart
from sharedcompute.plan.in_memory import ArraySink
from sharedcompute.plan.job import FitStep, Job, ReduceStep, Step, operations_of, saved
from sharedcompute.plan.passes import Pass, ReductionOutput, Store, needs, spec_after
from sharedcompute.rows import Blocks

ALIGNED_BYTES = 64 * 1024**2
"""A strip may grow to this to follow the chunks of both input and output."""


@dataclass(frozen=True)
class ToMemory:
    """A sink that gets its array when the job runs."""

    spec: ArraySpec
    row_alignment: int = 1


@dataclass(frozen=True)
class Plan:
    """What will run: plain data, complete but for the values that earlier passes work out.

    Parameters
    ----------
    job : Job
    options : RunOptions
    passes : tuple of Pass
        The last one gives the results; those before work out what its stages need.
    keep_steps, observe_steps : tuple of int
        Which step of the job each keep and each reduction of the last pass belongs to.
    observe_sinks : tuple of (DatasetSink or None)
        Where the result of each reduction of the last pass is saved.
    engine : str
        ``serial`` or ``local``.
    workers : int
    staged : Staged
        What lies in memory or in a file before and after the passes, and the bytes it all takes.
    reads : InputFiles
        All files that the job reads, those of arrays given as parameters too.
    fit : FitPart or None
        What is iterated before the last pass.
    """

    job: Job
    options: RunOptions
    passes: tuple[Pass, ...]
    keep_steps: tuple[int, ...]
    observe_steps: tuple[int, ...]
    observe_sinks: tuple[DatasetSink | None, ...]
    engine: str
    workers: int
    staged: Staged
    reads: InputFiles
    fit: FitPart | None = None

    @property
    def load(self) -> Load | None:
        """How chunks are decoded before the passes begin."""
        return self.staged.load

    @property
    def projection(self) -> Projection:
        """Bytes it will take."""
        return self.staged.projection

    @property
    def sinks(self) -> list[DatasetSink]:
        """The datasets of the output whose storage was asked for; a fit's results are small."""
        kept = [keep.sink for keep in self.passes[-1].keeps]
        return [s for s in (*kept, *self.observe_sinks) if isinstance(s, DatasetSink)]

    @property
    def saved(self) -> tuple[str, ...]:
        """The paths of all datasets that the job makes."""
        fitted = [p for s in self.job.steps if isinstance(s, FitStep) for p in saved(s)]
        return tuple(dict.fromkeys([*(sink.path for sink in self.sinks), *fitted]))

    @property
    def blocks(self) -> Blocks:
        """The blocks that all passes share."""
        return self.passes[-1].blocks


def build(job: Job, options: RunOptions, *, have_team: bool = False) -> Plan:
    """Plan a job.

    Raises
    ------
    InputError
        A step does not fit the data.
    MemoryBudgetError
        It would not fit the memory.
    """
    chain = _Chain(job)
    for number, step in enumerate(job.steps):
        chain.add(number, step)
    kept = _kept(job, chain)
    keeps = tuple(Store(depth, _sink(job, chain, depth, n)) for depth, n in kept)
    blocks, strip = _blocks(job, chain, keeps, options)
    frame = _Frame(job.source, tuple(chain.stages), blocks, strip)
    passes = (*_preludes(frame), frame.make(keeps, tuple(chain.observes), _purpose(job), chain.fit))
    engine, workers = choose_engine(passes, options, chain.fit, have_team=have_team)
    folder, threads = scratch_folder(job), options.threads
    stage = partial(staged_for, passes, engine, chain.fit, options.memory, folder, threads)
    staged = stage(workers)
    # Nobody asked for so many workers: as many as fit.
    while options.workers is None and workers > 1 and not staged.projection.fits(options.memory):
        workers -= 1
        staged = stage(workers)
    staged.projection.check(options.memory)
    return Plan(
        job,
        options,
        passes,
        tuple(n for _, n in kept),
        tuple(chain.observe_steps),
        _observe_sinks(job, chain),
        engine,
        workers,
        staged,
        _reads(job, chain),
        chain.fit,
    )


def scratch_folder(job: Job) -> Path:
    """Where a file without a name may be made: beside the output, as there is to be room."""
    folder = Path(job.output.address.file).absolute().parent if job.output else Path()
    return folder if job.output and folder.is_dir() else Path(tempfile.gettempdir())


def _reads(job: Job, chain: _Chain) -> InputFiles:
    """All files that a job reads: there is no other list of them."""
    sources = [s for s in (job.source, *chain.given) if isinstance(s, DatasetSource)]
    return InputFiles.of((seen for s in sources for seen in s.reads.seen), job.scripts)


class _Chain:
    """The stages so far, and where something looks at what they give."""

    def __init__(self, job: Job) -> None:
        self.source = ArraySpec(job.source.shape, job.source.dtype)
        self._job = job
        self.given: list[DatasetSource] = []
        self.stages: list[Stage] = []
        self.depths: dict[int, int] = {}
        self.observes: list[ReductionOutput] = []
        self.observe_steps: list[int] = []
        self.fit: FitPart | None = None
        self.scanned = ""
        if self.spec.dtype == np.float16:
            single = np.dtype(np.float32)
            self.stages.append(
                Stage("half to single precision", widen, (), single, elementwise=True)
            )
        if job.decode_cf and isinstance(job.source, DatasetSource):
            stage = unpack_stage(job.source, self.spec.dtype)
            self.stages += [] if stage is None else [stage]

    @property
    def spec(self) -> ArraySpec:
        """Shape and dtype at the end."""
        return self.spec_at(len(self.stages))

    def spec_at(self, depth: int) -> ArraySpec:
        """Shape and dtype after `depth` stages."""
        return spec_after(self.source, self.stages, depth)

    def add(self, number: int, step: Step) -> None:
        """Lower a step."""
        if self.fit is not None:
            raise InputError(f"expected {self.fit.name} as the last step, got steps after it")
        if isinstance(step, FitStep):
            self._fit(number, step)
            return
        if isinstance(step, ReduceStep):
            for reduce, params in step.operations:
                reduce.check(self.spec)
                reduction = Reduction(reduce, params, self.spec, step.over_all)
                self.observes.append(ReductionOutput(len(self.stages), reduction))
                self.observe_steps.append(number)
            return
        op = step.operation
        stages = op.stages(self._loaded(op, step.params), self.spec)
        if self.scanned and any(stage.halo for stage in stages):
            raise InputError(
                f"{op.name} needs neighbouring rows and cannot follow {self.scanned} in one job: "
                "write the scan to a file and run it as a second job"
            )
        self.scanned = op.name if op.kind == "scan" else self.scanned
        self.stages += stages
        self.depths[number] = len(self.stages)

    def _fit(self, number: int, step: FitStep) -> None:
        """Iterate over the rows here; what the fit gives for each row is one more stage."""
        op = step.operation
        algorithm = op.algorithm(self._loaded(op, step.params), self.spec)
        self.fit = FitPart(op, algorithm, len(self.stages))
        if self.fit.rows is not None:
            self.stages.append(self.fit.rows[1])
            self.depths[number] = len(self.stages)

    def _loaded(self, op: Operation | Iterative, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with the arrays that addresses stand for."""
        kinds = {p.name: p.kind for p in op.parameters}
        return {
            name: self._read(value) if is_address(kinds[name], value) else value
            for name, value in params.items()
        }

    def _read(self, address: str) -> Array:
        """All of an array that a parameter names, which is an input as any other is."""
        decode_cf = self._job.decode_cf
        source = as_asked(open_source(address, self._job.allow_external), decode_cf)
        self.given.append(source)
        rows = read_box(source, (0,) * source.ndim, source.shape)
        return unpacked(source, rows) if decode_cf else rows


def widen(x: Array, out: Array) -> None:
    """Half precision to single: numba has no arithmetic for half."""
    np.copyto(out, x)


def _kept(job: Job, chain: _Chain) -> list[tuple[int, int]]:
    """Depth and step of each transform whose rows are kept; in memory that is the last one."""
    steps = list(chain.depths)
    if job.output is None:
        steps = steps[-1:]
    else:
        steps = [n for n in steps if job.steps[n].save is not None]
    return [(chain.depths[n], n) for n in steps]


def _sink(job: Job, chain: _Chain, depth: int, number: int) -> Any:
    spec = chain.spec_at(depth)
    if job.output is None:
        if job.into is None:
            return ToMemory(spec)
        if job.into.shape != spec.shape or job.into.dtype != spec.dtype:
            raise InputError(
                f"out has shape {job.into.shape} and dtype {job.into.dtype}: "
                f"expected {spec.shape} and {spec.dtype}"
            )
        return ArraySink(job.into)
    source: Any = job.source
    if job.packing is not None:
        # Its fill value is a packed number.
        source = replace(source, fill=ZEROS)
    step = job.steps[number]
    path = str(step.save)
    if isinstance(step, FitStep) and chain.fit is not None and chain.fit.rows is not None:
        path = f"{path}/{chain.fit.rows[0]}"
    return job.output.sink(source, path, spec)


def _observe_sinks(job: Job, chain: _Chain) -> tuple[DatasetSink | None, ...]:
    """Where reductions are saved. Chunks are for them only where no step saves rows."""
    out = job.output
    if out is not None and any(not isinstance(s, ReduceStep) and s.save for s in job.steps):
        out = replace(out, chunks=None)
    sinks: list[DatasetSink | None] = []
    for number, observe in zip(chain.observe_steps, chain.observes, strict=True):
        save, reduction = job.steps[number].save, observe.reduction
        if out is None or save is None:
            sinks.append(None)
            continue
        path = f"{save.rstrip('/')}/{reduction.operation.name}"
        sinks.append(out.sink(None, path, reduction.result_spec))
    return tuple(sinks)


def _blocks(
    job: Job, chain: _Chain, keeps: tuple[Store, ...], options: RunOptions
) -> tuple[Blocks, int]:
    """Blocks for all passes of the job: a scan's passes must agree on them."""
    specs = [chain.spec_at(depth) for depth in range(len(chain.stages) + 1)]
    row_bytes = max(spec.row_bytes for spec in specs)
    written = math.lcm(1, *(followed_by(keep, chain.spec_at(keep.depth)) for keep in keeps))
    read = followed(chain.source.rows, row_bytes, job.source.row_alignment)
    # Chunks of the output must be whole; those of the input had better be.
    alignment = math.lcm(read, written)
    if alignment > read and alignment * row_bytes > ALIGNED_BYTES:
        alignment = written
    used, kept = _state_bytes(chain)
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


def _state_bytes(chain: _Chain) -> tuple[int, int]:
    """Bytes of the reductions' state: what a strip goes through, and what each block keeps."""
    depths = {o.depth for o in chain.observes}
    made = [
        t for d in depths for t in tallies([o.reduction for o in chain.observes if o.depth == d])
    ]
    needed = sum(chain.source.row_size * 24 for _ in needs(tuple(chain.stages)))
    used = needed + sum(t.nbytes for t in made)
    if chain.fit is not None:
        # Each fit has fresh memory for its states, which is slow: half as many blocks for that.
        used += 2 * chain.fit.state_nbytes
    return used, used - sum(t.nbytes for t in made if t.exact)


@dataclass(frozen=True)
class _Frame:
    """What all passes of a plan share."""

    source: Any
    stages: tuple[Stage, ...]
    blocks: Blocks
    strip: int

    def make(
        self,
        keeps: tuple[Store, ...],
        observes: tuple[ReductionOutput, ...],
        purpose: str,
        fit: FitPart | None = None,
    ) -> Pass:
        """A pass over the stages that something looks at."""
        depths = [0, *(k.depth for k in keeps), *(o.depth for o in observes)]
        depth = max(depths if fit is None else [*depths, fit.depth])
        stages = self.stages[:depth]
        return Pass(self.source, stages, keeps, observes, self.blocks, self.strip, purpose)


def _preludes(frame: _Frame) -> tuple[Pass, ...]:
    """The passes that work out what stages need; one for each depth at which something is needed.

    Needs at one depth share a pass. One that lies deeper needs the results of those before.
    """
    wanted = needs(frame.stages)
    passes = []
    for depth in sorted({i for i, _ in wanted}):
        here = [a for i, a in wanted if i == depth]
        reductions = tuple(ReductionOutput(depth, _reduction(frame, depth, a)) for a in here)
        names = ", ".join(dict.fromkeys(a.reduction for a in here))
        passes.append(frame.make((), reductions, f"{names} for {frame.stages[depth].label}"))
    return tuple(passes)


def _reduction(frame: _Frame, depth: int, argument: Needed | Carry) -> Reduction:
    op = find(argument.reduction, "reduce")
    assert isinstance(op, Reduce)
    params = bind(op.name, op.parameters, {"skipna": argument.skipna})
    spec = spec_after(frame.source, frame.stages, depth)
    return Reduction(op, params, spec, running=isinstance(argument, Carry))


def _purpose(job: Job) -> str:
    names = []
    for step in job.steps:
        names += [op.name for op, _ in operations_of(step)]
    return ", ".join(names)
