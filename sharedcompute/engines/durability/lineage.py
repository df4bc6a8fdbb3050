"""The lineage of a result: the record of its input and steps that goes into the output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.catalogue import CATALOGUE, ITERATIVE
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.fingerprint import fingerprint
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.planning.job import Job, ReduceStep, operations_of


def is_own(op: Operation | Iterative) -> bool:
    """Return whether an operation is a user's, and not of the catalogue."""
    return op not in (CATALOGUE.get(op.name), ITERATIVE.get(op.name))


def record(job: Job, number: int) -> dict[str, object]:
    """Return the input of a step's result, and the steps up to it."""
    steps = []
    for step in job.steps[: number + 1]:
        ops = [op for op, _ in operations_of(step)]
        if isinstance(step, ReduceStep) and step is not job.steps[number]:
            continue
        own = {op.name: fingerprint(op) for op in ops if is_own(op)}
        made = {"operation": ",".join(op.name for op in ops), **({"code": own} if own else {})}
        steps.append({**made, **_plain(step.given)})
    source = job.source
    if isinstance(source, DatasetSource):
        # The name without its folder: the same job elsewhere writes the same bytes.
        name = Path(source.glob or source.file).name
        read = {"input": source.named(name)}
        return {**read, **({"decode_cf": True} if job.packing else {}), "steps": steps}
    return {"input": "an array in memory", "steps": steps}


def _plain(given: Mapping[str, object]) -> dict[str, object]:
    """Return parameters as JSON takes them: an array by its digest, a file without its folder."""

    def plain(value: object) -> object:
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
