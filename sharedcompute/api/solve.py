"""solve: iterate on a grid or a matrix."""

from __future__ import annotations

from collections.abc import Sequence

from sharedcompute.api.fits import plan_iterative
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.events import Listener
from sharedcompute.operations.fits.declaration import Solve
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


def solve(
    op: str | Solve,
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
    """Solve by iteration on a grid or a matrix: ``heat``, ``jacobi``, ``power``.

    Parameters
    ----------
    op : str or Solve
        A name from ``sharedcompute ops``, or a solver of your own.
    input : address, ndarray, SharedArray, h5py.Dataset or LazyArray
        The grid to begin with, or the matrix.
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
        StopIteration, the iteration ends with the best so far.
    **params
        Parameters of the solver, as ``sharedcompute ops OP`` lists them.

    Returns
    -------
    Fitted
        The results by name, also as attributes.

    Raises
    ------
    InputError
        The data hold NaN or infinity, or do not suit the solver.
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
    >>> plate = np.zeros((8, 8))
    >>> plate[0] = 100.0
    >>> sc.solve("heat", plate, sweeps=200).grid_.shape
    (8, 8)
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
    return plan_iterative("solve", op, input, output, settings, params).run(listen=listen)
