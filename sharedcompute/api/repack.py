"""repack: a file, or one dataset of it, stored in another way."""

from __future__ import annotations

import os
import warnings
from typing import Any

from sharedcompute import events
from sharedcompute.api.jobs import NotKept, Settings, note_cache, run_plan
from sharedcompute.engines.durability.durable_output import check_output
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.hdf5.address import Address, matching_files
from sharedcompute.operations.parameters import nearest
from sharedcompute.options import FOR_REPACK, OF_REPACK
from sharedcompute.plan.output import OutputSpec
from sharedcompute.plan.plan import Plan
from sharedcompute.plan.repack import plan_repack


def repack(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    check: bool = True,
    listen: Listener = events.ignore,
    **settings: Any,
) -> None:
    """Store a file, or one dataset of it, with other filters and chunks.

    Groups, attributes, links, references, dimension scales, types and fill values are kept. Arrays
    of numbers are decoded and encoded by all workers, and each chunk once; everything else, and
    what would be stored as it is already, is copied by HDF5.

    Parameters
    ----------
    input : str
        ``FILE``, or ``FILE::PATH`` for one dataset with its attributes and scales.
    output : str
        ``FILE``, or ``FILE::PATH`` for one dataset.
    check : bool
        Let HDF5 itself read back what was written, and compare it with what went in: all of a
        dataset up to 16 MiB, and of a larger one that much, or a part in 64 where that is more. Of
        datasets that HDF5 stores itself (32 or more of at most 128 kB, and those of which little
        was ever written) one in 16 and the first of each kind, none that is larger than 16 MiB.
    listen : callable
        Gets the events of the run.
    **settings
        How to store: ``filter, chunks, shuffle, overwrite, resume``; what is not given stays as it
        is. How to run: ``workers, threads, pin, schedule, memory, engine, team, retries``.
        ``allow_external=True`` lets a dataset be read from files that lie elsewhere than in the
        input's folder.

    Warns
    -----
    NotKept
        For each thing that could not be kept.

    Raises
    ------
    InputError, OutputExists, MemoryBudgetError
        Before anything is started or changed; `InputError` for a damaged chunk as well.
    ReadBackError
        HDF5 reads other numbers from the output than went in. The output is not kept.
    WorkerDied
        A worker process was killed.
    """
    made = Settings.of(settings)
    plan = make_repack(os.fspath(input), os.fspath(output), made, check=check)
    for text in run_plan(plan, made.team, listen).warnings:
        warnings.warn(text, NotKept, stacklevel=2)


def make_repack(input: str, output: str, settings: Settings, *, check: bool = True) -> Plan:
    """Plan it and refuse what cannot work, before anything is started or changed."""
    given = [*settings.params, *settings.reading.given]
    given += ["block_rows"] if settings.options.block_rows is not None else []
    for name in given:
        if name not in FOR_REPACK:
            raise InputError(f"repack takes no {name!r}: {nearest(name, OF_REPACK)}")
    source, target = Address.parse(input), Address.parse(output)
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
    note_cache()
    return plan
