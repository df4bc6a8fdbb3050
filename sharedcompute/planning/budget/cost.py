"""The memory and the disk that the passes of a plan will take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.reading.boxes import boxes_of, units
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.fits.targets import PANEL_NBYTES
from sharedcompute.operations.reductions.tally import CACHED
from sharedcompute.planning.budget.compiling import Code
from sharedcompute.planning.budget.loading import Load
from sharedcompute.planning.budget.projection import Projection
from sharedcompute.planning.budget.wholes import Wholes
from sharedcompute.planning.fit import Iterate
from sharedcompute.planning.grouped import plain
from sharedcompute.planning.in_memory import HELD_BYTES, RING_NBYTES, ArraySink, ArraySource
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.planned import Into
from sharedcompute.shm.shared_array import handle
from sharedcompute.traits import Traits, traits_of
from sharedcompute.ufuncs.kernel import Kernel
from sharedcompute.ufuncs.runner import PIECE


@dataclass(frozen=True)
class Computation:
    """The work of a plan.

    Parameters
    ----------
    passes : sequence of Pass
        They run one after the other.
    fit : Iterate or None
        What is iterated beside the passes.
    whole : Wholes
        What is computed as a whole between the passes.
    code : Code
        What all of it runs.
    """

    passes: Sequence[Pass]
    fit: Iterate | None
    whole: Wholes
    code: Code

    @property
    def read(self) -> Sequence[Pass]:
        """All that go over rows, that of the fit among them."""
        return self.passes if self.fit is None else [*self.passes, self.fit.work]

    @property
    def last(self) -> Pass:
        """The pass whose results are stored."""
        return self.passes[-1] if self.passes else self.read[-1]


@dataclass(frozen=True)
class Staging:
    """The data that lie somewhere else than in their files before and after the passes.

    Parameters
    ----------
    loads : tuple of Load
        Chunks are decoded before the passes begin.
    held : tuple of ({"memory", "file"} or None)
        For each store of the last pass: where its rows are held until all are there.
    """

    loads: tuple[Load, ...] = ()
    held: tuple[Into | None, ...] = ()

    def nbytes(self, last: Pass) -> dict[Into, int]:
        """Return the bytes in memory, and in files without names."""
        taken: dict[Into, int] = {"memory": 0, "file": 0}
        for load in self.loads:
            taken[load.into] += load.nbytes
        for into, store in zip(self.held, last.stores, strict=False):
            if into is not None:
                taken[into] += last.spec(store.value).nbytes
        return taken


def project(
    computed: Computation,
    engine: str,
    workers: int,
    threads: int,
    staging: Staging,
    *,
    file_is_memory: bool,
    ready: bool,
) -> Projection:
    """Return the peak of a plan.

    Parameters
    ----------
    file_is_memory : bool
        Files without names go to a file system that takes memory.
    ready : bool
        Rows come decoded, from where `staging` would have them; else only those that it has.
    """
    loaded = {id(load.source) for load in staging.loads}

    def is_ready(feed: Source) -> bool:
        return ready or id(feed) in loaded

    staged, filed = staging.nbytes(computed.last), _filed(computed.last)
    coding = [_load_scratch(feed) for feed in _feeds(computed.read) if is_ready(feed)]
    coding += [_encode_scratch(sink) for _, sink in filed if any(staging.held)]
    scratch = _adding(computed, threads, is_ready)
    traits = traits_of(engine)
    in_memory = staged["memory"] + (staged["file"] if file_is_memory else 0)
    return Projection(
        engine,
        workers,
        max(scratch, threads * max(coding, default=0)),
        _parent(computed, traits),
        _shared(computed, traits, workers, threads) + in_memory,
        _mapped(computed.read),
        sum(nbytes for nbytes, _ in filed),
        sum(nbytes for nbytes, sink in filed if not sink.filters) + staged["file"],
        computed.code.nbytes(traits, workers),
    )


def _adding(computed: Computation, threads: int, is_ready: Callable[[Source], bool]) -> int:
    """Return the buffers of a process whose threads do blocks, at most."""
    each = (
        (_scratch(p, p.strip, is_ready) + _combined(p, wide=True)) * p.threads(threads)
        for p in computed.read
    )
    fit = computed.fit
    return max(each) + (0 if fit is None else _fit_scratch(fit) * fit.work.threads(threads))


def _parent(computed: Computation, traits: Traits) -> int:
    """Return what the process that runs the job has beside the buffers of units."""
    whole, fit = computed.whole, computed.fit
    total = _reduced(computed.passes) + whole.held + whole.working
    total += max((_combined(work, wide=False) for work in computed.passes), default=0)
    if traits.processes:
        # It compiles with one made-up row.
        total += max(_scratch(work, 1, lambda _: True) for work in computed.read)
        filed = _filed(computed.last)
        total += min(HELD_BYTES, sum(nbytes for nbytes, sink in filed if sink.chunks))
    return total + (0 if fit is None else fit.part.given_nbytes + fit.part.update_nbytes)


def _shared(computed: Computation, traits: Traits, workers: int, threads: int) -> int:
    """Return what all units of a job have together, in shared blocks where there are workers."""
    passes, fit = computed.passes, computed.fit
    runners = workers if traits.shares_memory else 0
    total = _states(passes, runners, threads) + _results(passes)
    total += 0 if fit is None else fit.part.shared_nbytes(len(fit.work.blocks))
    if traits.segments:
        total += _copied(computed.read) + _reduced(passes) + computed.whole.shared
        total += workers * RING_NBYTES if _encodes(computed.last) else 0
        total += 0 if fit is None else fit.part.given_nbytes
    return total


def _feeds(passes: Sequence[Pass]) -> list[Source]:
    """Return what passes read, each once."""
    feeds = [plain(feed) for work in passes for feed in work.feeds]
    return list({id(feed): feed for feed in feeds}.values())


def _mapped(passes: Sequence[Pass]) -> int:
    return sum(feed.nbytes for feed in _feeds(passes) if isinstance(feed, DatasetSource))


def _filed(last: Pass) -> list[tuple[int, DatasetSink]]:
    """Return the results that go to the output file, with their bytes."""
    return [
        (last.spec(store.value).nbytes, store.sink)
        for store in last.stores
        if isinstance(store.sink, DatasetSink)
    ]


def _encodes(last: Pass) -> bool:
    """Return whether workers send chunks to the one writer."""
    return any(sink.chunks for _, sink in _filed(last))


def _states(passes: Sequence[Pass], runners: int, threads: int) -> int:
    """Return the bytes that blocks keep for reductions, at most, and that scans carry over."""
    kept = max(
        (
            sum(
                t.nbytes * t.slots(len(p.blocks), runners * p.threads(threads))
                for _, t in p.tallies
            )
            for p in passes
        ),
        default=0,
    )
    carried = (
        len(work.blocks) * work.spec(step.inputs[0]).row_size * 8
        for work in passes
        for step in work.steps
        if any(operand.per_block for operand in step.operands)
    )
    return kept + sum(carried)


def _combined(work: Pass, *, wide: bool) -> int:
    """Return the bytes of the columns that a rank combines at a time, of the states of all blocks.

    Where they are few, the process that runs the job combines them by itself.
    """
    tallies = (t for _, t in work.tallies if not (t.exact or t.running))
    is_wide = any(tally.columns > CACHED for _, tally in work.tallies)
    each = (-(-t.nbytes // t.columns) * min(t.columns, CACHED) for t in tallies if t.columns)
    return len(work.blocks) * max(each, default=0) if wide == is_wide else 0


def _results(passes: Sequence[Pass]) -> int:
    """Return the bytes of results in memory; an array that was given is there already."""
    return sum(
        work.spec(store.value).nbytes
        for work in passes
        for store in work.stores
        if not isinstance(store.sink, DatasetSink | ArraySink)
    )


def _copied(passes: Sequence[Pass]) -> int:
    """Return the bytes of the shared copies that workers get of arrays in private memory."""
    given = (feed.array for feed in _feeds(passes) if isinstance(feed, ArraySource))
    arrays = (array for array in given if isinstance(array, np.ndarray))
    return sum(array.nbytes for array in arrays if handle(array) is None)


def _reduced(passes: Sequence[Pass]) -> int:
    """Return the bytes of reductions in double precision: results, and the states of all rows."""
    specs = (output.reduction.result_spec for work in passes for output in work.reductions)
    return sum(2 * 8 * math.prod(spec.shape) for spec in specs)


def _scratch(work: Pass, strip: int, is_ready: Callable[[Source], bool]) -> int:
    """Return a thread's buffers: the rows of each value, with the halo that its users need."""
    rows = min(strip, work.rows)

    def nbytes(value: int) -> int:
        return (rows + 2 * work.halos[value]) * work.spec(value).row_bytes

    total = 0
    for step in work.steps:
        total += sum(nbytes(step.result + i) for i in range(len(step.specs)))
        # Intermediate results of elementwise functions: a piece at a time.
        total += PIECE if isinstance(step.stage.kernel, Kernel) else 0
        around = max(work.halos[step.result : step.result + len(step.specs)])
        made_up = step.stage.copies + bool(step.stage.halo)
        total += made_up * sum(
            (rows + 2 * (around + step.stage.reach)) * work.spec(value).row_bytes
            for value in step.inputs
        )
    for number, feed in enumerate(work.feeds):
        total += 0 if is_ready(feed) else feed.scratch_nbytes(rows + 2 * work.halos[number])
    copies = ((_copies(store.sink), work.spec(store.value)) for store in work.stores)
    return total + sum(count * rows * spec.row_bytes for count, spec in copies)


