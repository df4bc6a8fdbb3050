"""Running a `RepackPlan`: the file's structure by HDF5, the rows by all workers."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from typing import Any

from sharedcompute.engines.fill import fill
from sharedcompute.engines.load import loaded, room
from sharedcompute.engines.work import Engine
from sharedcompute.events import JobFinished, Listener, PassStarted, ignore
from sharedcompute.hdf5.files import open_file
from sharedcompute.hdf5.metadata import copy_metadata
from sharedcompute.hdf5.output import OutputFile
from sharedcompute.hdf5.sink import Created, create, created
from sharedcompute.hdf5.tree import copy_tree
from sharedcompute.plan.loading import everything
from sharedcompute.plan.recode import Recoding
from sharedcompute.plan.repack import RepackPlan, result_path, sink_of


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


def repack_output(plan: RepackPlan) -> OutputFile:
    """The file that a plan writes."""
    like = plan.file if plan.path is None else None
    results = () if plan.path is None else (result_path(plan),)
    return OutputFile(plan.output, plan.overwrite, results, like=like)


def execute_repack(plan: RepackPlan, engine: Engine, listen: Listener) -> Repacked:
    """Run a plan to its end. If it fails, the output path is as it was."""
    began = time.monotonic()
    with repack_output(plan) as output:
        if plan.path is None:
            with open_file(plan.file) as source:
                recoded, warnings = copy_tree(source, output.h5, plan.storage)
                pairs = [(plan.of(source[made.source_path]), made) for made in recoded]
            output.h5.flush()
            for number, (recoding, made) in enumerate(pairs, start=1):
                filled = created(sink_of(recoding, made.source_path), made.dataset, output)
                _say(listen, recoding, number, len(pairs))
                _fill(recoding, filled, output, engine, listen)
        else:
            (recoding,), warnings = plan.recodings.values(), []
            filled = create(sink_of(recoding, result_path(plan)), output)
            _say(listen, recoding, 1, 1)
            _fill(recoding, filled, output, engine, listen)
            copy_metadata(recoding.source, filled.dataset, file_attributes=output.fresh)
        output.commit()
    seconds = time.monotonic() - began
    listen(JobFinished(seconds))
    return Repacked((*plan.notes, *warnings), seconds)


def _say(listen: Listener, recoding: Recoding, number: int, count: int) -> None:
    source = recoding.source
    listen(PassStarted(number, count, source.path, source.shape[0], source.nbytes))


def _fill(
    recoding: Recoding, filled: Created, output: OutputFile, engine: Engine, listen: Listener
) -> None:
    """Write the rows of one dataset."""
    folder = output.file.parent
    with contextlib.ExitStack() as stack:
        source: Any = recoding.source
        if recoding.load is not None:
            size = (math.prod(source.shape),)
            held = room(recoding.load, size, source.dtype, folder, engine)
            # Progress counts what is written.
            target = stack.enter_context(held)
            source = loaded(source, everything(source), target, engine, ignore)
        fill(filled, source, recoding.boxes, folder, engine, listen)
