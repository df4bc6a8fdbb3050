"""What a plan will take: memory, disk, time; and which engine that speaks for."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from multiprocessing import current_process
from typing import Any

import numpy as np

from sharedcompute.errors import MemoryBudgetError, NoWorkersWarning
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.fits.targets import PANEL_NBYTES
from sharedcompute.operations.stages import Carry
from sharedcompute.options import RunOptions
from sharedcompute.plan.budget.loading import Into, Load, load_boxes, units
from sharedcompute.plan.fit import ROUNDS, FitPart
from sharedcompute.plan.in_memory import HELD_BYTES, RING_NBYTES, ArraySink, ArraySource
from sharedcompute.plan.passes import Pass, Source, needs
from sharedcompute.shm.arrays import handle
from sharedcompute.system.machine import (
    SHM,
    check_process_limits,
    format_size,
    memory_available,
    shm_free,
)
from sharedcompute.wording import option

PARENT_BYTES = 144 * 1024**2
"""Private memory of the process that runs the job, with its libraries; measured 80 to 90 MB, and
145 where it compiles kernels for the first time."""

WORKER_BYTES = 104 * 1024**2
"""The same of a worker, or of the server that forks them, whose pages they share for the most part:
measured 70 to 80 MB, and 105 after a first compilation."""

START_SECONDS = 1.0
"""A team starts and loads its kernels in about 0.7 s: shorter jobs run in this process."""

READ_RATE = {"mmap": 8e9, "memory": 8e9, "preadv": 4e9}
FILTERED_RATE = 0.6e9
H5PY_RATE = 1.5e9
STAGE_RATE = 2e9
STENCIL_RATE = 0.1e9
WRITE_RATE = 1e9
COMPRESSED_RATE = 0.05e9
FIT_RATE = 1e9


@dataclass(frozen=True)
class Projection:
    """Bytes that a plan will take at its peak.

    Parameters
    ----------
    engine : str
    workers : int
    scratch : int
        Private buffers of one worker.
    parent : int
        Private buffers of the process that runs the job: results, chunks that wait for their turn.
    shared : int
        What there is of once: states of reductions, results and chunks that stay in memory, files
        without names where those are memory. In shared blocks, but for the serial engine.
    mapped : int
        Files that each process maps. They take address space only.
    disk, disk_needed : int
        What the output takes if no filter makes it smaller; and what of it has no filter, with the
        files without names.
    """

    engine: str
    workers: int
    scratch: int
    parent: int
    shared: int
    mapped: int
    disk: int
    disk_needed: int

    @property
    def processes(self) -> int:
        """Interpreters and libraries; beside the workers there is the server that forks them."""
        others = self.workers + 1 if self.engine == "local" else 0
        return PARENT_BYTES + others * WORKER_BYTES

    @property
    def buffers(self) -> int:
        """Private buffers of all workers, and of the parent."""
        return self.workers * self.scratch + self.parent

    @property
    def memory(self) -> int:
        """All memory."""
        return self.processes + self.buffers + self.shared

    def fits(self, budget: int | None) -> bool:
        """Whether the memory given, or what is available, will do, and the room for blocks."""
        return min(self.left(budget)) >= 0

    def left(self, budget: int | None) -> tuple[int, int]:
        """Bytes that this leaves of the memory given, and of the room for shared blocks."""
        have = memory_available() if budget is None else budget
        shared_room = shm_free() if self.engine == "local" else have
        return have - self.memory, shared_room - self.shared

    def check(self, budget: int | None) -> None:
        """Refuse what would not fit.

        Raises
        ------
        MemoryBudgetError
            With need and have.
        """
        have = memory_available() if budget is None else budget
        if self.memory > have:
            given = "is available" if budget is None else "was given"
            raise MemoryBudgetError(
                f"the job needs {format_size(self.memory)} of memory and {format_size(have)} "
                f"{given}: use fewer workers ({option('workers')}), or give more "
                f"({option('memory')})"
            )
        if self.engine == "local" and self.shared > shm_free():
            raise MemoryBudgetError(
                f"the job needs {format_size(self.shared)} of shared memory and "
                f"{format_size(shm_free())} is free in {SHM}: make it larger (docker run "
                f"--shm-size), or use {option('engine', 'serial')}"
            )
        serial = self.engine == "serial"
        own = self.scratch + self.parent + self.shared if serial else max(self.scratch, self.parent)
        check_process_limits(own, own + self.mapped + (0 if serial else self.shared))


@dataclass(frozen=True)
class Staging:
    """What lies somewhere else than in its file before and after the passes.

    Parameters
    ----------
    load : Load or None
        Chunks are decoded before the passes begin.
    held : tuple of ({"memory", "file"} or None)
        For each keep of the last pass: where its rows are held until all are there.
    """

    load: Load | None = None
    held: tuple[Into | None, ...] = ()

    def nbytes(self, last: Pass) -> dict[Into, int]:
        """Bytes in memory, and in files without names."""
        taken: dict[Into, int] = {"memory": 0, "file": 0}
        if self.load is not None and isinstance(last.source, DatasetSource):
            taken[self.load.into] += self.load.nbytes(last.source)
        for into, keep in zip(self.held, last.keeps, strict=False):
            if into is not None:
                taken[into] += last.spec(keep.depth).nbytes
        return taken


def project(
    passes: tuple[Pass, ...],
    engine: str,
    workers: int,
    threads: int,
    staging: Staging,
    *,
    fit: FitPart | None,
    file_is_memory: bool,
    ready: bool,
) -> Projection:
    """The peak of a plan's passes; they run one after the other.

    Parameters
    ----------
    fit : FitPart or None
        What is iterated before the last pass.
    file_is_memory : bool
        Files without names go to a file system that takes memory.
    ready : bool
        Rows come decoded, from where `staging` has them or would have them.
    """
    last = passes[-1]
    staged = staging.nbytes(last)
    in_memory = staged["memory"] + (staged["file"] if file_is_memory else 0)
    scratch = max(_scratch(p, p.strip, ready) * p.threads(threads) for p in passes)
    scratch += 0 if fit is None else _fit_scratch(last, fit) * last.threads(threads)
    filed = _filed(last)
    parent, shared = _worked_out(passes), _states(passes, workers, threads) + _results(last)
    shared += 0 if fit is None else fit.shared_nbytes(len(last.blocks))
    if engine == "local":
        shared += _copied(last) + parent + (workers * RING_NBYTES if _encodes(last) else 0)
        # It compiles with one made-up row.
        parent += max(_scratch(work, 1, True) for work in passes)
        parent += min(HELD_BYTES, sum(nbytes for nbytes, sink in filed if sink.chunks))
        shared += 0 if fit is None else fit.given_nbytes
    if fit is not None:
        parent += fit.given_nbytes + fit.update_nbytes
    return Projection(
        engine,
        workers,
        max(
            scratch,
            threads * _load_scratch(last.source) if ready else 0,
            *(threads * _release_scratch(sink) for _, sink in filed if any(staging.held)),
        ),
        parent,
        shared + in_memory,
        last.source.nbytes if isinstance(last.source, DatasetSource) else 0,
        sum(nbytes for nbytes, _ in filed),
        sum(nbytes for nbytes, sink in filed if not sink.filters) + staged["file"],
    )


def _filed(last: Pass) -> list[tuple[int, DatasetSink]]:
    """The results that go to the output file, and their bytes."""
    return [
        (last.spec(keep.depth).nbytes, keep.sink)
        for keep in last.keeps
        if isinstance(keep.sink, DatasetSink)
    ]


def _encodes(last: Pass) -> bool:
    """Whether workers send chunks to the one writer."""
    return any(sink.chunks for _, sink in _filed(last))


def _states(passes: tuple[Pass, ...], workers: int, threads: int) -> int:
    """What blocks keep for the reductions of the largest pass, and what scans carry over."""
    kept = max(
        sum(t.nbytes * t.slots(len(p.blocks), workers * p.threads(threads)) for _, t in p.tallies)
        for p in passes
    )
    last = passes[-1]
    return kept + sum(
        len(last.blocks) * last.spec(i).row_size * 8
        for i, argument in needs(last.stages)
        if isinstance(argument, Carry)
    )


def _results(last: Pass) -> int:
    """Results that are arrays in memory; one that was given is there already."""
    return sum(
        last.spec(keep.depth).nbytes
        for keep in last.keeps
        if not isinstance(keep.sink, DatasetSink | ArraySink)
    )


def _copied(last: Pass) -> int:
    """The copy in shared memory that workers get of an array in private memory."""
    array = last.source.array if isinstance(last.source, ArraySource) else None
    return array.nbytes if isinstance(array, np.ndarray) and handle(array) is None else 0


def _worked_out(passes: tuple[Pass, ...]) -> int:
    """The results of reductions, in double precision, and what they are combined from."""
    specs = (observe.reduction.result_spec for work in passes for observe in work.observes)
    return sum(2 * 8 * math.prod(spec.shape) for spec in specs)


def _scratch(work: Pass, strip: int, ready: bool) -> int:
    """Private buffers of one thread: each stage's rows, with the halo of the stages after it."""
    rows, halo = min(strip, work.source.shape[0]), 0
    total = 0
    for depth in range(len(work.stages), 0, -1):
        stage = work.stages[depth - 1]
        total += (rows + 2 * halo) * work.spec(depth).row_bytes
        halo += stage.halo
        given = (rows + 2 * halo) * work.spec(depth - 1).row_bytes
        total += (stage.copies + bool(stage.halo)) * given
    total += 0 if ready else work.source.scratch_nbytes(rows + 2 * halo)
    # An encoder holds the rows and their chunks.
    return total + sum(2 * rows * work.spec(keep.depth).row_bytes for keep in work.keeps)


