"""Running a `RepackPlan`: the file's structure by HDF5, the rows by all workers."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharedcompute.engines.durability.durable_output import DurableOutput
from sharedcompute.engines.durability.identity import repack_header_of
from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.engine import Engine, undeliverable
from sharedcompute.engines.fill import fill
from sharedcompute.engines.units.load import loaded, room
from sharedcompute.engines.units.proof import ProofWork, Written
from sharedcompute.events import JobFinished, Listener, PassStarted, ignore
from sharedcompute.hdf5.copying.metadata import copy_metadata
from sharedcompute.hdf5.copying.tree import copy_tree
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.writing.output import OutputFile, open_written
from sharedcompute.hdf5.writing.sink import Created, create, created
from sharedcompute.plan.budget.loading import everything
from sharedcompute.plan.proof import samples_of
from sharedcompute.plan.recode import Recoding
from sharedcompute.plan.repack import RepackPlan, place, result_path, sink_of
from sharedcompute.system import disposable


@dataclass(frozen=True)
class Repacked:
    """What a repack gave.

    Parameters
    ----------
    warnings : tuple of str
        What could not be kept, or not bit by bit.
    seconds : float
    """

    warnings: tuple[str, ...]
    seconds: float


def outgoing_of(plan: RepackPlan) -> DurableOutput:
    """The output of a plan."""
    like = plan.file if plan.path is None else None
    results = () if plan.path is None else (result_path(plan),)
    return DurableOutput(
        OutputFile(plan.output, plan.overwrite, results, like=like),
        plan.reads,
        lambda base: repack_header_of(plan, base),
        plan.resume,
        in_place=not any(made.storage.filters for made in plan.sized.recodings.values()),
    )


def check_repack(plan: RepackPlan) -> None:
    """Refuse an output that cannot be written, before anything is started or changed."""
    outgoing_of(plan).check(plan.projection.disk_needed)


def execute_repack(plan: RepackPlan, engine: Engine, listen: Listener) -> Repacked:
    """Run a plan to its end. If it fails, the output path is as it was."""
    began = time.monotonic()
    outgoing = outgoing_of(plan)
    if outgoing.nothing_to_do():
        return Repacked((), 0.0)
    with outgoing, plan.reads.unchanged():
        plan.reads.check()
        made, warnings = _make(plan, outgoing)
        recodings = plan.recodings
        for number, (path, at) in enumerate(made, start=1):
            recoding = recodings[at]
            sink = sink_of(recoding, path)
            filled = created(sink, outgoing.file.h5[raw(path)], outgoing.file)
            source = recoding.source
            plan.reads.check()
            listen(PassStarted(number, len(made), source.path, source.shape[0], source.nbytes))
            section = outgoing.progress.section(str(number), len(recoding.boxes))
            if not recoding.storage.at_once:
                _fill(recoding, filled, section, engine, listen)
            if plan.path is not None:
                outgoing.progress.finishing()
                fresh = outgoing.file.fresh
                warnings += copy_metadata(source, filled.dataset, file_attributes=fresh)
        if plan.check:
            _prove(plan, made, outgoing, engine)
        outgoing.commit(lambda: listen(JobFinished(time.monotonic() - began)))
    return Repacked((*plan.notes, *warnings), time.monotonic() - began)


Made = list[tuple[str, int]]
"""The datasets whose rows are still to be written: paths in the output, places in the input."""


def _make(plan: RepackPlan, outgoing: DurableOutput) -> tuple[Made, list[str]]:
    """Make all but the rows that are recoded, unless a stopped job has; with what was not kept."""
    if plan.path is not None:
        ((at, recoding),) = plan.recodings.items()
        path = result_path(plan)
        sink = sink_of(recoding, path)
        if not outgoing.goes_on:
            create(sink, outgoing.file, unwritten=recoding.storage.at_once)
            outgoing.settle()
        return [(path, at)], []
    if outgoing.goes_on:
        (told,) = (r for r in outgoing.progress.earlier[-1].records if "recoded" in r)
        return told["recoded"], told["warnings"]
    with outgoing.file.lent() as temporary:
        # HDF5 reads all of a file here that nobody vouches for.
        made, warnings = disposable.run(
            plan.file, _copy, plan, temporary, outgoing.file.file.parent
        )
    outgoing.progress.append({"recoded": made, "warnings": warnings})
    outgoing.settle()
    return made, warnings


def _copy(plan: RepackPlan, temporary: Path, home: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """Copy the structure; the paths of what is recoded, with their places in the input."""
    with open_file(plan.file) as source, open_written(temporary) as target:
        recoded, warnings = copy_tree(source, target, home, plan.storage)
        paths = [made.source_path for made in recoded]
        return [(path, place(source[raw(path)])) for path in paths], warnings


def _prove(plan: RepackPlan, made: Made, outgoing: DurableOutput, engine: Engine) -> None:
    """Let HDF5 read back what was encoded, by us or with the structure.

    Raises
    ------
    ReadBackError
        It is not what went in.
    """
    recodings, paths = plan.recodings, {at: path for path, at in made}
    written = [
        Written(r.source, paths.get(at, r.source.path), r.storage.chunks, r.storage.filters, sample)
        for at, sample in samples_of(plan).items()
        if sample.numbers and (r := recodings[at])
    ]
    if written:
        with outgoing.file.lent() as temporary:
            engine.run(ProofWork.of(temporary, written), undeliverable, ignore)


def _fill(
    recoding: Recoding, filled: Created, section: Section, engine: Engine, listen: Listener
) -> None:
    """Write the rows of one dataset."""
    folder = Path(filled.file).parent
    with contextlib.ExitStack() as stack:
        source: Any = recoding.source
        if recoding.load is not None:
            size = (math.prod(source.shape),)
            held = room(recoding.load, size, source.dtype, folder, engine)
            # Progress counts what is written.
            target = stack.enter_context(held)
            source = loaded(source, everything(source), target, engine, ignore)
        fill(filled, source, recoding.boxes, section, engine, listen)
