"""The memory and the disk that the passes of a plan will take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.fits.targets import PANEL_NBYTES
from sharedcompute.operations.stages import Carry
from sharedcompute.planning.budget.loading import Load, load_boxes, units
from sharedcompute.planning.budget.projection import Projection
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.in_memory import HELD_BYTES, RING_NBYTES, ArraySink, ArraySource
from sharedcompute.planning.passes import Pass, needs
from sharedcompute.planning.planned import Into
from sharedcompute.shm.shared_array import handle
from sharedcompute.traits import traits_of


@dataclass(frozen=True)
class Staging:
    """The data that lie somewhere else than in their files before and after the passes.

    Parameters
    ----------
    load : Load or None
        Chunks are decoded before the passes begin.
    held : tuple of ({"memory", "file"} or None)
        For each store of the last pass: where its rows are held until all are there.
    """

    load: Load | None = None
    held: tuple[Into | None, ...] = ()

    def nbytes(self, last: Pass) -> dict[Into, int]:
        """Return the bytes in memory, and in files without names."""
        taken: dict[Into, int] = {"memory": 0, "file": 0}
        if self.load is not None and isinstance(last.source, DatasetSource):
            taken[self.load.into] += self.load.nbytes(last.source)
        for into, store in zip(self.held, last.stores, strict=False):
            if into is not None:
                taken[into] += last.spec(store.depth).nbytes
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
    """Return the peak of a plan's passes; they run one after the other.

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
    traits = traits_of(engine)
    runners = workers if traits.shares_memory else 0
    parent, shared = _reduced(passes), _states(passes, runners, threads) + _results(last)
    shared += 0 if fit is None else fit.shared_nbytes(len(last.blocks))
    if traits.segments:
        shared += _copied(last) + parent + (workers * RING_NBYTES if _encodes(last) else 0)
        shared += 0 if fit is None else fit.given_nbytes
    if traits.processes:
        # It compiles with one made-up row.
        parent += max(_scratch(work, 1, True) for work in passes)
        parent += min(HELD_BYTES, sum(nbytes for nbytes, sink in filed if sink.chunks))
    if fit is not None:
        parent += fit.given_nbytes + fit.update_nbytes
    return Projection(
        engine,
        workers,
        max(
            scratch,
            threads * _load_scratch(last.source) if ready else 0,
            *(threads * _encode_scratch(sink) for _, sink in filed if any(staging.held)),
        ),
        parent,
        shared + in_memory,
        last.source.nbytes if isinstance(last.source, DatasetSource) else 0,
        sum(nbytes for nbytes, _ in filed),
        sum(nbytes for nbytes, sink in filed if not sink.filters) + staged["file"],
    )


def _filed(last: Pass) -> list[tuple[int, DatasetSink]]:
    """Return the results that go to the output file, with their bytes."""
    return [
        (last.spec(store.depth).nbytes, store.sink)
        for store in last.stores
        if isinstance(store.sink, DatasetSink)
    ]


def _encodes(last: Pass) -> bool:
    """Return whether workers send chunks to the one writer."""
    return any(sink.chunks for _, sink in _filed(last))


def _states(passes: tuple[Pass, ...], runners: int, threads: int) -> int:
    """Return the bytes that blocks keep for reductions, at most, and that scans carry over."""
    kept = max(
        sum(t.nbytes * t.slots(len(p.blocks), runners * p.threads(threads)) for _, t in p.tallies)
        for p in passes
    )
    last = passes[-1]
    return kept + sum(
        len(last.blocks) * last.spec(i).row_size * 8
        for i, argument in needs(last.stages)
        if isinstance(argument, Carry)
    )


def _results(last: Pass) -> int:
    """Return the bytes of results in memory; an array that was given is there already."""
    return sum(
        last.spec(store.depth).nbytes
        for store in last.stores
        if not isinstance(store.sink, DatasetSink | ArraySink)
    )


def _copied(last: Pass) -> int:
    """Return the bytes of the shared copy that workers get of an array in private memory."""
    array = last.source.array if isinstance(last.source, ArraySource) else None
    return array.nbytes if isinstance(array, np.ndarray) and handle(array) is None else 0


def _reduced(passes: tuple[Pass, ...]) -> int:
    """Return the bytes of reductions in double precision: results, and the states of all rows."""
    specs = (output.reduction.result_spec for work in passes for output in work.reductions)
    return sum(2 * 8 * math.prod(spec.shape) for spec in specs)


def _scratch(work: Pass, strip: int, ready: bool) -> int:
    """Return a thread's buffers: each stage's rows, with the halo of the stages after it."""
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
    return total + sum(2 * rows * work.spec(store.depth).row_bytes for store in work.stores)


def _fit_scratch(last: Pass, fit: FitPart) -> int:
    """Return the buffers of a thread that adds rows to a block's state.

    The strip in double precision and a temporary as large, and the state.
    """
    if fit.rounds is None:
        return 0
    rows = min(last.strip, last.source.shape[0])
    targets = PANEL_NBYTES if fit.given_nbytes else 0
    return 2 * (rows * last.spec(fit.depth).row_size * 8 + fit.state_nbytes) + targets


def _load_scratch(source: Source) -> int:
    """Return the buffers of a thread that decodes boxes into their places."""
    if not isinstance(source, DatasetSource):
        return 0
    box = load_boxes(source, source.shape).chunks
    return source.box_nbytes if source.chunks else source.scratch_nbytes(box[0])


def _encode_scratch(sink: DatasetSink) -> int:
    """Return the buffers of a thread that encodes boxes of a held result: box, padding, chunks."""
    if not sink.chunks:
        return 0
    box = math.prod(units(sink.shape, sink.chunks, sink.dtype.itemsize).chunks)
    return 2 * (box + math.prod(sink.chunks)) * sink.dtype.itemsize
