"""Nodes of reductions, with NumPy's arguments."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.typing import DTypeLike

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.operands import node_of
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.operations.catalogue import CATALOGUE, find
from sharedcompute.operations.declarations import Reduce
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.specs import DType, Params

Axes = SupportsIndex | tuple[SupportsIndex, ...] | None

OF_REAL = frozenset({"min", "max", "argmin", "argmax"})
"""Reductions that we have for real numbers only; NumPy orders complex ones, too."""

EXTREMES = {"min": ("minimum", "fmin"), "max": ("maximum", "fmax")}
"""Reductions without an identity, and what they are of two elements, also without NaN."""

FILLS: dict[str, object] = {"sum": 0, "prod": 1, "any": False, "all": True}
"""What takes the place of elements that `where` leaves out."""


def axes_of(axis: Axes, ndim: int) -> tuple[int, ...]:
    """Return axes, sorted and from 0 on.

    Raises
    ------
    numpy.exceptions.AxisError
        There is none of that number.
    ValueError
        One is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    given = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(normalize_axis_tuple(tuple(map(operator.index, given)), ndim)))


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
        chosen = _chosen(node_of(where), node, skipna)
        return _of_chosen(name, node, chosen, axes, keepdims, ddof or 0)
    if not axes:
        return _of_each(name, node, ddof or 0, skipna)
    params: dict[str, object] = {}
    if skipna:
        params["skipna"] = True
    if ddof:
        params["ddof"] = ddof
    operation, bound = _bound(name, tuple(params.items()))
    operation.check(node.spec)
    made = build.reduced(operation, bound, build.widened(node), axes, keepdims=keepdims)
    if node.spec.dtype == np.float16 and made.spec.dtype == np.float32:
        return elementwise.astype(made, node.spec.dtype)
    return made


def _check_alone(name: str, where: object, ddof: float | None) -> None:
    """Refuse what has no meaning with weights."""
    if where is not None and where is not True:
        raise InputError(
            "expected where or weights, got both: give weights of 0 for what is left out"
        )
    if ddof:
        raise InputError(f"{name}: expected ddof=0 with weights, got {ddof}: leave ddof out")


@functools.cache
def _bound(name: str, params: tuple[tuple[str, object], ...]) -> tuple[Reduce, dict[str, Any]]:
    operation = find(name, "reduce")
    assert isinstance(operation, Reduce)
    return operation, bind(name, operation.parameters, dict(params))


def _of_each(name: str, node: Node, ddof: float, skipna: bool) -> Node:
    """Return the node of a reduction along no axis: of each element by itself."""
    call = elementwise.call
    if name in ("any", "all"):
        return call("not_equal", node, 0)
    if name in ("argmin", "argmax"):
        return call("multiply", elementwise.astype(node, np.dtype(np.int64)), 0)
    if name in ("var", "std"):
        own = elementwise.astype(node, np.result_type(node.spec.dtype, np.float16))
        apart = call("absolute", call("subtract", own, own))
        return elementwise.astype(call("divide", apart, 1 - ddof), _dtype(name, node))
    if skipna and name in FILLS and node.spec.dtype.kind in "fc":
        node = call("where", call("isnan", node), FILLS[name], node)
    return elementwise.astype(node, _dtype(name, node))


def _dtype(name: str, node: Node) -> DType:
    """Return the dtype of a reduction of an array."""
    operation, params = _bound(name, ())
    return operation.dtype(node.spec.dtype, params)


def _chosen(where: Node, node: Node, skipna: bool) -> Node:
    """Return the node of a condition for elements of another one, with as many axes."""
    if where.spec.dtype != bool:
        raise InputError(f"where: expected an array of bool, got {where.spec.dtype}: compare it")
    build.broadcast((where, node))
    ahead = len(node.spec.shape) - len(where.spec.shape)
    where = build.reshape(where, (1,) * ahead + where.spec.shape)
    if skipna and node.spec.dtype.kind in "fc":
        there = elementwise.call("logical_not", elementwise.call("isnan", node))
        return elementwise.call("logical_and", where, there)
    return where


def _of_chosen(
    name: str, node: Node, where: Node, axes: tuple[int, ...], keepdims: bool, ddof: float
) -> Node:
    """Return the node of a reduction of those elements where a condition holds."""
    call = elementwise.call
    if name in FILLS:
        node = call("where", where, node, FILLS[name])
        return reduce(name, node, axes, keepdims=keepdims)
    if name in EXTREMES:
        raise InputError(
            f"{name}: expected initial beside where, got none: write {name}(x, where=..., "
            "initial=...), of a lazy array or in an expression"
        )
    if name not in ("mean", "var", "std"):
        raise InputError(
            f"{name}: expected no where, as in NumPy, got one: put a number that does not matter "
            "in place of the others, by numpy.where"
        )
    dtype = _dtype(name, node)
    if name == "mean":
        mean = call("divide", *_total_and_count(node, where, axes, keepdims))
        return elementwise.astype(mean, dtype)
    mean = call("divide", *_total_and_count(node, where, axes, True))
    apart = call("absolute", call("subtract", node, mean))
    total, count = _total_and_count(call("square", apart), where, axes, keepdims)
    var = call("divide", total, call("maximum", call("subtract", count, ddof), 0))
    return elementwise.astype(call("sqrt", var) if name == "std" else var, dtype)


def extreme(
    name: str,
    node: Node,
    axis: Axes,
    *,
    keepdims: bool,
    initial: object,
    where: object,
    skipna: bool,
) -> Node:
    """Return the node of the least or the greatest element.

    Parameters
    ----------
    name : {"min", "max"}
    initial : scalar or None
        A number that takes part, too: with `where` it has to be given.
    """
    if initial is None:
        return reduce(name, node, axis, keepdims=keepdims, where=where, skipna=skipna)
    first = np.full((), initial, node.spec.dtype)[()]
    if where is not True:
        mask = _chosen(node_of(where), node, skipna)
        node = elementwise.call("where", mask, node, first)
    found = reduce(name, node, axis, keepdims=keepdims, skipna=skipna)
    return elementwise.call(EXTREMES[name][skipna], found, first)


