"""Nodes of reductions, with NumPy's arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.choosing import condition, of_chosen
from sharedcompute.api.lazy.operands import node_of
from sharedcompute.api.lazy.plain_reductions import Axes, axes_of, plain
from sharedcompute.api.lazy.weighing import weighted
from sharedcompute.errors import InputError
from sharedcompute.graph.node import Node
from sharedcompute.operations.catalogue import CATALOGUE
from sharedcompute.operations.declarations import Reduce
from sharedcompute.operations.specs import Params


def reduce(
    name: str,
    node: Node,
    axis: Axes = None,
    *,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    where: object = None,
    weights: object = None,
    ddof: float | None = None,
    skipna: bool = False,
) -> Node:
    """Return the node of a reduction along some axes.

    Parameters
    ----------
    name : str
        As NumPy calls it.
    axis : int, tuple of int or None
        None: all of them.
    dtype : dtype, optional
        In which it is computed.
    where : array_like of bool, optional
        The elements that take part.
    weights : array_like, optional
        How much each element counts, as for `weighted`.
    ddof : float, optional
    skipna : bool
        Leave NaN out.
    """
    axes = axes_of(axis, len(node.spec.shape))
    if dtype is not None:
        made = reduce(
            name,
            elementwise.astype(node, np.dtype(dtype)),
            axes,
            keepdims=keepdims,
            where=where,
            weights=weights,
            ddof=ddof,
            skipna=skipna,
        )
        narrowed = weights is None and name in ("var", "std")
        return made if narrowed else elementwise.astype(made, np.dtype(dtype))
    if weights is not None:
        _check_alone(name, where, ddof)
        return weighted(name, node, node_of(weights), axes, keepdims=keepdims, skipna=skipna)
    if where is not None and where is not True:
        there = condition(node_of(where), node, skipna)
        return of_chosen(name, node, there, axes, keepdims, ddof or 0)
    return plain(name, node, axes, keepdims=keepdims, ddof=ddof or 0, skipna=skipna)


def _check_alone(name: str, where: object, ddof: float | None) -> None:
    """Refuse what has no meaning with weights."""
    if where is not None and where is not True:
        raise InputError(
            "expected where or weights, got both: give weights of 0 for what is left out"
        )
    if ddof:
        raise InputError(f"{name}: expected ddof=0 with weights, got {ddof}: leave ddof out")


def chosen(
    operation: Reduce,
    node: Node,
    axes: tuple[int, ...],
    params: Params,
    keepdims: bool = False,
    where: Node | None = None,
    weights: Node | None = None,
) -> Node:
    """Return the node of an operation with its parameters, of chosen elements or with weights.

    Raises
    ------
    InputError
        It has no meaning with them.
    """
    name = operation.name
    if operation is not CATALOGUE.get(name):
        raise InputError(
            f"{name}: expected a reduction of NumPy for where and weights, got another"
        )
    return reduce(
        name,
        node,
        axes,
        dtype=params.get("dtype"),
        keepdims=keepdims,
        where=where,
        weights=weights,
        ddof=params.get("ddof", 0),
        skipna=bool(params.get("skipna", False)),
    )


def spread(node: Node, axis: Axes, keepdims: bool) -> Node:
    """Return the node of the greatest less the least (numpy.ptp)."""
    ends = (reduce(name, node, axis, keepdims=keepdims) for name in ("max", "min"))
    return elementwise.call("subtract", *ends)


def nonzero(node: Node, axis: Axes, keepdims: bool) -> Node:
    """Return the node of the number of elements that are not zero."""
    return reduce("sum", elementwise.call("not_equal", node, 0), axis, keepdims=keepdims)
