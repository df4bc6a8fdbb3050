"""The lineage of a result: the record of its input and steps that goes into the output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from sharedcompute.graph.node import Node, Read, reads
from sharedcompute.graph.ports import Source
from sharedcompute.graph.text import inputs_of, text
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.catalogue import CATALOGUE, ITERATIVE
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.fingerprint import fingerprint
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.planning.job import ExpressionStep, Job, ReduceStep, ResultStep, operations_of
from sharedcompute.planning.planned import Expression


def is_own(op: Operation | Iterative) -> bool:
    """Return whether an operation is a user's, and not of the catalogue."""
    return op not in (CATALOGUE.get(op.name), ITERATIVE.get(op.name))


def record(job: Job, number: int) -> dict[str, object]:
    """Return the input of a step's result, and the steps up to it."""
    steps = []
    for step in job.steps[: number + 1]:
        ops = [op for op, _ in operations_of(step)]
        if isinstance(step, ReduceStep | ResultStep) and step is not job.steps[number]:
            continue
        if isinstance(step, ExpressionStep):
            # It stands for itself, whatever came before.
            steps = [{"expression": step.text or text(step.node), **_plain(step.given)}]
            continue
        own = {op.name: fingerprint(op) for op in ops if is_own(op)}
        made: dict[str, object] = {"operation": ",".join(op.name for op in ops)}
        if own:
            made["code"] = own
        if isinstance(step, ResultStep):
            made["result"] = step.result
        steps.append({**made, **_plain(step.given)})
    begin, step = job.expression(number), job.steps[number]
    read: object = _named(job.source) if begin is None else _inputs(begin)
    if isinstance(step, ResultStep) and step.call.sources:
        read = [_named(source) for source in step.call.sources]
    decoded = {"decode_cf": True} if _decodes(job, begin) else {}
    return {"input": read, **decoded, "steps": steps}


def _inputs(step: ExpressionStep) -> dict[str, str] | list[str]:
    """Return what an expression reads, by the names that it has for it, if it has any."""
    reads = [(n.key, n.op.source) for n in inputs_of([step.node]) if isinstance(n.op, Read)]
    if not step.names:
        return [_named(source) for _, source in reads]
    return {step.names.get(key, f"x{i}"): _named(s) for i, (key, s) in enumerate(reads)}


def _decodes(job: Job, step: ExpressionStep | None) -> bool:
    """Return whether numbers are unpacked as they are read."""
    if step is None:
        return job.packing is not None
    datasets = (s for s in reads([step.node]) if isinstance(s, DatasetSource))
    return job.decode_cf and any(source.packing for source in datasets)


def _named(source: Source | None) -> str:
    """Return what is read without its folder: the same job elsewhere writes the same bytes."""
    if isinstance(source, Expression):
        reads = inputs_of([source.node])
        named = {n.key: f"[{_named(n.op.source)}]" for n in reads if isinstance(n.op, Read)}
        return text(source.node, named)
    if isinstance(source, DatasetSource):
        return source.named(Path(source.glob or source.file).name)
    return "an array in memory"


def _plain(given: Mapping[str, object]) -> dict[str, object]:
    """Return parameters as JSON takes them: an array by its digest, a file without its folder."""

    def plain(value: object) -> object:
        if isinstance(value, Node):
            return _named(value.op.source if isinstance(value.op, Read) else Expression(value))
        if isinstance(value, np.ndarray):
            return f"array of {value.dtype} {value.shape} ({fingerprint(value)})"
        if isinstance(value, str) and "::" in value:
            address = Address.parse(value)
            return str(replace(address, file=Path(address.file).name))
        try:
            json.dumps(value)
        except TypeError:
            return str(value)
        return value

    return {name: plain(value) for name, value in given.items()}
