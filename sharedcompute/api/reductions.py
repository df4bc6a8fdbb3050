"""reduce: all rows to one, or all elements to a number."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from sharedcompute.api.addresses import group_of, output_address
from sharedcompute.api.at_once import at_once, is_small
from sharedcompute.api.chosen import chosen_step
from sharedcompute.api.inputs import as_source, is_decoded
from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.keywords import check_parameters
from sharedcompute.api.operations import reductions
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike, ArrayInput, Axis, OperationLike
from sharedcompute.events import Listener
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.specs import Array
from sharedcompute.options.groups import (
    OF_REDUCTIONS,
    ReadOptions,
    RunOptions,
    StorageOptions,
    as_bytes,
    as_chunks,
    as_rows,
)
from sharedcompute.planning.job import Job, operations_of, summary
from sharedcompute.planning.plan import Plan
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName


@overload
def reduce(  # type: ignore[overload-overlap] # a str is an iterable of str
    op: OperationLike,
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    axis: Axis = "rows",
    keepdims: bool = False,
    where: ArrayInput | None = None,
    weights: ArrayInput | None = None,
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
) -> Array: ...
@overload
def reduce(
    op: Iterable[OperationLike],
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    axis: Axis = "rows",
    keepdims: bool = False,
    where: ArrayInput | None = None,
    weights: ArrayInput | None = None,
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
) -> dict[str, Array]: ...
def reduce(
    op: OperationLike | Iterable[OperationLike],
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    axis: Axis = "rows",
    keepdims: bool = False,
    where: ArrayInput | None = None,
    weights: ArrayInput | None = None,
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
) -> Array | dict[str, Array]:
    """Reduce along any axes, rows to one by default; several reductions in one pass.

    Parameters
    ----------
    op : str, Reduce, or several of them
        Names from ``sharedcompute ops``, or operations of your own.
    input : address, ndarray, SharedArray, h5py.Dataset or LazyArray
        May be larger than memory.
    output : address, optional
        Names a group, which gets a dataset for each reduction.
    axis : int, tuple of int, 'rows', 'all' or None, default: 'rows'
        As in NumPy: one axis or several, or all elements for None; rows are axis 0.
    keepdims : bool, default: False
        Keep the axes that are reduced, with length 1.
    where : address or array_like of bool, optional
        The elements that take part, broadcast against the input.
    weights : address or array_like, optional
        Of mean, sum, var and std: how much each element counts, broadcast against the input, or an
        entry for each place along the one axis.
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
        Parameters of the reductions, as ``sharedcompute ops OP`` lists them.

    Returns
    -------
    ndarray or dict of ndarray
        The array for one name, a dict by name for several. Dtypes are NumPy's; sums are
        accumulated in float64. With an `output`, None for results that have rows, as those of
        maps.

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
    >>> x = np.arange(6.0).reshape(3, 2)
    >>> sc.reduce("mean", x)
    array([2., 3.])
    >>> sc.reduce(["min", "max"], x, axis="all")
    {'min': array(0.), 'max': array(5.)}
    >>> sc.reduce("mean", x, axis=-1, keepdims=True)
    array([[0.5],
           [2.5],
           [4.5]])
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
    axes = Axes(axis, keepdims, where, weights)
    if is_small(input, output, settings, listen):
        found = _reduce_at_once(op, input, axes, settings, params)
        if found is not None:
            return found
    return plan_reduce(op, input, output, axes, settings, params).run(listen=listen)


def _reduce_at_once(
    op: OperationLike | Iterable[OperationLike],
    input: ArrayInput,
    axes: Axes,
    settings: Settings,
    params: Mapping[str, object],
) -> Array | dict[str, Array] | None:
    """Reduce a small array without a plan, where that can be."""
    ops, one = reductions(op)
    found = at_once(reduce_job(ops, as_source(input), None, axes, settings, params))
    if found is None:
        return None
    return found[0, ops[0].name] if one else {op.name: found[0, op.name] for op in ops}


@dataclass(frozen=True)
class Axes:
    """Along which axes a job reduces, which elements, and with which weights."""

    axis: Axis
    keepdims: bool = False
    where: ArrayInput | None = None
    weights: ArrayInput | None = None


def reduce_job(
    ops: tuple[Operation, ...],
    source: Source,
    output: Address | None,
    axes: Axes,
    settings: Settings,
    params: Mapping[str, object],
) -> Job:
    """Return the job of `reduce` and `stats`."""
    check_parameters(params, (p.name for op in ops for p in op.parameters), OF_REDUCTIONS)
    step = summary(ops, params, axes.axis, group_of(output), keepdims=axes.keepdims)
    step = chosen_step(step, axes.where, axes.weights, settings)
    return make_job(source, (step,), output, settings)


def plan_reduce(
    op: OperationLike | Iterable[OperationLike],
    input: ArrayInput,
    output: AddressLike | None,
    axes: Axes,
    settings: Settings,
    params: Mapping[str, object],
) -> JobPlan[Array | dict[str, Array]]:
    """Plan `reduce`."""
    ops, one = reductions(op)
    settings = settings.decoding(is_decoded(input))
    address, source = (
        output_address(output),
        as_source(input, settings.reading.allow_external, settings.reading.rows),
    )
    plan = make_plan(reduce_job(ops, source, address, axes, settings, params), settings)
    if one:
        return JobPlan(plan, lambda listen: run_reductions(plan, settings, listen)[ops[0].name])
    return JobPlan(plan, functools.partial(run_reductions, plan, settings))


def run_reductions(plan: Plan, settings: Settings, listen: Listener) -> dict[str, Any]:
    """Run a job of reductions, and return their results by name; None for rows in a file."""
    results = run_and_warn(plan, settings.team, listen).results
    assert isinstance(plan.task, Job)
    found: dict[str, Array] | None = results[0]
    names = [op.name for op, _ in operations_of(plan.task.steps[0])]
    return {name: (found or {}).get(name) for name in names}
