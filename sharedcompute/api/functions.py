"""map, reduce, scan, stats, run: one call, one job."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sharedcompute import events
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.inputs import Dataset, as_source, open_dataset
from sharedcompute.api.jobs import NotKept, Settings, make_plan, run_plan
from sharedcompute.engines.execute import Outcome
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.catalogue import expect, expect_iterative, find, find_iterative
from sharedcompute.operations.declarations import Map, Operation, Reduce, Scan
from sharedcompute.operations.fits.declaration import Fit, Iterative
from sharedcompute.operations.parameters import nearest
from sharedcompute.operations.specs import Array
from sharedcompute.options import KEYWORDS, OF_REDUCTIONS
from sharedcompute.plan.job import Axis, Job, Step, fitting, summary, transform
from sharedcompute.plan.jobfile import JobFile, read_job
from sharedcompute.plan.plan import Plan
from sharedcompute.plan.ports import Source
from sharedcompute.shm.shared_array import handle
from sharedcompute.validation.arrays import refuse_meaning

OperationLike = str | Operation | Callable[..., None]
STATS = ("count", "nan_count", "mean", "std", "min", "max")


def map(
    op: OperationLike,
    input: Any,
    output: Any = None,
    *,
    listen: Listener = events.ignore,
    **settings: Any,
) -> Any:
    """One row out for each row in; stencils included.

    Parameters
    ----------
    op : str, Map, Stencil or callable
        A name from ``sharedcompute ops``, an operation of your own, or a kernel
        ``kernel(x_rows, out_rows)``, numba or plain Python.
    input : address, ndarray, SharedArray, h5py.Dataset or Dataset
    output : address or ndarray, optional
        An address ``FILE::PATH``, or an array like the result. Without it the result is returned
        as an array.
    listen : callable
        Gets the events of the run.
    **settings
        How to run: ``workers, threads, pin, schedule, block_rows, memory, engine, team``, and
        ``retries``, the times that rows are computed again whose worker died (0). How to store:
        ``overwrite, filter, chunks, shuffle``, and ``resume=True`` to go on with a job that was
        stopped. ``decode_cf=True`` unpacks the numbers of a dataset by its CF attributes first;
        ``allow_external=True`` lets it be read from files that lie elsewhere than in the input's
        folder. All others are parameters of the operation.

    Returns
    -------
    ndarray or Dataset
        The result; with an address as output, a lazy look at it.

    Raises
    ------
    InputError, OutputExists, MemoryBudgetError
        Before anything is started or changed.
    StaleResumeError
        What a stopped job left belongs to another one.
    WorkerDied
        A worker process was killed.

    Warns
    -----
    UserWarning
        Numbers are packed and are taken as they are stored; or axes of the output have no
        coordinates.
    """
    return _rowwise(_operation(op, "map", "stencil"), input, output, listen, settings)


def scan(
    op: OperationLike,
    input: Any,
    output: Any = None,
    *,
    listen: Listener = events.ignore,
    **settings: Any,
) -> Any:
    """Cumulative operation along rows: ``cumsum``, ``cumprod``, ``cummax``.

    Parameters and results are those of `map`.
    """
    return _rowwise(_operation(op, "scan"), input, output, listen, settings)


def reduce(
    op: OperationLike | Iterable[OperationLike],
    input: Any,
    output: Any = None,
    *,
    axis: Axis = "rows",
    listen: Listener = events.ignore,
    **settings: Any,
) -> Any:
    """Reduce all rows to one, or all elements to a number; several reductions in one pass.

    Parameters
    ----------
    op : str, Reduce, or several of them
    input : address, ndarray, SharedArray, h5py.Dataset or Dataset
    output : address, optional
        Names a group, which gets a dataset for each reduction.
    axis : {'rows', 'all', 0, None}
        Over the rows, axis 0, or over all elements, as None has it in NumPy.
    **settings
        As for `map`.

    Returns
    -------
    ndarray or dict of ndarray
        The array for one name, a dict by name for several. Dtypes are NumPy's; sums are
        accumulated in float64.
    """
    one = isinstance(op, str | Reduce) or not isinstance(op, Iterable)
    named: Any = [op] if one else op
    ops = tuple(_operation(o, "reduce") for o in named)
    if not ops:
        raise InputError("expected at least one reduction, got none: name one")
    outcome = _reduce(ops, input, output, axis, listen, _settings(settings, input))
    found: dict[str, Array] = outcome.results[0]
    return found[ops[0].name] if one else found


def fit(
    op: str | Fit,
    input: Any,
    output: Any = None,
    *,
    listen: Listener = events.ignore,
    **settings: Any,
) -> Fitted:
    """Iterate over all rows until the fit has converged: ``kmeans``, ``pca``, ``lstsq``, ``ridge``.

    Parameters
    ----------
    op : str or Fit
        A name from ``sharedcompute ops``, or a fit of your own.
    input : address, ndarray, SharedArray, h5py.Dataset or Dataset
        May be larger than memory.
    output : address, optional
        Names a group, which gets a dataset for each result, and the history.
    listen : callable
        Gets the events of the run, with `RoundDone` after each round. When it raises
        StopIteration, the fit ends with the best so far.
    **settings
        As for `map`; parameters of the fit among them.

    Returns
    -------
    Fitted
        The results by name, also as attributes.

    Raises
    ------
    InputError
        The data hold NaN or infinity, or do not suit the fit. And as for `map`.
    """
    return iterate("fit", op, input, output, listen, settings)


def iterate(
    kind: str, op: Any, input: Any, output: Any, listen: Listener, settings: Mapping[str, Any]
) -> Fitted:
    """Run a fit or a solver, as `kind` says."""
    made = _settings(settings, input)
    address, source = _address(output), as_source(input, made.reading.allow_external)
    operation = find_iterative(op, kind) if isinstance(op, str) else op
    if not isinstance(operation, Iterative):
        raise InputError(f"expected a {kind} or its name, got {op!r}")
    expect_iterative(operation, kind)
    job = fit_job(operation, source, address, made)
    plan = make_plan(job, made)
    found = dict(_run(plan, made, listen).results[0])
    rows = plan.fit.rows if plan.fit is not None else None
    if address is not None and rows is not None:
        group = job.steps[-1].save
        found[rows[0]] = open_dataset(Address(address.file, f"{group}/{rows[0]}"))
    return Fitted(found)


def fit_job(op: Iterative, source: Source, output: Address | None, settings: Settings) -> Job:
    """The job of `fit` and of `solve`."""
    save = None if output is None else output.path or "/"
    settings.check_names(p.name for p in op.parameters)
    return _job(source, (fitting(op, settings.params, save),), output, settings)


def stats(
    input: Any,
    output: Any = None,
    *,
    axis: Axis = "all",
    listen: Listener = events.ignore,
    **settings: Any,
) -> dict[str, Array]:
    """count, nan_count, mean, std, min and max in one pass.

    Complex data have no min and max. Parameters are those of `reduce`.
    """
    made = _settings(settings, input)
    source = as_source(input, made.reading.allow_external)
    ops = stats_operations(source)
    outcome = _reduce(ops, source, output, axis, listen, made)
    found: dict[str, Array] = outcome.results[0]
    return found


def stats_operations(source: Source) -> tuple[Operation, ...]:
    """The reductions that `stats` makes of a source."""
    ops = [find(name) for name in STATS]
    return tuple(op for op in ops if source.dtype.kind in getattr(op, "kinds", "biufc"))


def run(
    job: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    listen: Listener = events.ignore,
    **settings: Any,
) -> tuple[Any, ...]:
    """Run a pipeline from a TOML file in as few passes as can be.

    Parameters
    ----------
    job : str
    output : address, optional
        Instead of the job file's.
    listen : callable
        Gets the events of the run.
    **settings
        The options of `map`, instead of the job file's.

    Returns
    -------
    tuple
        For each step: a dict of arrays by reduction, or None for rows, which are in the output.
    """
    described = read_job(Path(job), _address(output))
    made = Settings.of({**described.settings, **settings})
    return _run(make_plan(run_job(described, made), made), made, listen).results


def map_job(op: Operation, source: Source, output: Address | None, settings: Settings) -> Job:
    """The job of `map` and `scan`."""
    save = None if output is None else _path(output, source)
    settings.check_names(p.name for p in op.parameters)
    return _job(source, (transform(op, settings.params, save),), output, settings)


def reduce_job(
    ops: tuple[Operation, ...],
    source: Source,
    output: Address | None,
    axis: Axis,
    settings: Settings,
) -> Job:
    """The job of `reduce` and `stats`."""
    save = None if output is None else output.path or "/"
    settings.check_names((p.name for op in ops for p in op.parameters), OF_REDUCTIONS)
    return _job(source, (summary(ops, settings.params, axis, save),), output, settings)


def run_job(told: JobFile, settings: Settings) -> Job:
    """The job of `run`, whose parameters are in the job file alone."""
    for name in settings.params:
        known = {*KEYWORDS, "job"} - {"op", "input"}
        raise InputError(f"unknown keyword {name!r}: {nearest(name, known)}")
    source = as_source(told.input, settings.reading.allow_external)
    return _job(source, told.steps, told.output, settings, told.scripts)


def _job(
    source: Source,
    steps: tuple[Step, ...],
    output: Address | None,
    settings: Settings,
    scripts: tuple[str, ...] = (),
) -> Job:
    reading = vars(settings.reading)
    return Job(source, steps, settings.output(output), scripts=scripts, **reading)


def _settings(given: Mapping[str, Any], input: Any) -> Settings:
    """The settings of a call; a dataset that was opened with `decode_cf` is decoded in any case."""
    decoded = isinstance(input, Dataset) and input.decode_cf
    return Settings.of({**given, "decode_cf": True} if decoded else given)


def _rowwise(
    op: Operation, input: Any, output: Any, listen: Listener, settings: Mapping[str, Any]
) -> Any:
    made = _settings(settings, input)
    source = as_source(input, made.reading.allow_external)
    into = output if isinstance(output, np.ndarray) else None
    address = None if into is not None else _address(output, rowwise=True)
    job = map_job(op, source, address, made)
    if into is not None and _can_take_rows(into, source):
        job = replace(job, into=into)
    plan = make_plan(job, made)
    if into is not None:
        _check_into(into, plan)
    found = _run(plan, made, listen).results[0]
    if into is not None:
        if found is not into:
            np.copyto(into, found)
        return into
    return found if address is None else _opened(address, source)


def _run(plan: Plan, made: Settings, listen: Listener) -> Outcome:
    """Run a plan, and warn of what a reader of its output may miss."""
    outcome = run_plan(plan, made.team, listen)
    for text in outcome.warnings:
        warnings.warn(text, NotKept, stacklevel=4)
    return outcome


def _address(output: Any, rowwise: bool = False) -> Address | None:
    if not isinstance(output, str | os.PathLike | Address | None):
        got = f"{type(output).__name__} {getattr(output, 'shape', '')}".rstrip()
        raise InputError(
            f"output: expected FILE::PATH{' or an array' * rowwise}, got {got}"
            + "; the results are returned: write out[...] = sharedcompute.reduce(...)"
            * (not rowwise and isinstance(output, np.ndarray))
        )
    return None if output is None else Address.parse(output)


def _can_take_rows(into: Array, source: Source) -> bool:
    """Whether workers can write to it, and nobody reads there meanwhile."""
    read = getattr(source, "array", None)
    apart = read is None or not np.may_share_memory(read, into)
    reached = into.flags.c_contiguous and into.dtype.isnative
    return apart and reached and handle(into) is not None


def _check_into(into: Array, plan: Plan) -> None:
    last = plan.passes[-1]
    spec = last.spec(last.stores[0].depth)
    refuse_meaning(into)
    # Bytes in another order are put in order on their way.
    if (into.shape, into.dtype.newbyteorder("=")) != (spec.shape, spec.dtype):
        raise InputError(
            f"output has shape {into.shape} and dtype {into.dtype}: "
            f"expected {spec.shape} and {spec.dtype}"
        )
    if not into.flags.writeable:
        raise InputError("output is a read-only array: expected one that can be written")


def _opened(address: Address, source: Source) -> Dataset:
    return open_dataset(Address(address.file, _path(address, source)))


def _path(output: Address, source: Source) -> str:
    """The dataset that a result becomes: FILE alone, or FILE::/, keeps the name of the input."""
    named = output.path if output.path != "/" else None
    return named or str(getattr(source, "path", "/data"))


def _reduce(
    ops: tuple[Operation, ...],
    input: Any,
    output: Any,
    axis: Axis,
    listen: Listener,
    made: Settings,
) -> Outcome:
    address, source = _address(output), as_source(input, made.reading.allow_external)
    job = reduce_job(ops, source, address, axis, made)
    return _run(make_plan(job, made), made, listen)


def _operation(op: Any, *kinds: str) -> Operation:
    if isinstance(op, str):
        return find(op, *kinds)
    if isinstance(op, Map | Reduce | Scan):
        return expect(op, *kinds)
    if callable(op) and "map" in kinds:
        return Map(getattr(op, "__name__", "kernel"), op)
    raise InputError(f"expected an operation or its name, got {op!r}")
