"""plan: what a job would do."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from sharedcompute.api.fits import plan_iterative
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.keywords import refuse_unknown
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.operations import operation
from sharedcompute.api.pipelines import StepResult, plan_run
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.reductions import Axes, plan_reduce
from sharedcompute.api.repack import plan_repacking
from sharedcompute.api.rowwise import plan_rowwise
from sharedcompute.api.settings import Settings
from sharedcompute.api.several import Output, plan_map
from sharedcompute.api.statistics import plan_stats
from sharedcompute.api.typing import AddressLike, ArrayInput, Axis, OperationLike
from sharedcompute.errors import InputError
from sharedcompute.operations.fits.declaration import Fit, Solve
from sharedcompute.operations.specs import Array
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName
from sharedcompute.validation.names import suggestion

Command = Literal["map", "scan", "reduce", "stats", "fit", "solve", "run", "repack"]

OF_ONE_COMMAND: Mapping[str, tuple[object, tuple[Command, ...]]] = MappingProxyType(
    {
        "axis": ("auto", ("reduce", "stats")),
        "keepdims": (False, ("reduce", "stats")),
        "where": (None, ("reduce",)),
        "weights": (None, ("reduce",)),
        "check": (True, ("repack",)),
    }
)
"""Keywords of some commands, and their defaults; to others they are parameters of an operation."""


@dataclass(frozen=True)
class Call:
    """The keywords of a call.

    Parameters
    ----------
    given : mapping
        Options; None where an option is not given.
    axis : Axis or "auto"
    """

    given: Mapping[str, object]
    axis: Axis
    keepdims: bool
    where: ArrayInput | None
    weights: ArrayInput | None
    check: bool
    team: Team | None
    params: Mapping[str, object]

    @property
    def settings(self) -> Settings:
        """All options, with their defaults."""
        asked = {name: value for name, value in self.given.items() if value is not None}
        return Settings.of(asked, self.team)


def plan(
    command: Command,
    *arguments: object,
    axis: Axis = "auto",
    keepdims: bool = False,
    where: ArrayInput | None = None,
    weights: ArrayInput | None = None,
    check: bool = True,
    workers: int | None = None,
    threads: int | None = None,
    pin: bool | None = None,
    schedule: Schedule | None = None,
    block_rows: int | None = None,
    memory: int | str | None = None,
    engine: EngineName | None = None,
    retries: int | None = None,
    filter: str | None = None,
    chunks: str | Sequence[int] | None = None,
    shuffle: bool | None = None,
    overwrite: bool | None = None,
    resume: bool | None = None,
    decode_cf: bool | None = None,
    allow_external: bool | None = None,
    rows: str | slice | None = None,
    team: Team | None = None,
    **params: object,
) -> JobPlan[Any]:
    """Plan a job without running it, as ``--dry-run`` on the command line.

    Options that are not given are as the function `command` has them, or the job file.

    Parameters
    ----------
    command : {'map', 'scan', 'reduce', 'stats', 'fit', 'solve', 'run', 'repack'}
        The function of that name.
    *arguments
        What the function takes: the operation, the input, the output.
    axis : int, tuple of int, 'rows', 'all' or None, optional
        As in `reduce` and `stats`; of other commands a parameter of the operation.
    keepdims : bool, default: False
        As in `reduce` and `stats`.
    where : address or array_like of bool, optional
        As in `reduce`.
    weights : address or array_like, optional
        As in `reduce`.
    check : bool, default: True
        As in `repack`.
    workers : int, optional
        Number of worker processes; default: SHAREDCOMPUTE_WORKERS, or the cores available.
    threads : int, optional
        Threads in each worker.
    pin : bool, optional
        Pin each worker to cores of its own.
    schedule : {'static', 'dynamic', 'guided', 'stealing'}, optional
        How blocks of rows are assigned to workers.
    block_rows : int, optional
        Rows in a block; reductions are accumulated block by block.
    memory : int or str, optional
        Memory for all processes together, such as 4G; default: what is available.
    engine : {'auto', 'serial', 'local'}, optional
        Where blocks run; auto: serial in several threads, or local where workers gain.
    retries : int, optional
        Times to recompute the rows of a worker that died.
    filter : str, optional
        Filter of the output datasets, as NAME[:LEVEL]; default: the input's.
    chunks : str or sequence of int, optional
        Chunk shape of the output datasets; default: the input's.
    shuffle : bool, optional
        Shuffle bytes before the filter of the output datasets; default: as the input's.
    overwrite : bool, optional
        Replace an output that exists.
    resume : bool, optional
        Continue a job that was stopped.
    decode_cf : bool, optional
        Apply scale_factor, add_offset, _FillValue and missing_value to what is read.
    allow_external : bool, optional
        Follow links, virtual sources and external storage out of the input's folder.
    rows : str or slice, optional
        Rows of the input to take, as FROM:TO or FROM:TO:STEP; default: all.
    team : Team, optional
        Plan for its workers.
    **params
        Parameters of the operation, as ``sharedcompute ops OP`` lists them.

    Returns
    -------
    JobPlan
        Prints as the passes, blocks, engine, memory and output of the job; its `run` runs it.

    Raises
    ------
    InputError, OutputExists, MemoryBudgetError
        As the function would, before anything is started or changed.

    Examples
    --------
    >>> import h5py
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> with h5py.File("in.h5", "w") as file:
    ...     file["x"] = np.zeros((1000, 10))
    >>> print(sc.plan("map", "gaussian", "in.h5::/x", "out.h5::/y", sigma=2, memory="8G"))
    input     ...in.h5::/x  1000 x 10 float64, 80 kB
    read path mmap: contiguous and in native byte order
    pass 1    gaussian
              gaussian along axis 0 -> float64, halo 8 rows, mode reflect
              gaussian along axis 1 -> float64
              keep /y  1000 x 10 float64, contiguous
    blocks    1 of 3276 rows, in strips of 3276
    engine    serial: the job is too small to gain from workers
    memory    ... of 8.59 GB: processes ..., buffers ..., shared 0 B...
    output    out.h5::/y, at most 80 kB
    """
    given: dict[str, object] = {
        "workers": workers,
        "threads": threads,
        "pin": pin,
        "schedule": schedule,
        "block_rows": block_rows,
        "memory": memory,
        "engine": engine,
        "retries": retries,
        "filter": filter,
        "chunks": chunks,
        "shuffle": shuffle,
        "overwrite": overwrite,
        "resume": resume,
        "decode_cf": decode_cf,
        "allow_external": allow_external,
        "rows": rows,
    }
    planner = PLANNERS.get(command)
    if planner is None:
        raise InputError(f"unknown command {command!r}: {suggestion(str(command), PLANNERS)}")
    beside = {
        "axis": axis,
        "keepdims": keepdims,
        "where": where,
        "weights": weights,
        "check": check,
    }
    own = {**params, **_parameters(command, beside)}
    call = Call(given, axis, keepdims, where, weights, check, team, own)
    try:
        inspect.signature(planner).bind(call, *arguments)
    except TypeError as problem:
        raise InputError(f"plan of {command}: {problem}") from None
    return planner(call, *arguments)


def _parameters(command: Command, beside: Mapping[str, object]) -> dict[str, object]:
    """Return the keywords that are parameters of the operation to this command."""
    return {
        name: beside[name]
        for name, (default, commands) in OF_ONE_COMMAND.items()
        if beside[name] is not default and command not in commands
    }


def _map(
    call: Call,
    op: OperationLike,
    input: ArrayInput,
    output: Output = None,
) -> JobPlan[Any]:
    return plan_map(op, input, output, call.settings, call.params)


def _scan(
    call: Call,
    op: OperationLike,
    input: ArrayInput,
    output: AddressLike | Array | None = None,
) -> JobPlan[Array | LazyArray]:
    return plan_rowwise(operation(op, "scan"), input, output, call.settings, call.params)


def _reduce(
    call: Call,
    op: OperationLike | Iterable[OperationLike],
    input: ArrayInput,
    output: AddressLike | None = None,
) -> JobPlan[Array | dict[str, Array]]:
    axis = "rows" if call.axis == "auto" else call.axis
    axes = Axes(axis, call.keepdims, call.where, call.weights)
    return plan_reduce(op, input, output, axes, call.settings, call.params)


def _stats(
    call: Call, input: ArrayInput, output: AddressLike | None = None
) -> JobPlan[dict[str, Array]]:
    axis = "all" if call.axis == "auto" else call.axis
    return plan_stats(input, output, Axes(axis, call.keepdims), call.settings, call.params)


def _fit(
    call: Call, op: str | Fit, input: ArrayInput, output: AddressLike | None = None
) -> JobPlan[Fitted]:
    return plan_iterative("fit", op, input, output, call.settings, call.params)


def _solve(
    call: Call, op: str | Solve, input: ArrayInput, output: AddressLike | None = None
) -> JobPlan[Fitted]:
    return plan_iterative("solve", op, input, output, call.settings, call.params)


def _run(
    call: Call, job: str | os.PathLike[str], output: AddressLike | None = None
) -> JobPlan[tuple[StepResult, ...]]:
    refuse_unknown("run", call.params, ())
    return plan_run(job, output, call.given, call.team)


def _repack(
    call: Call, input: str | os.PathLike[str], output: str | os.PathLike[str]
) -> JobPlan[None]:
    refuse_unknown("repack", call.params, ())
    return plan_repacking(input, output, call.settings, check=call.check)


PLANNERS: Mapping[str, Callable[..., JobPlan[Any]]] = MappingProxyType(
    {
        "map": _map,
        "scan": _scan,
        "reduce": _reduce,
        "stats": _stats,
        "fit": _fit,
        "solve": _solve,
        "run": _run,
        "repack": _repack,
    }
)
