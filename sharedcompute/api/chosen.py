"""Reductions of chosen elements, and with weights: made of several reductions, in one job."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sharedcompute.api.jobs import make_job
from sharedcompute.api.lazy.opening import lazy, open_array
from sharedcompute.api.lazy.reductions import reduce, weighted
from sharedcompute.api.settings import Settings
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.graph.ports import Source
from sharedcompute.graph.text import text
from sharedcompute.hdf5.address import Address, normal_path
from sharedcompute.operations.reductions.reduction import normal_axes
from sharedcompute.planning.job import ExpressionStep, Job, ReduceStep
from sharedcompute.planning.planned import Expression


def chosen_job(
    source: Source,
    step: ReduceStep,
    output: Address | None,
    where: object,
    weights: object,
    settings: Settings,
) -> Job:
    """Return the job of reductions of some elements, or with weights.

    Parameters
    ----------
    source : Source
        What is reduced.
    step : ReduceStep
        The reductions, with their parameters and axes.
    where, weights : address, array, LazyArray or None
        Which elements take part, and how much each counts.

    Raises
    ------
    InputError
        They do not suit the data or the reductions.
    """
    if where is not None and weights is not None:
        raise InputError(
            "expected where or weights, got both: give weights of 0 for what is left out"
        )
    decode_cf = settings.reading.decode_cf
    rows = source.node if isinstance(source, Expression) else build.decoded(source, decode_cf)
    axes = normal_axes(step.axis, len(rows.spec.shape))
    mask = None if where is None else _given(where, settings)
    weight = None if weights is None else _given(weights, settings)
    steps = []
    for operation, params in step.operations:
        node = _reduced(operation.name, rows, axes, step.keepdims, params, mask, weight)
        save = None if step.save is None else normal_path(f"{step.save}/{operation.name}")
        steps.append(ExpressionStep(node, save, text(node), step.given, operation.name))
    return make_job(None, tuple(steps), output, settings)


def _reduced(
    name: str,
    rows: Node,
    axes: tuple[int, ...],
    keepdims: bool,
    params: Mapping[str, object],
    where: Node | None,
    weights: Node | None,
) -> Node:
    skipna, ddof = bool(params.get("skipna", False)), params.get("ddof", 0)
    assert isinstance(ddof, int | float)
    if weights is None:
        return reduce(name, rows, axes, keepdims=keepdims, where=where, ddof=ddof, skipna=skipna)
    if ddof:
        raise InputError(f"{name}: expected ddof=0 with weights, got {ddof}: leave ddof out")
    return weighted(name, rows, weights, axes, keepdims=keepdims, skipna=skipna)


def _given(value: object, settings: Settings) -> Node:
    """Return the node of an array, or of what is at an address."""
    if not isinstance(value, str | os.PathLike | Address):
        return lazy(value).node  # type: ignore[arg-type] # refuses what is no array
    reading = settings.reading
    return open_array(
        value, decode_cf=reading.decode_cf, allow_external=reading.allow_external
    ).node
