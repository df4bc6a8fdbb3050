"""repack: a file, or one dataset of it, stored in another way."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

from sharedcompute.api.jobs import run_and_warn
from sharedcompute.api.keywords import closed, refuse_unknown
from sharedcompute.api.notices import warn_of_cache
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.engines.durability.durable_output import check_output
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.hdf5.address import Address, matching_files
from sharedcompute.options.groups import (
    OF_REPACK,
    ReadOptions,
    RunOptions,
    StorageOptions,
    as_bytes,
    as_chunks,
)
from sharedcompute.planning.output import OutputSpec
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.repack import plan_repack
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName


@closed
def repack(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    check: bool = True,
    workers: int | None = None,
    threads: int = 1,
    pin: bool = False,
    schedule: Schedule = "dynamic",
    memory: int | str | None = None,
    engine: EngineName = "auto",
    retries: int = 0,
    filter: str | None = None,
    chunks: str | Sequence[int] | None = None,
    shuffle: bool | None = None,
    overwrite: bool = False,
    resume: bool = False,
    allow_external: bool = False,
    team: Team | None = None,
    listen: Listener | None = None,
) -> None:
    """Store a file, or one dataset of it, with other filters and chunks.

    Groups, attributes, links, references, dimension scales, types and fill values are kept. Arrays
    of numbers are decoded and encoded by all workers, and each chunk once; everything else, and
    what would be stored as it is already, is copied by HDF5.

    Parameters
    ----------
    input : str or os.PathLike
        ``FILE``, or ``FILE::PATH`` for one dataset with its attributes and scales.
    output : str or os.PathLike
        ``FILE``, or ``FILE::PATH`` for one dataset.
    check : bool, default: True
        Let HDF5 itself read back what was written, and compare it with what went in: all of a
        dataset up to 16 MiB, and of a larger one that much, or a part in 64 where that is more. Of
        datasets that HDF5 stores itself (32 or more of at most 128 kB, and those of which little
        was ever written) one in 16 and the first of each kind, none that is larger than 16 MiB.
    workers : int, optional
        Number of worker processes; default: SHAREDCOMPUTE_WORKERS, or the cores available.
    threads : int, default: 1
        Threads in each worker.
    pin : bool, default: False
        Pin each worker to cores of its own.
    schedule : {'static', 'dynamic', 'guided', 'stealing'}, default: 'dynamic'
        How blocks of rows are assigned to workers.
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
    allow_external : bool, default: False
        Follow links, virtual sources and external storage out of the input's folder.
    team : Team, optional
        Run on its workers; by default workers are started where it pays.
    listen : callable, optional
        Receives the events of the run.

    Raises
    ------
    InputError, OutputExists, MemoryBudgetError
        Before anything is started or changed; `InputError` for a damaged chunk as well.
    ReadBackError
        HDF5 reads other numbers from the output than went in. The output is not kept.
    StaleResumeError
        What a stopped job left belongs to another one.
    WorkerDied
        A worker process was killed.

    Warns
    -----
    NotKept
        For each thing that could not be kept.

    Examples
    --------
    >>> import h5py
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> with h5py.File("in.h5", "w") as file:
    ...     file["x"] = np.zeros((100, 100))
    >>> sc.repack("in.h5", "small.h5", filter="gzip:4", chunks=(50, 100))
    >>> with h5py.File("small.h5") as file:
    ...     file["x"].chunks, file["x"].compression
    ((50, 100), 'gzip')
    """
    settings = Settings(
        RunOptions(
            workers=workers,
            threads=threads,
            pin=pin,
            schedule=schedule,
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
            allow_external=allow_external,
        ),
        team,
    )
    plan_repacking(input, output, settings, check=check).run(listen=listen)


def plan_repacking(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    settings: Settings,
    *,
    check: bool = True,
) -> JobPlan[None]:
    """Plan `repack`."""
    plan = make_repack(os.fspath(input), os.fspath(output), settings, check=check)
    return JobPlan(plan, functools.partial(_run_repack, plan, settings))


def _run_repack(plan: Plan, settings: Settings, listen: Listener) -> None:
    run_and_warn(plan, settings.team, listen)


def make_repack(input: str, output: str, settings: Settings, *, check: bool = True) -> Plan:
    """Plan it and refuse what cannot work, before anything is started or changed."""
    refuse_unknown("repack", (*settings.reading.given, *settings.options.given), OF_REPACK)
    # A file or a whole dataset, which may have any name.
    source, target = Address.parse(input).literal, Address.parse(output).literal
    if source.path is None and target.path not in (None, "/"):
        raise InputError(
            f"expected FILE for a whole file, got {target}; name a dataset of {source}"
        )
    files = matching_files(source.file)
    if len(files) > 1:
        raise InputError(
            f"expected one file to repack, {source} matches {len(files)}; name one of them"
        )
    source = Address(files[0], source.path)
    plan = plan_repack(
        source,
        OutputSpec(address=target, **vars(settings.storage)),
        settings.options,
        allow_external=settings.reading.allow_external,
        check=check,
    )
    check_output(plan)
    warn_of_cache()
    return plan