def _total_and_count(
    node: Node, where: Node, axes: tuple[int, ...], keepdims: bool
) -> tuple[Node, Node]:
    """Return the sum, and the number, of those elements where a condition holds."""
    total = reduce("sum", elementwise.call("where", where, node, 0), axes, keepdims=keepdims)
    each = math.prod(
        n for axis, n in enumerate(node.spec.shape) if axis in axes and where.spec.shape[axis] == 1
    )
    met = reduce("sum", where, axes, keepdims=keepdims)
    return total, elementwise.call("multiply", met, each)


def average(node: Node, axis: Axes, weights: Node, keepdims: bool) -> tuple[Node, Node]:
    """Return the nodes of a weighted average, and of the sum of its weights.

    Raises
    ------
    InputError
        The weights are neither like the array nor one for each place along the axes.
    """
    shape, given = node.spec.shape, weights.spec.shape
    axes = axes_of(axis, len(shape))
    if given != shape:
        named = normalize_axis_tuple(axis, len(shape)) if axis is not None else ()  # type: ignore[arg-type]
        along = tuple(shape[a] for a in named)
        if axis is None or given != along:
            raise InputError(
                f"weights: expected shape {shape}, or with an axis one for each place along it, "
                f"got {given}"
            )
        weights = build.permute(weights, tuple(map(named.index, axes)))
        weights = build.reshape(weights, tuple(n if a in axes else 1 for a, n in enumerate(shape)))
    call = elementwise.call
    dtype = np.result_type(node.spec.dtype, weights.spec.dtype)
    if node.spec.dtype.kind not in "fc":
        dtype = np.result_type(dtype, np.float64)
    node, weights = elementwise.astype(node, dtype), elementwise.astype(weights, dtype)
    total = reduce("sum", call("multiply", node, weights), axes, keepdims=keepdims)
    weight = reduce("sum", weights, axes, keepdims=keepdims)
    return call("divide", total, weight), weight


WEIGHTED = ("mean", "std", "sum", "var")
"""Reductions that have a meaning with weights."""


def weighted(
    name: str,
    node: Node,
    weights: Node,
    axis: Axes = None,
    *,
    keepdims: bool = False,
    skipna: bool = False,
) -> Node:
    """Return the node of a reduction with weights, as of xarray's ``weighted``.

    Parameters
    ----------
    name : {"mean", "std", "sum", "var"}
        Of sums of ``w * x``, divided by the sum of the weights; the variance is the mean of the
        squared distances from the mean.
    weights : Node
        Broadcast against the array; or of one dimension, an entry for each place along the axis.
    skipna : bool
        Leave NaN out, with their weights.
    """
    if name not in WEIGHTED:
        raise InputError(f"{name}: expected one of {', '.join(WEIGHTED)} with weights")
    call, shape = elementwise.call, node.spec.shape
    axes = axes_of(axis, len(shape))
    weights = _spread_out(weights, shape, axes)
    dtype = np.result_type(node.spec.dtype, weights.spec.dtype)
    dtype = dtype if dtype.kind in "fc" else np.dtype(np.float64)
    node, weights = elementwise.astype(node, dtype), elementwise.astype(weights, dtype)
    if skipna and dtype.kind in "fc":
        gone = call("isnan", node)
        node, weights = call("where", gone, 0, node), call("where", gone, 0, weights)

    def total(values: Node, kept: bool) -> Node:
        return reduce("sum", call("multiply", values, weights), axes, keepdims=kept)

    def weight(kept: bool) -> Node:
        each = math.prod(n for a, n in enumerate(shape) if a in axes and weights.spec.shape[a] == 1)
        return call("multiply", reduce("sum", weights, axes, keepdims=kept), each)

    if name == "sum":
        return total(node, keepdims)
    if name == "mean":
        return call("divide", total(node, keepdims), weight(keepdims))
    mean = call("divide", total(node, True), weight(True))
    apart = call("square", call("absolute", call("subtract", node, mean)))
    var = call("divide", total(apart, keepdims), weight(keepdims))
    return call("sqrt", var) if name == "std" else var


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


def _spread_out(weights: Node, shape: tuple[int, ...], axes: tuple[int, ...]) -> Node:
    """Return weights with as many axes as an array of `shape`, each of its length or 1."""
    given = weights.spec.shape
    if len(given) == 1 and len(axes) == 1 and given == (shape[axes[0]],):
        sides = tuple(n if axis == axes[0] else 1 for axis, n in enumerate(shape))
        return build.reshape(weights, sides)
    fits = len(given) <= len(shape) and all(
        a in (1, n) for a, n in zip(reversed(given), reversed(shape), strict=False)
    )
    if not fits:
        raise InputError(
            f"weights: expected a shape that broadcasts to {shape}, or one entry for each place "
            f"along the axis, got {given}"
        )
    return build.reshape(weights, (*(1,) * (len(shape) - len(given)), *given))


def spread(node: Node, axis: Axes, keepdims: bool) -> Node:
    """Return the node of the greatest less the least (numpy.ptp)."""
    ends = (reduce(name, node, axis, keepdims=keepdims) for name in ("max", "min"))
    return elementwise.call("subtract", *ends)


def nonzero(node: Node, axis: Axes, keepdims: bool) -> Node:
    """Return the node of the number of elements that are not zero."""
    return reduce("sum", elementwise.call("not_equal", node, 0), axis, keepdims=keepdims)
