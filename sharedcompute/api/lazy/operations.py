"""Named operations on lazy arrays, as nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharedcompute.api.keywords import check_parameters
from sharedcompute.api.lazy import reductions
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opening import lazy, open_array
from sharedcompute.api.lazy.plain_reductions import axes_of
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.operations.declarations import Operation, Reduce
from sharedcompute.operations.kinds import is_address
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.options.groups import KEYWORDS, OF_REDUCTIONS


def is_lazy_call(given: object, output: object, keywords: Mapping[str, object]) -> bool:
    """Return whether a call is of a lazy array, and says nothing of how it is to be run."""
    return isinstance(given, LazyArray) and output is None and not keywords.keys() & {*KEYWORDS}


def applied(op: Operation, x: LazyArray, given: Mapping[str, Any]) -> LazyArray:
    """Return what an operation gives for a lazy array.

    Raises
    ------
    InputError
        It does not suit the data, or a parameter does not suit it.
    """
    if isinstance(op, Reduce):
        return _reduced(op, x, dict(given))
    check_parameters(given, (p.name for p in op.parameters))
    kinds = {p.name: p.kind for p in op.parameters}
    params: dict[str, Any] = bind(op.name, op.parameters, given)
    for name, value in params.items():
        if is_address(kinds[name], value):
            params[name] = open_array(value).compute()
    if not x.shape:
        raise InputError(f"{op.name}: expected an array with at least one dimension, got a number")
    return LazyArray(build.apply(op, params, build.widened(x.node)))


def _reduced(op: Reduce, x: LazyArray, given: dict[str, Any]) -> LazyArray:
    axis = given.pop("axis", "rows")
    keepdims = given.pop("keepdims", False)
    where, weights = given.pop("where", None), given.pop("weights", None)
    check_parameters(given, (p.name for p in op.parameters), OF_REDUCTIONS)
    if axis in ("rows", "all"):
        axis = 0 if axis == "rows" else None
    axes = axes_of(axis, x.ndim)
    node = build.widened(x.node)
    op.check(ArraySpec(node.spec.shape, node.spec.dtype))
    params = bind(op.name, op.parameters, given)
    if where is not None or weights is not None:
        beside = [None if each is None else lazy(each).node for each in (where, weights)]
        return LazyArray(reductions.chosen(op, node, axes, params, keepdims, *beside))
    return LazyArray(build.reduced(op, params, node, axes, keepdims=keepdims))
