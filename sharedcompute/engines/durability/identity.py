"""The identity of a job: everything that decides the bytes of its output."""

from __future__ import annotations

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np

from sharedcompute.engines.durability.journal import Record
from sharedcompute.engines.durability.lineage import is_own
from sharedcompute.graph.node import (
    Constant,
    Elementwise,
    Gather,
    Node,
    Reduce,
    Rowwise,
    ordered,
)
from sharedcompute.graph.text import text
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.copying.storage import Storage
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.input_files import InputFiles, Seen
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.fingerprint import fingerprint
from sharedcompute.operations.stages import is_ours
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.planning.job import (
    ExpressionStep,
    Job,
    ReduceStep,
    ResultStep,
    Step,
    axis_text,
    operations_of,
)
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.planned import Expression
from sharedcompute.planning.structure import Repack
from sharedcompute.ufuncs.kernel import Kernel
from sharedcompute.ufuncs.processor import processor_text

BASE = "the file that results are added to"
"""The one entry of an identity that the job itself changes."""


def header_of(plan: Plan, base: Seen | None) -> Record:
    """Return the first record of a plan's journal: which job it is.

    Parameters
    ----------
    base : Seen or None
        The file that the output began as.
    """
    task = plan.task
    identity = _of_job(plan, task) if isinstance(task, Job) else _of_repack(plan, task)
    identity[BASE] = None if base is None else _state(base)
    overwrite = task.output is not None and task.output.overwrite
    return {"identity": identity, "what": _what(plan, task), "overwrite": overwrite}


def _of_job(plan: Plan, job: Job) -> Record:
    identity: Record = {**_versions(), **_input(plan, job), **_files(plan.reads), **_steps(job)}
    for sink in plan.sinks:
        identity[f"the storage of {sink.path}"] = _storage(sink)
    if isinstance(job.source, Expression):
        identity["the expression of the input"] = text(job.source.node)
        identity["the values of the expression of the input"] = fingerprint(
            _values(job.source.node)
        )
    if any(map(_depends_on_processor, plan.passes)):
        identity["the vector units of the processor"] = processor_text()
    # After the storage: other chunks move the bounds of blocks, and are what was asked for.
    identity["the number of rows in a block"] = [plan.blocks.rows, plan.passes[-1].strip]
    return identity


def _of_repack(plan: Plan, repack: Repack) -> Record:
    identity: Record = {**_versions(), **_files(plan.reads), "the dataset": repack.path}
    prints: dict[Storage, str] = {}
    for recoding in plan.recodings.values():
        storage = recoding.storage
        if storage not in prints:
            prints[storage] = fingerprint(storage)
        identity[f"the storage of {recoding.source.path}"] = prints[storage]
    return identity


def mark(header: Record) -> str:
    """Return the mark of a job's output: a digest of all that decides its bytes.

    Not of the file that results are added to: that is another one afterwards.
    """
    identity = {name: value for name, value in header["identity"].items() if name != BASE}
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _versions() -> Record:
    """Return versions: bits depend on how kernels are compiled, and on what HDF5 writes."""
    versions = {
        "sharedcompute": metadata.version("sharedcompute"),
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "NumPy": np.__version__,
        "numba": metadata.version("numba"),
        "h5py": h5py.__version__,
        "HDF5": h5py.version.hdf5_version,
        "hdf5plugin": metadata.version("hdf5plugin"),
    }
    return {f"the version of {name}": version for name, version in versions.items()}


def _input(plan: Plan, job: Job) -> Record:
    found: Record = {}
    for number, source in enumerate(plan.inputs):
        which = f" {number + 1}" if len(plan.inputs) > 1 else ""
        if isinstance(source, DatasetSource):
            what = f"{source.name} {source.shape} {source.stored_dtype.str}"
            found[f"the input dataset{which}"] = what
            if source.window is not None:
                found[f"the window of the input{which}"] = str(source.window)
        else:
            assert isinstance(source, ArraySource)
            found[f"the input array{which}"] = fingerprint(source.array)
    if any(isinstance(source, DatasetSource) for source in plan.inputs):
        found["decode_cf"] = job.decode_cf
    return found


