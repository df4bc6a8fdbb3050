"""The team as users have it: programs and maps on arrays, and the named reductions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

from sharedcompute import team
from sharedcompute.api.reductions import Axes, plan_reduce
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike, ArrayInput, Axis, OperationLike
from sharedcompute.events import Listener
from sharedcompute.operations.specs import Array
from sharedcompute.options.groups import (
    ReadOptions,
    RunOptions,
    StorageOptions,
    as_bytes,
    as_chunks,
    as_rows,
)
from sharedcompute.rows import Schedule


class Team(team.Team):
    """Worker processes that stay warm, run programs and maps, and know the named reductions.

    Parameters
    ----------
    workers : int, optional
        How many; by default what SHAREDCOMPUTE_WORKERS says, else the cores that this process may
        use, shared out to their threads where these are pinned.
    threads : int
        Threads of each. They do rows of our own operations side by side; what a function of yours
        calls has them inside: numba's (``parallel=True``), those of BLAS and OpenMP.
    start_method : {"forkserver", "spawn", "fork"}, optional
        By default forkserver, or spawn where that is missing.
    pin : bool
        Keep each worker on cores of its own, as many as it has threads: one thread for each
        physical core while there are enough, and all of a worker's in one NUMA node. On Linux.

    Raises
    ------
    InputError
        For numbers below 1, start methods that the system lacks, and more threads in all than there
        are cores to pin them to.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> x = np.arange(6.0).reshape(3, 2)
    >>> with sc.Team(workers=2) as team:
    ...     team.reduce("mean", x)
    array([2., 3.])
    """

    @overload
    def reduce(  # type: ignore[overload-overlap] # a str is an iterable of str
        self,
        op: OperationLike,
        x: ArrayInput,
        output: AddressLike | None = None,
        *,
        axis: Axis = "rows",
        keepdims: bool = False,
        where: ArrayInput | None = None,
        weights: ArrayInput | None = None,
        schedule: Schedule = "dynamic",
        block_rows: int | None = None,
        memory: int | str | None = None,
        retries: int = 0,
        filter: str | None = None,
        chunks: str | Sequence[int] | None = None,
        shuffle: bool | None = None,
        overwrite: bool = False,
        resume: bool = False,
        decode_cf: bool = False,
        allow_external: bool = False,
        rows: str | slice | None = None,
        listen: Listener | None = None,
        **params: object,
    ) -> Array: ...
    @overload
    def reduce(
        self,
        op: Iterable[OperationLike],
        x: ArrayInput,
        output: AddressLike | None = None,
        *,
        axis: Axis = "rows",
        keepdims: bool = False,
        where: ArrayInput | None = None,
        weights: ArrayInput | None = None,
        schedule: Schedule = "dynamic",
        block_rows: int | None = None,
        memory: int | str | None = None,
        retries: int = 0,
        filter: str | None = None,
        chunks: str | Sequence[int] | None = None,
        shuffle: bool | None = None,
        overwrite: bool = False,
        resume: bool = False,
        decode_cf: bool = False,
        allow_external: bool = False,
        rows: str | slice | None = None,
        listen: Listener | None = None,
        **params: object,
    ) -> dict[str, Array]: ...
    def reduce(
        self,
        op: OperationLike | Iterable[OperationLike],
        x: ArrayInput,
        output: AddressLike | None = None,
        *,
        axis: Axis = "rows",
        keepdims: bool = False,
        where: ArrayInput | None = None,
        weights: ArrayInput | None = None,
        schedule: Schedule = "dynamic",
        block_rows: int | None = None,
        memory: int | str | None = None,
        retries: int = 0,
        filter: str | None = None,
        chunks: str | Sequence[int] | None = None,
        shuffle: bool | None = None,
        overwrite: bool = False,
        resume: bool = False,
        decode_cf: bool = False,
        allow_external: bool = False,
        rows: str | slice | None = None,
        listen: Listener | None = None,
        **params: object,
    ) -> Array | dict[str, Array]:
        """Reduce `x` over its rows on this team, as `sharedcompute.reduce`.

        Parameters
        ----------
        op : str, Reduce, or several of them
            Names from ``sharedcompute ops``, or operations of your own.
        x : address, ndarray, SharedArray, h5py.Dataset or LazyArray
            May be larger than memory.
        output : address, optional
            Names a group, which gets a dataset for each reduction.
        axis : int, tuple of int, 'rows', 'all' or None, default: 'rows'
            As in NumPy: one axis or several, or all elements for None; rows are axis 0.
        keepdims : bool, default: False
            Keep the axes that are reduced, with length 1.
        where : address or array_like of bool, optional
            The elements that take part, broadcast against `x`.
        weights : address or array_like, optional
            Of mean, sum, var and std: how much each element counts, broadcast against `x`, or an
            entry for each place along the one axis.
        schedule : {'static', 'dynamic', 'guided', 'stealing'}, default: 'dynamic'
            How blocks of rows are assigned to workers.
        block_rows : int, optional
            Rows in a block; reductions are accumulated block by block.
        memory : int or str, optional
            Memory for all processes together, such as 4G; default: what is available.
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
        listen : callable, optional
            Receives the events of the run.
        **params
            Parameters of the reductions, as ``sharedcompute ops OP`` lists them.

        Returns
        -------
        ndarray or dict of ndarray
            As `sharedcompute.reduce`: ``team.reduce("mean", x)`` is ``numpy.mean(x, axis=0)``.

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
        >>> with sc.Team(workers=2) as team:
        ...     team.reduce(["min", "max"], np.arange(4.0))
        {'min': array(0.), 'max': array(3.)}
        """
        settings = Settings(
            RunOptions(
                schedule=schedule,
                block_rows=block_rows,
                memory=as_bytes(memory),
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
            self,
        )
        return plan_reduce(
            op, x, output, Axes(axis, keepdims, where, weights), settings, params
        ).run(listen=listen)
