"""Jobs on small arrays in memory: a plan would cost a hundred times what they cost."""

from __future__ import annotations

import numpy as np

from sharedcompute.api.lazy.evaluate import LIMIT, evaluate
from sharedcompute.api.lazy.running import DEFAULTS
from sharedcompute.api.settings import Settings
from sharedcompute.events import Listener
from sharedcompute.operations.catalogue import CATALOGUE
from sharedcompute.operations.specs import Array
from sharedcompute.planning.job import Job, operations_of
from sharedcompute.planning.job_graph import JobGraph


def is_small(given: object, output: object, settings: Settings, listen: Listener | None) -> bool:
    """Return whether a call takes a small array, returns an array and asks for nothing else."""
    here = isinstance(given, np.ndarray) and given.nbytes <= LIMIT and output is None
    return here and listen is None and settings == DEFAULTS


def at_once(job: Job) -> dict[tuple[int, str], Array] | None:
    """Return the results of a job by step and name; None where it takes a plan.

    Operations of a user do: their functions are tried on some rows, and may warn or raise.
    """
    ops = (op for step in job.steps for op, _ in operations_of(step))
    if not all(CATALOGUE.get(op.name) is op for op in ops):
        return None
    graph = JobGraph(job)
    found = None if graph.fit is not None else evaluate([w.node for w in graph.wanted])
    if found is None:
        return None
    return {(w.step, w.name): x for w, x in zip(graph.wanted, found, strict=True)}