def _copies(sink: object) -> int:
    """Return how many copies of rows are made to store them: an encoder has them and chunks."""
    if not isinstance(sink, DatasetSink):
        return 0
    return 2 if sink.chunks or sink.stored_dtype != sink.dtype else 0


def _fit_scratch(fit: Iterate) -> int:
    """Return the buffers of a thread that adds rows to a block's state.

    The strip in double precision and a temporary as large, and the state.
    """
    part, work = fit.part, fit.work
    if part.rounds is None:
        return 0
    rows = min(work.strip, work.rows)
    targets = PANEL_NBYTES if part.given_nbytes else 0
    return 2 * (rows * work.spec(part.value).row_size * 8 + part.state_nbytes) + targets


def _load_scratch(source: Source) -> int:
    """Return the buffers of a thread that decodes boxes into their places."""
    if not isinstance(source, DatasetSource):
        return 0
    box = boxes_of(source, source.shape).chunks
    return source.box_nbytes if source.chunks else source.scratch_nbytes(box[0])


def _encode_scratch(sink: DatasetSink) -> int:
    """Return the buffers of a thread that encodes boxes of a held result: box, padding, chunks."""
    if not sink.chunks:
        return 0
    box = math.prod(units(sink.shape, sink.chunks, sink.dtype.itemsize).chunks)
    return 2 * (box + math.prod(sink.chunks)) * sink.dtype.itemsize
