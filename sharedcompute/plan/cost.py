"""What a plan will take: memory, disk, time; and which engine that speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.arrays import handle
from sharedcompute.errors import MemoryBudgetError
from sharedcompute.hdf5.sink import DatasetSink
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.machine import SHM, format_size, memory_available, shm_free
from sharedcompute.operations.base import Carry
from sharedcompute.plan.job import Options
from sharedcompute.plan.loading import Into, Load
from sharedcompute.plan.memory import RING_NBYTES, ArraySink, ArraySource, Room
from sharedcompute.plan.passes import Pass, needs

PROCESS_BYTES = 64 * 1024**2
"""Private memory of one process with numba and h5py loaded; measured 35 to 60 MiB."""

START_SECONDS = 1.0
"""A team starts and loads its kernels in about 0.7 s: shorter jobs run in this process."""

READ_RATE = {"mmap": 8e9, "memory": 8e9, "preadv": 4e9}
FILTERED_RATE = 0.6e9
H5PY_RATE = 1.5e9
STAGE_RATE = 2e9
STENCIL_RATE = 0.1e9
WRITE_RATE = 1e9
COMPRESSED_RATE = 0.05e9


@dataclass(frozen=True)
class Projection:
    """Bytes that a plan will take at its peak.

    Parameters
    ----------
    processes : int
        Interpreters and libraries.
    scratch : int
        Private buffers of all workers.
    shared : int
        Shared memory: states of reductions, results that stay in memory.
    disk, disk_needed : int
        What the output takes if no filter makes it smaller; and what of it has no filter, with the
        files without names.
    shared_blocks : bool
        Whether `shared` lies in shared blocks; the serial engine uses private memory.
    """

    processes: int
    scratch: int
    shared: int
    disk: int
    disk_needed: int
    shared_blocks: bool = False

    @property
    def memory(self) -> int:
        """All memory."""
        return self.processes + self.scratch + self.shared

    def fits(self, budget: int | None) -> bool:
        """Whether the memory given, or what is available, will do, and the room for blocks."""
        return min(self.left(budget)) >= 0

    def left(self, budget: int | None) -> tuple[int, int]:
        """Bytes that this leaves of the memory given, and of the room for shared blocks."""
        have = memory_available() if budget is None else budget
        shared_room = shm_free() if self.shared_blocks else have
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
                f"{given}: use fewer workers (-j), or give more (--memory)"
            )
        if self.shared_blocks and self.shared > shm_free():
            raise MemoryBudgetError(
                f"the job needs {format_size(self.shared)} of shared memory and "
                f"{format_size(shm_free())} is free in {SHM}: make it larger (docker run "
                "--shm-size), or use --engine serial"
            )


def project(
    passes: tuple[Pass, ...],
    engine: str,
    workers: int,
    load: Load | None = None,
    held: tuple[Into | None, ...] = (),
) -> Projection:
    """The peak of a plan's passes; they run one after the other.

    `load` and `held` as in `Staged`.
    """
    last = passes[-1]
    filed = [k for k in last.keeps if isinstance(k.sink, DatasetSink)]
    in_memory = [k for k in last.keeps if k not in filed and not isinstance(k.sink, ArraySink)]
    shared = max(
        sum(t.nbytes * t.slots(len(p.blocks), workers) for _, t in p.tallies) for p in passes
    )
    shared += sum(last.spec(keep.depth).nbytes for keep in in_memory)
    shared += sum(
        len(last.blocks) * last.spec(i).row_size * 8
        for i, argument in needs(last.stages)
        if isinstance(argument, Carry)
    )
    local = engine == "local"
    if local and isinstance(last.source, ArraySource):
        shared += _copied(last.source.array)
    if local and any(isinstance(k.sink, DatasetSink) and k.sink.chunks for k in filed):
        shared += workers * RING_NBYTES
    source, scratch = last.source, max(_scratch(work, load) for work in passes)
    if load is not None and isinstance(source, DatasetSource):
        shared += load.nbytes(source) if load.into == "memory" else 0
        scratch = max(scratch, source.box_nbytes)
    waiting = dict.fromkeys(("memory", "file"), 0)
    for into, keep in zip(held, last.keeps, strict=False):
        if into is not None:
            waiting[into] += last.spec(keep.depth).nbytes
    shared += waiting["memory"]
    file = waiting["file"]
    if load is not None and load.into == "file" and isinstance(source, DatasetSource):
        file += load.nbytes(source)
    plain = [k for k in filed if isinstance(k.sink, DatasetSink) and not k.sink.filters]
    return Projection(
        (workers + 2 if local else 1) * PROCESS_BYTES,
        workers * scratch,
        shared,
        sum(last.spec(keep.depth).nbytes for keep in filed),
        sum(last.spec(keep.depth).nbytes for keep in plain) + file,
        shared_blocks=local,
    )


def _copied(array: Room) -> int:
    """Bytes of the copy in shared memory that workers get of an array in private memory."""
    return array.nbytes if isinstance(array, np.ndarray) and handle(array) is None else 0


def _scratch(work: Pass, load: Load | None) -> int:
    """Private buffers of one worker: each stage's rows, with the halo of the stages after it."""
    rows, halo = min(work.strip, work.source.shape[0]), 0
    total = 0
    for depth in range(len(work.stages), 0, -1):
        stage = work.stages[depth - 1]
        total += (rows + 2 * halo) * work.spec(depth).row_bytes
        halo += stage.halo
        if stage.halo:
            total += (rows + 2 * halo) * work.spec(depth - 1).row_bytes
    total += 0 if load else work.source.scratch_nbytes(rows + 2 * halo)
    # An encoder holds the rows and their chunks.
    return total + sum(2 * rows * work.spec(keep.depth).row_bytes for keep in work.keeps)


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


def choose_engine(
    passes: tuple[Pass, ...], options: Options, *, have_team: bool
) -> tuple[str, int]:
    """The engine and how many workers it has; a worker without a block would only wait."""
    workers = max(1, min(options.team_size, len(passes[-1].blocks)))
    if options.engine == "local" or have_team:
        return "local", workers
    gains = workers > 1 and sum(map(serial_seconds, passes)) > START_SECONDS
    if options.engine == "serial" or not gains:
        return "serial", 1
    return "local", workers