def _fit_scratch(last: Pass, fit: FitPart) -> int:
    """Private buffers of a thread that adds rows to a block's state.

    The strip in double precision and once more what is made of it, and what it comes to.
    """
    if fit.rounds is None:
        return 0
    rows = min(last.strip, last.source.shape[0])
    targets = PANEL_NBYTES if fit.given_nbytes else 0
    return 2 * (rows * last.spec(fit.depth).row_size * 8 + fit.state_nbytes) + targets


def _load_scratch(source: Source) -> int:
    """Private buffers of a thread that decodes boxes into their places."""
    if not isinstance(source, DatasetSource):
        return 0
    box = load_boxes(source, source.shape).chunks
    return source.box_nbytes if source.chunks else source.scratch_nbytes(box[0])


def _release_scratch(sink: DatasetSink) -> int:
    """Private buffers of a thread that encodes boxes of what was held: a box, padded, encoded."""
    if not sink.chunks:
        return 0
    box = math.prod(units(sink.shape, sink.chunks, sink.dtype.itemsize).chunks)
    return 2 * (box + math.prod(sink.chunks)) * sink.dtype.itemsize


def serial_seconds(work: Pass) -> float:
    """How long one core would take, within a factor of a few: enough to choose an engine."""
    source: Any = work.source
    size = work.spec(0).nbytes
    slow = FILTERED_RATE if getattr(source, "filters", ()) else H5PY_RATE
    seconds = size / READ_RATE.get(source.read_path, slow)
    for depth, stage in enumerate(work.stages, start=1):
        seconds += work.spec(depth).nbytes / (STENCIL_RATE if stage.halo else STAGE_RATE)
    for keep in work.keeps:
        rate = COMPRESSED_RATE if getattr(keep.sink, "filters", ()) else WRITE_RATE
        seconds += work.spec(keep.depth).nbytes / rate
    return seconds + len(work.tallies) * size / STAGE_RATE


