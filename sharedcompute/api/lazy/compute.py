"""compute, store: several lazy arrays from one reading of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.operands import node_of
from sharedcompute.api.lazy.running import in_memory
from sharedcompute.api.lazy.storing import plan_store
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import ArrayInput
from sharedcompute.events import Listener
from sharedcompute.operations.specs import Array
from sharedcompute.options.groups import (
    ReadOptions,
    RunOptions,
    StorageOptions,
    as_bytes,
    as_chunks,
)
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName


def compute(
    *arrays: ArrayInput,
    workers: int | None = None,
    threads: int = 1,
    pin: bool = False,
    schedule: Schedule = "dynamic",
    block_rows: int | None = None,
    memory: int | str | None = None,
    engine: EngineName = "auto",
    retries: int = 0,
    team: Team | None = None,
    listen: Listener | None = None,
) -> tuple[Array, ...]:
    """Compute lazy arrays together: what they share is read and computed once.

    Parameters
    ----------
    *arrays : LazyArray or array_like
        What to compute.
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
    team : Team, optional
        Run on its workers; by default workers are started where it pays.
    listen : callable, optional
        Receives the events of the run.

    Returns
    -------
    tuple of ndarray
        One for each.

    Raises
    ------
    InputError, MemoryBudgetError
        Before anything is started.
    WorkerDied
        A worker process was killed.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> x = sc.lazy(np.arange(6.0).reshape(3, 2))
    >>> sc.compute(x.mean(axis=0), x.max())
    (array([2., 3.]), array(5.))
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
        StorageOptions(),
        ReadOptions(),
        team,
    )
    return tuple(in_memory([node_of(array) for array in arrays], settings, listen))


def store(
    outputs: Mapping[str, ArrayInput],
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
    team: Team | None = None,
    listen: Listener | None = None,
) -> dict[str, LazyArray]:
    """Compute lazy arrays together into datasets: what they share is read and computed once.

    Parameters
    ----------
    outputs : mapping of str to LazyArray
        By the addresses ``FILE::PATH`` of the datasets; those of a file are written together.
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
    team : Team, optional
        Run on its workers; by default workers are started where it pays.
    listen : callable, optional
        Receives the events of the run.

    Returns
    -------
    dict of str to LazyArray
        What was made, by the same addresses.

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
    >>> x = sc.lazy(np.arange(6.0).reshape(3, 2))
    >>> made = sc.store({"both.h5::/double": x * 2, "both.h5::/mean": x.mean(axis=0)})
    >>> made["both.h5::/mean"].compute()
    array([2., 3.])
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
        ReadOptions(),
        team,
    )
    return plan_store(outputs, settings).run(listen=listen)
