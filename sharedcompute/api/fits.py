"""fit: iterate over all rows until a model has converged; and what `solve` shares with it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from sharedcompute.api.addresses import group_of, output_address
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.inputs import as_source, is_decoded
from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.keywords import check_parameters
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opening import open_array
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.catalogue import expect_iterative, find_iterative
from sharedcompute.operations.fits.declaration import Fit, Iterative
from sharedcompute.operations.specs import Array
from sharedcompute.options.groups import (
    ReadOptions,
    RunOptions,
    StorageOptions,
    as_bytes,
    as_chunks,
    as_rows,
)
from sharedcompute.planning.job import Job, fitting
from sharedcompute.planning.plan import Plan
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName


def fit(
    op: str | Fit,
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
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
) -> Fitted:
    """Iterate over all rows until the fit has converged: ``kmeans``, ``pca``, ``lstsq``, ``ridge``.

    Parameters
    ----------
    op : str or Fit
        A name from ``sharedcompute ops``, or a fit of your own.
    input : address, ndarray, SharedArray, h5py.Dataset or LazyArray
        May be larger than memory.
    output : address, optional
        Names a group, which gets a dataset for each result, and the history.
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
        Receives the events of the run, with `RoundDone` after each round. When it raises
        StopIteration, the fit ends with the best so far.
    **params
        Parameters of the fit, as ``sharedcompute ops OP`` lists them.

    Returns
    -------
    Fitted
        The results by name, also as attributes.

    Raises
    ------
    InputError
        The data hold NaN or infinity, or do not suit the fit.
    OutputExists, MemoryBudgetError
        Before anything is started or changed.
    StaleResumeError
        What a stopped job left belongs to another one.
    WorkerDied
        A worker process was killed.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
    >>> found = sc.fit("kmeans", x, n_clusters=2, random_state=0)
    >>> bool(found.labels_[0] == found.labels_[1] != found.labels_[2])
    True
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
    return plan_iterative("fit", op, input, output, settings, params).run(listen=listen)


def fit_job(
    op: Iterative,
    source: Source,
    output: Address | None,
    settings: Settings,
    params: Mapping[str, object],
) -> Job:
    """Return the job of `fit` or `solve`."""
    check_parameters(params, (p.name for p in op.parameters))
    return make_job(source, (fitting(op, params, group_of(output)),), output, settings)


def plan_iterative(
    kind: str,
    op: str | Iterative,
    input: ArrayInput,
    output: AddressLike | None,
    settings: Settings,
    params: Mapping[str, object],
) -> JobPlan[Fitted]:
    """Plan `fit` or `solve`, as `kind` says."""
    settings = settings.decoding(is_decoded(input))
    address, source = (
        output_address(output),
        as_source(input, settings.reading.allow_external, settings.reading.rows),
    )
    named = find_iterative(op, kind) if isinstance(op, str) else op
    if not isinstance(named, Iterative):
        raise InputError(f"expected a {kind} or its name, got {op!r}")
    expect_iterative(named, kind)
    plan = make_plan(fit_job(named, source, address, settings, params), settings)
    return JobPlan(plan, functools.partial(_run_fit, address, plan, settings))


def _run_fit(address: Address | None, plan: Plan, settings: Settings, listen: Listener) -> Fitted:
    found: dict[str, Array | LazyArray] = dict(run_and_warn(plan, settings.team, listen).results[0])
    rows = plan.fit.rows if plan.fit is not None else None
    if address is not None and rows is not None:
        path = f"{group_of(address)}/{rows[0]}"
        found[rows[0]] = open_array(Address(address.file, path))
    return Fitted(found)