def _fit_seconds(work: Pass) -> float:
    """How long one core would take for the rounds of a fit; nobody knows how many there will be."""
    return ROUNDS * (serial_seconds(work) + work.spec(0).nbytes / FIT_RATE)


def must_run_here(options: RunOptions) -> bool:
    """Whether a job that would gain from workers has to do without, and a note says so.

    Workers of pools, of Dask and of our own teams are daemonic: multiprocessing lets them start no
    process. Who asks for an engine by its name gets the error.
    """
    if options.engine != "auto" or not current_process().daemon:
        return False
    warnings.warn(
        "this process may start no others, as it is a worker of a pool itself: the job runs in it "
        f"alone; {option('engine', 'serial')} says so without this note",
        NoWorkersWarning,
        stacklevel=2,
    )
    return True


def choose_engine(
    passes: tuple[Pass, ...], options: RunOptions, fit: FitPart | None, *, have_team: bool
) -> tuple[str, int]:
    """The engine and how many workers it has; a worker without a block would only wait."""
    parts = len(passes[-1].blocks) if fit is None or fit.rounds else passes[-1].source.shape[0]
    workers = max(1, min(options.team_size, parts))
    if options.engine == "local" or have_team:
        return "local", workers
    seconds = sum(map(serial_seconds, passes)) + (0.0 if fit is None else _fit_seconds(passes[-1]))
    gains = workers > 1 and seconds > START_SECONDS
    if options.engine == "serial" or not gains or must_run_here(options):
        return "serial", 1
    return "local", workers
