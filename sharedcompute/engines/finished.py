"""A job whose output is there already, whole and newer than what it was made of.

`--resume` may come too late: in a script that goes over many files again, or because the job was
stopped after its output was in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from sharedcompute.engines.record import inputs, record
from sharedcompute.hdf5 import filters, provenance
from sharedcompute.hdf5.files import open_file
from sharedcompute.hdf5.output import COMPLETE
from sharedcompute.hdf5.sink import DatasetSink
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.operations.base import Array
from sharedcompute.plan.build import Plan


def is_finished(plan: Plan) -> bool:
    """Whether the output has all results of this very job.

    As `make` does it: nothing that it was made of may be newer than the output. Of an input in
    memory nobody knows.
    """
    out = plan.job.output
    if out is None or not out.resume or not isinstance(plan.job.source, DatasetSource):
        return False
    file = Path(out.address.file)
    if not file.is_file() or not h5py.is_hdf5(file):
        return False
    made = file.stat().st_mtime_ns
    if any(Path(item).stat().st_mtime_ns > made for item in inputs(plan.job)):
        return False
    with open_file(str(file)) as opened:
        return bool(opened.attrs.get(COMPLETE, 0)) and all(
            _is_result(opened, sink, provenance.as_text(record(plan.job, step)))
            for step, sink in _results(plan)
        )


def finished_results(plan: Plan) -> list[Array]:
    """What each reduction gave, as the output has it."""
    assert plan.job.output is not None
    with open_file(plan.job.output.address.file) as opened:
        return [opened[sink.path][...] for sink in plan.observe_sinks if sink is not None]


def _results(plan: Plan) -> list[tuple[int, DatasetSink]]:
    kept = [keep.sink for keep in plan.passes[-1].keeps]
    pairs: list[tuple[int, Any]] = list(zip(plan.keep_steps, kept, strict=True))
    pairs += zip(plan.observe_steps, plan.observe_sinks, strict=True)
    return [(step, sink) for step, sink in pairs if isinstance(sink, DatasetSink)]


def _is_result(file: h5py.File, sink: DatasetSink, job: str) -> bool:
    found: Any = file.get(sink.path)
    return (
        isinstance(found, h5py.Dataset)
        and found.attrs.get(provenance.JOB) == job
        and found.attrs.get(provenance.VERSION) == provenance.version()
        and (found.shape, found.chunks, found.dtype) == (sink.shape, sink.chunks, sink.stored_dtype)
        and _codes(filters.pipeline_of(found.id.get_create_plist())) == _codes(sink.filters)
    )


def _codes(pipeline: filters.Pipeline) -> list[Any]:
    """The filters as a file tells them: not which library encodes."""
    return [(step.code, step.options) for step in pipeline]