def _files(reads: InputFiles) -> Record:
    """Return size and time of each file as it was seen: by now it may be another one.

    Files in several folders often have the same name.
    """
    return {f"the file {seen.file}": _state(seen) for seen in reads.seen}


def _state(seen: Seen) -> str:
    """Return size and time, for a person and exact."""
    seconds, rest = divmod(seen.time_ns, 10**9)
    time = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{seen.size} bytes of {time}.{rest:09} UTC"


def _steps(job: Job) -> Record:
    found: Record = {}
    for number, step in enumerate(job.steps, start=1):
        where = f" of step {number}" if len(job.steps) > 1 else ""
        pairs = operations_of(step)
        found[f"the place of the result{where}"] = step.save
        if isinstance(step, ExpressionStep):
            found[f"the expression{where}"] = text(step.node)
            found[f"the values of the expression{where}"] = fingerprint(_values(step.node))
            continue
        found[f"the operation{where}"] = ", ".join(op.name for op, _ in pairs)
        if isinstance(step, ReduceStep):
            found[f"the axis{where}"] = axis_text(step.axis)
            if step.keepdims:
                found[f"keepdims{where}"] = True
            for name, node in step.chosen.items():
                found[f"{name}{where}"] = text(node)
                found[f"the values of {name}{where}"] = fingerprint(_values(node))
        for op, params in pairs:
            if is_own(op):
                found[f"the code of {op.name}{where}"] = fingerprint(op)
            for name, value in params.items():
                found[f"{name} of {op.name}{where}"] = _plain(value)
    return found


def _depends_on_processor(work: Pass) -> bool:
    """Return whether functions are in a pass whose bits are those of the processor's kind."""
    kernels = (step.stage.kernel for step in work.steps)
    return any(k.program.uses_dispatched_functions for k in kernels if isinstance(k, Kernel))


def _values(node: Node) -> list[object]:
    """Return the kernels and the constants of an expression, which its text has in brief."""
    found: list[object] = []
    for n in ordered([node]):
        if isinstance(n.op, Rowwise | Gather):
            own = n.op.stage if not is_ours(n.op.stage.kernel) else n.op.stage.label
            found += [own, n.op.stage.args]
        elif isinstance(n.op, Constant | Elementwise | Reduce):
            found.append((n.spec.dtype, *_told(n.op)))
    return found


def _told(op: Constant | Elementwise | Reduce) -> tuple[object, ...]:
    if isinstance(op, Constant):
        return (op.value,)
    if isinstance(op, Elementwise):
        return (op.function, op.attributes)
    own = op.operation if is_own(op.operation) else op.operation.name
    return (own, dict(op.params), op.axes, op.keepdims)


def _plain(value: object) -> object:
    if isinstance(value, str | int | float | bool | None):
        return value
    return f"{value!s:.40} ({fingerprint(value)})"


def _storage(sink: DatasetSink) -> str:
    chunks = "contiguous" if sink.chunks is None else f"chunks {sink.chunks}"
    names = " ".join(sink.filter_names) or "no filter"
    return f"{sink.shape} {sink.stored_dtype} {chunks}, {names} ({fingerprint(sink)})"


def _what(plan: Plan, task: Job | Repack) -> str:
    """Return the job for a person."""
    if isinstance(task, Repack):
        return f"repack of {Address(Path(task.file).name, task.path)}"
    steps = [step for step in task.steps if not (isinstance(step, ResultStep) and step.result)]
    names = [_done(step) for step in steps]
    first = plan.inputs[0] if plan.inputs else None
    read = "an array in memory"
    if isinstance(first, DatasetSource):
        read = first.named(Path(first.glob or first.file).name)
    return f"{' | '.join(names)} of {read}"


def _done(step: Step) -> str:
    if isinstance(step, ExpressionStep):
        return step.text or text(step.node)
    return ",".join(op.name for op, _ in operations_of(step))
