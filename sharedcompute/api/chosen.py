"""Reductions of chosen elements, and with weights: made of several reductions, in one job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.opening import lazy, open_array
from sharedcompute.api.lazy.reductions import chosen
from sharedcompute.api.settings import Settings
from sharedcompute.errors import InputError
from sharedcompute.graph.node import Node
from sharedcompute.graph.rewrite import called
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.reductions.reduction import normal_axes
from sharedcompute.planning.job import ReduceStep


@dataclass(frozen=True)
class ChosenStep(ReduceStep):
    """A step of reductions of some elements, or with weights.

    Parameters
    ----------
    where, weights : Node or None
        Which elements take part, and how much each counts.
    """

    where: Node | None = None
    weights: Node | None = None

    @property
    def chosen(self) -> Mapping[str, Node]:
        """What says which elements take part, or how much each counts, by keyword."""
        given = {"where": self.where, "weights": self.weights}
        return {name: node for name, node in given.items() if node is not None}

    def nodes(self, rows: Node) -> tuple[Node, ...]:
        """Return the nodes of the results, in the order of the reductions."""
        axes = normal_axes(self.axis, len(rows.spec.shape))
        return tuple(
            chosen(op, rows, axes, params, self.keepdims, self.where, self.weights)
            for op, params in self.operations
        )


def chosen_step(step: ReduceStep, where: object, weights: object, settings: Settings) -> ReduceStep:
    """Return a step of reductions with what says which elements take part, and how much they count.

    Parameters
    ----------
    step : ReduceStep
        The reductions, with their parameters and axes.
    where, weights : address, array, LazyArray or None
        Without both it is the step as it is.

    Raises
    ------
    InputError
        One is no array.
    """
    if where is None and weights is None:
        return step
    mask = None if where is None else _given("where", where, settings)
    weight = None if weights is None else _given("weights", weights, settings)
    made = ChosenStep(
        step.operations, step.axis, step.save, step.given, step.keepdims, mask, weight
    )
    return replace(made, given={**step.given, **made.chosen})


def _given(name: str, value: object, settings: Settings) -> Node:
    """Return the node of an array, or of what is at an address: for `where` also whole numbers."""
    if not isinstance(value, str | os.PathLike | Address):
        return lazy(value).node  # type: ignore[arg-type] # refuses what is no array
    reading = settings.reading
    try:
        node = open_array(
            value, decode_cf=reading.decode_cf, allow_external=reading.allow_external
        ).node
    except InputError as problem:
        raise InputError(f"{name}: {problem.text}") from None
    node = called(node, "mask" if name == "where" else name)
    # Files of many formats have no booleans: netCDF has 0 and 1.
    if name == "where" and node.spec.dtype.kind in "iu":
        return elementwise.call("not_equal", node, 0)
    return node
