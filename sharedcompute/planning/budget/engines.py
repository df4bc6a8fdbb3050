"""The choice of an engine: how long one core would take, and whether workers pay."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import current_process

from sharedcompute.errors import NoWorkersWarning
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.fit import ROUNDS, Iterate
from sharedcompute.planning.grouped import plain
from sharedcompute.planning.passes import Pass
from sharedcompute.traits import AUTO, IN_PROCESS, ON_TEAM, must_be_alone, with_processes
from sharedcompute.wording import option

START_SECONDS = 1.0
"""A team starts and loads its kernels in about 0.7 s: shorter jobs run in this process."""

THREADS = 4
"""Threads that gain in one process. Between two kernels of 200 us each holds the interpreter's lock
for some 50 us."""

THREAD_SECONDS = 2e-3
"""A thread starts in 0.1 ms, and the last one to end is waited for."""

LONG_SECONDS = 20.0
"""Jobs that take so long on one core run on workers, whatever threads would do: a worker that dies
is replaced."""

READ_RATE = {"mmap": 8e9, "memory": 8e9, "preadv": 4e9}
FILTERED_RATE = 0.6e9
H5PY_RATE = 1.5e9
STAGE_RATE = 2e9
STENCIL_RATE = 0.1e9
WRITE_RATE = 1e9
COMPRESSED_RATE = 0.05e9
FIT_RATE = 1e9


def serial_seconds(work: Pass) -> float:
    """Estimate how long one core would take, within a factor of a few: that is enough here."""
    seconds = sum(_read_seconds(feed) for feed in work.feeds)
    for step in work.steps:
        rate = STENCIL_RATE if step.stage.halo else STAGE_RATE
        seconds += sum(spec.nbytes for spec in step.specs) / rate
    seconds += len(work.gathers) * work.reads.nbytes / STENCIL_RATE
    for store in work.stores:
        encoded = isinstance(store.sink, DatasetSink) and store.sink.filters
        seconds += work.spec(store.value).nbytes / (COMPRESSED_RATE if encoded else WRITE_RATE)
    return seconds + len(work.tallies) * work.reads.nbytes / STAGE_RATE


def _read_seconds(source: Source) -> float:
    source = plain(source)
    filtered = isinstance(source, DatasetSource) and source.filters
    slow = FILTERED_RATE if filtered else H5PY_RATE
    nbytes = ArraySpec(source.shape, source.dtype).nbytes
    return nbytes / READ_RATE.get(source.read_path, slow)


def _fit_seconds(work: Pass) -> float:
    """Estimate how long one core would take for the rounds of a fit, whose number is unknown."""
    return ROUNDS * (serial_seconds(work) + work.reads.nbytes / FIT_RATE)


def must_run_here(options: RunOptions) -> bool:
    """Return whether a job that would gain from workers has to do without, and warn of it.

    Workers of pools, of Dask and of our own teams are daemonic: multiprocessing lets them start no
    process. Who asks for an engine by its name gets the error.
    """
    if options.engine != AUTO or not current_process().daemon:
        return False
    warnings.warn(
        "this process may start no others, as it is a worker of a pool itself: the job runs in it "
        f"alone; {option('engine', IN_PROCESS)} says so without this note",
        NoWorkersWarning,
        stacklevel=2,
    )
    return True


@dataclass(frozen=True)
class Choice:
    """An engine, its workers, and the threads of each."""

    engine: str
    workers: int
    threads: int


def choose_engine(
    passes: Sequence[Pass], options: RunOptions, fit: Iterate | None, *, have_team: bool
) -> Choice:
    """Choose the engine and how many workers it has; one without a block would only wait.

    The kernels of this package let go of the interpreter's lock, so that threads of this process
    are as fast as a team that is there, and need no start, and no array in shared memory.
    """
    last = passes[-1] if fit is None else fit.work
    parts = len(last.blocks) if fit is None or fit.part.rounds else last.rows
    workers = max(1, min(options.team_size, parts))
    asked = options.engine
    if have_team:
        return Choice(ON_TEAM, workers, options.threads)
    if asked != AUTO and not must_be_alone(asked):
        return Choice(asked, workers, options.threads)
    here = Choice(IN_PROCESS, 1, options.threads)
    if must_be_alone(asked) or workers == 1:
        return here
    seconds = sum(map(serial_seconds, passes)) + (0.0 if fit is None else _fit_seconds(fit.work))
    threads = min(workers * options.threads, THREADS)
    together = _in_threads(passes, options, fit)
    if seconds <= (LONG_SECONDS if together and threads >= workers else START_SECONDS):
        return replace(here, threads=threads) if together and seconds > THREAD_SECONDS else here
    if must_run_here(options):
        return replace(here, threads=threads) if together else here
    return Choice(with_processes(asked), workers, options.threads)


def _in_threads(passes: Sequence[Pass], options: RunOptions, fit: Iterate | None) -> bool:
    """Return whether threads of one process may do what nobody asked workers for."""
    asked = options.workers is not None or options.pin
    return not asked and fit is None and all(work.side_by_side for work in passes)
