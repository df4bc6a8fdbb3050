"""The data in memory or in a file before and after the passes, and the bytes that they take.

Before: chunks that are decoded first (`Load`). After: results whose chunks strips of rows cannot
follow, which are held until all rows are there and then encoded in boxes of whole chunks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.planning.budget.blocks import followed
from sharedcompute.planning.budget.cost import Computation, Staging, project
from sharedcompute.planning.budget.loading import Load, choose_loads
from sharedcompute.planning.budget.projection import Projection
from sharedcompute.planning.passes import Pass, Store
from sharedcompute.planning.planned import Held, Into
from sharedcompute.system.machine import disk_free, is_tmpfs


@dataclass(frozen=True)
class Staged:
    """The data that lie somewhere else than in their files, and the bytes that it all takes."""

    staging: Staging
    projection: Projection

    @property
    def loads(self) -> tuple[Load, ...]:
        """The datasets whose chunks are decoded before the passes begin."""
        return self.staging.loads

    @property
    def held(self) -> tuple[Into | None, ...]:
        """For each store of the last pass: where its rows are held until all are there."""
        return self.staging.held

    def hold(self, passes: Sequence[Pass]) -> Sequence[Pass]:
        """Let the stores of the last pass hold what is held."""
        if not passes:
            return passes
        *before, last = passes
        stores = tuple(map(partial(_hold, last), last.stores, self.held))
        return [*before, replace(last, stores=stores)]


def _hold(last: Pass, store: Store, into: Into | None) -> Store:
    if into is None or not isinstance(store.sink, DatasetSink):
        return store
    return replace(store, sink=Held(into, last.stored(store), store.sink))


def followed_by(sink: object, spec: ArraySpec, group: int = 1) -> int:
    """Return the chunk rows of a result that strips follow; 1 where it is held instead.

    Where they are groups of rows of the sink, as many groups as fill whole chunks.
    """
    return followed(spec.rows, spec.row_bytes, _chunk_rows(sink, group))


def _chunk_rows(sink: object, group: int) -> int:
    rows = sink.row_alignment if isinstance(sink, DatasetSink) else 1
    return rows // math.gcd(rows, group)


def staged_for(
    computed: Computation,
    engine: str,
    budget: int | None,
    folder: Path,
    threads: int,
    workers: int,
) -> Staged:
    """Choose what is loaded and held, in the memory that the passes leave.

    Parameters
    ----------
    budget : int or None
        Bytes for all processes; None: what is available.
    folder : Path
        Where files may be made.
    """
    costs = partial(
        project,
        computed,
        engine,
        workers,
        threads,
        file_is_memory=is_tmpfs(folder),
    )
    passes, fit = computed.passes, computed.fit
    # What the passes leave, where readers need no room for chunks of their own.
    room, shared_room = costs(Staging(), ready=True).left(budget)
    files = min(disk_free(folder), room) if is_tmpfs(folder) else disk_free(folder)
    iterated = None if fit is None else fit.work
    loads = choose_loads(passes, iterated, room, shared_room, files)
    room = min(room, shared_room)
    room -= sum(load.nbytes for load in loads if load.into == "memory")
    held: list[Into | None] = []
    for work in passes[-1:]:
        for store in work.stores:
            spec = work.spec(store.value)
            if not isinstance(store.sink, DatasetSink) or _fits_strips(store, spec):
                held.append(None)
                continue
            held.append("memory" if spec.nbytes <= room else "file")
            room -= spec.nbytes if spec.nbytes <= room else 0
    staging = Staging(loads, tuple(held))
    return Staged(staging, costs(staging, ready=False))


def _fits_strips(store: Store, spec: ArraySpec) -> bool:
    chunk = _chunk_rows(store.sink, store.group)
    return followed_by(store.sink, spec, store.group) == min(chunk, max(1, spec.rows))
