"""stats: count, mean, std, min and max in one pass."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from sharedcompute.api.addresses import output_address
from sharedcompute.api.inputs import as_source, is_decoded
from sharedcompute.api.jobs import make_plan
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.reductions import Axes, reduce_job, run_reductions
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike, ArrayInput, Axis
from sharedcompute.events import Listener
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.specs import Array, DType
from sharedcompute.options.groups import (
    ReadOptions,
    RunOptions,
    StorageOptions,
    as_bytes,
    as_chunks,
    as_rows,
)
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName

STATS = ("count", "nan_count", "mean", "std", "min", "max")


def stats(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    axis: Axis = "all",
    keepdims: bool = False,
    workers: int | None = None,
    threads: int = 1,
    pin: bool = False,
    schedule: Schedule = "dynamic",
    block_rows: int | None = None,
    memory: int | str | None = None,
    engine: EngineName = "auto",
    retries: int = 0,
    filter: str | None = None,
    chunks: str | Sequence[int] | None = None,
    shuffle: bool | None = None,
    overwrite: bool = False,
    resume: bool = False,
    decode_cf: bool = False,
    allow_external: bool = False,
    rows: str | slice | None = None,
    team: Team | None = None,
    listen: Listener | None = None,
    **params: object,
) -> dict[str, Array]:
    """Compute count, nan_count, mean, std, min and max in one pass.

    Complex data have no min and max.

    Parameters
    ----------
    input : address, ndarray, SharedArray, h5py.Dataset or LazyArray
        May be larger than memory.
    output : address, optional
        Names a group, which gets a dataset for each reduction.
    axis : int, tuple of int, 'rows', 'all' or None, default: 'all'
        As in NumPy: one axis or several, or all elements for None; rows are axis 0.
    keepdims : bool, default: False
        Keep the axes that are reduced, with length 1.
    workers : int, optional
        Number of worker processes; default: SHAREDCOMPUTE_WORKERS, or the cores available.
    threads : int, default: 1
        Threads in each worker.
    pin : bool, default: False
        Pin each worker to cores of its own.
    schedule : {'static', 'dynamic', 'guided', 'stealing'}, default: 'dynamic'
        How blocks of rows are assigned to workers.
    block_rows : int, optional
        Rows in a block; reductions are accumulated block by block.
    memory : int or str, optional
        Memory for all processes together, such as 4G; default: what is available.
    engine : {'auto', 'serial', 'local'}, default: 'auto'
        Where blocks run; auto: serial in several threads, or local where workers gain.
    retries : int, default: 0
        Times to recompute the rows of a worker that died.
    filter : str, optional
        Filter of the output datasets, as NAME[:LEVEL]; default: the input's.
    chunks : str or sequence of int, optional
        Chunk shape of the output datasets; default: the input's.
    shuffle : bool, optional
        Shuffle bytes before the filter of the output datasets; default: as the input's.
    overwrite : bool, default: False
        Replace an output that exists.
    resume : bool, default: False
        Continue a job that was stopped.
    decode_cf : bool, default: False
        Apply scale_factor, add_offset, _FillValue and missing_value to what is read.
    allow_external : bool, default: False
        Follow links, virtual sources and external storage out of the input's folder.
    rows : str or slice, optional
        Rows of the input to take, as FROM:TO or FROM:TO:STEP; default: all.
    team : Team, optional
        Run on its workers; by default workers are started where it pays.
    listen : callable, optional
        Receives the events of the run.
    **params
        Parameters of the reductions: ``skipna``, ``ddof``.

    Returns
    -------
    dict of ndarray
        By the name of the reduction.

    Raises
    ------
    InputError, OutputExists, MemoryBudgetError
        Before anything is started or changed.
    StaleResumeError
        What a stopped job left belongs to another one.
    WorkerDied
        A worker process was killed.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> found = sc.stats(np.array([1.0, np.nan, 3.0]), skipna=True)
    >>> float(found["mean"]), int(found["nan_count"])
    (2.0, 1)
    """
    settings = Settings(
        RunOptions(
            workers=workers,
            threads=threads,
            pin=pin,
            schedule=schedule,
            block_rows=block_rows,
            memory=as_bytes(memory),
            engine=engine,
            retries=retries,
        ),
        StorageOptions(
            filter=filter,
            chunks=as_chunks(chunks),
            shuffle=shuffle,
            overwrite=overwrite,
            resume=resume,
        ),
        ReadOptions(
            decode_cf=decode_cf,
            allow_external=allow_external,
            rows=as_rows(rows),
        ),
        team,
    )
    return plan_stats(input, output, Axes(axis, keepdims), settings, params).run(listen=listen)


def stats_operations(dtype: DType) -> tuple[Operation, ...]:
    """Return the reductions that `stats` makes of numbers."""
    ops = [find(name) for name in STATS]
    return tuple(op for op in ops if dtype.kind in getattr(op, "kinds", "biufc"))


def plan_stats(
    input: ArrayInput,
    output: AddressLike | None,
    axes: Axes,
    settings: Settings,
    params: Mapping[str, object],
) -> JobPlan[dict[str, Array]]:
    """Plan `stats`."""
    settings = settings.decoding(is_decoded(input))
    source = as_source(input, settings.reading.allow_external, settings.reading.rows)
    address, ops = output_address(output), stats_operations(source.dtype)
    plan = make_plan(reduce_job(ops, source, address, axes, settings, params), settings)
    return JobPlan(plan, functools.partial(run_reductions, plan, settings))
