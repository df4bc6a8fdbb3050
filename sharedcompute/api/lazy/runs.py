"""The methods of a lazy array that compute it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sharedcompute.api.lazy.evaluate import evaluate
from sharedcompute.api.lazy.operands import Operand
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike
from sharedcompute.events import Listener
from sharedcompute.operations.specs import Array
from sharedcompute.options.declaration import options_of
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

UNASKED = (*(known.default for known in options_of(RunOptions)), None, None)
"""The options of a run, the team and the listener, where nothing is asked for."""

if TYPE_CHECKING:
    from sharedcompute.api.lazy.array import LazyArray


class Runs(Operand):
    """What computes an array, or says how it would be computed."""

    __slots__ = ()

    def compute(
        self,
        *,
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
    ) -> Array:
        """Compute the array.

        Parameters
        ----------
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
        ndarray
            The caller's own.

        Raises
        ------
        InputError, MemoryBudgetError
            Before anything is started.
        WorkerDied
            A worker process was killed.
        """
        given = (workers, threads, pin, schedule, block_rows, memory, engine, retries, team, listen)
        found = evaluate((self._node,)) if given == UNASKED else None
        if found is not None:
            return found[0]
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
        from sharedcompute.api.lazy.running import in_memory  # noqa: PLC0415 - stands on arrays

        return in_memory((self._node,), settings, listen)[0]

    def store(
        self,
        output: AddressLike | Array,
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
    ) -> LazyArray:
        """Compute the array into a dataset of a file, or into an array; both may be large.

        Parameters
        ----------
        output : address or ndarray
            ``FILE::PATH``, or an array of this shape and dtype: a SharedArray is filled in place.
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
        LazyArray
            The dataset, or the array.

        Raises
        ------
        InputError, OutputExists, MemoryBudgetError
            Before anything is started or changed.
        StaleResumeError
            What a stopped job left belongs to another one.
        WorkerDied
            A worker process was killed.
        """
        from sharedcompute.api.lazy.storing import plan_store, store_into  # noqa: PLC0415

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
        if isinstance(output, np.ndarray):
            return store_into(self._node, output, settings, listen)
        (made,) = plan_store({str(output): self}, settings).run(listen=listen).values()
        return made

    def plan(self) -> JobPlan[Array]:
        """Plan to compute the array, without computing it.

        Returns
        -------
        JobPlan
            As text, or at the end of a notebook's cell, it says what would run; its `run` runs it.
        """
        from sharedcompute.api.lazy.running import plan_in_memory  # noqa: PLC0415

        return plan_in_memory(self._node)
