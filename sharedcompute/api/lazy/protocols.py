"""NumPy's protocols: its ufuncs and functions on lazy arrays."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.api.lazy import eager, elementwise, scans
from sharedcompute.api.lazy.functions import FUNCTIONS, PREDICATES
from sharedcompute.api.lazy.operands import Operand, node_of
from sharedcompute.api.lazy.products import matmul, vecdot
from sharedcompute.api.lazy.reductions import reduce
from sharedcompute.api.lazy.running import in_memory
from sharedcompute.errors import InputError
from sharedcompute.graph.node import Node
from sharedcompute.ufuncs.functions import FUNCTIONS as ELEMENTWISE

REDUCTIONS: Mapping[np.ufunc, str] = {
    np.add: "sum",
    np.multiply: "prod",
    np.minimum: "min",
    np.maximum: "max",
    np.logical_or: "any",
    np.logical_and: "all",
}
"""What ``ufunc.reduce`` is."""

PRODUCTS: Mapping[str, Callable[[Node, Node], Node | None]] = MappingProxyType(
    {"matmul": matmul, "vecdot": vecdot}
)

OF_REDUCE = frozenset({"axis", "dtype", "keepdims", "where"})
"""Arguments of ``ufunc.reduce`` that reductions of ours have, too."""

WRITING = frozenset({np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal})
"""Functions that write to their first argument."""

SCANS: Mapping[np.ufunc, str] = {np.add: "cumsum", np.multiply: "cumprod", np.maximum: "cummax"}
"""What ``ufunc.accumulate`` is."""


def call_ufunc(
    kind: type[Operand],
    ufunc: np.ufunc,
    method: str,
    inputs: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """Return what a ufunc, or one of its methods, gives for lazy arrays."""
    if keywords.get("out") is not None:
        return _refuse_out(ufunc.__name__, keywords["out"])
    if method == "__call__" and not keywords:
        name = ufunc.__name__
        if name in ELEMENTWISE and ELEMENTWISE[name].call is ufunc:
            return kind(elementwise.of_nodes(name, *map(node_of, inputs)))
        product = PRODUCTS[name](*map(node_of, inputs)) if name in PRODUCTS else None
        if product is not None:
            return kind(product)
    made = _of_method(ufunc, method, inputs, keywords)
    if made is not None:
        return kind(made)
    called = ufunc if method == "__call__" else getattr(ufunc, method)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    return eager.call(kind, f"numpy.{name}", called, inputs, keywords)


def _refuse_out(name: str, out: object) -> Any:
    given = out[0] if isinstance(out, tuple) else out
    if isinstance(given, Operand):
        raise InputError(
            f"{name}: a lazy array is not written to: leave out= out, the result is another one"
        )
    raise InputError(
        f"{name}: expected no out=, as the result is a lazy array; compute it into an array by "
        f"out[...] = numpy.{name}(...)"
    )


def _of_method(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
) -> Node | None:
    """Return the node of ``reduce`` and ``accumulate``, where we have it."""
    given = {name: value for name, value in keywords.items() if value is not None}
    if method == "reduce" and ufunc in REDUCTIONS and set(given) <= OF_REDUCE:
        axis = keywords.get("axis", 0)
        given.pop("axis", None)
        return reduce(REDUCTIONS[ufunc], node_of(inputs[0]), axis, **given)
    if method == "accumulate" and ufunc in SCANS and set(given) <= {"axis", "dtype"}:
        return scans.scan(
            SCANS[ufunc], node_of(inputs[0]), keywords.get("axis", 0), given.get("dtype")
        )
    return None


def call_function(
    kind: type[Operand],
    function: Callable[..., Any],
    types: Sequence[type],
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """Return what a function of NumPy gives for lazy arrays."""
    if not all(issubclass(t, Operand | np.ndarray) for t in types):
        return NotImplemented
    if keywords.get("out") is not None:
        return _refuse_out(function.__name__, keywords["out"])
    written = args[0] if args else keywords.get("dst", keywords.get("a", keywords.get("arr")))
    if function in WRITING and isinstance(written, Operand):
        raise InputError(
            f"{function.__name__}: a lazy array is not written to: compute it, or pick by "
            "numpy.where"
        )
    ours = FUNCTIONS.get(function) or PREDICATES.get(function)
    found = None
    if ours is not None and _takes(ours, args, keywords):
        found = ours(*args, **keywords)
    if found is None:
        module = function.__module__ or "numpy"
        return eager.call(kind, f"{module}.{function.__name__}", function, args, keywords)
    if function in PREDICATES:
        return found if isinstance(found, bool) else bool(in_memory([found])[0])
    return _wrapped(kind, found)


def _takes(ours: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
    """Return whether a function of ours has all arguments of a call."""
    try:
        _signature(ours).bind(*args, **keywords)
    except TypeError:
        return False
    return True


_signature = functools.cache(inspect.signature)


def _wrapped(kind: type[Operand], found: Any) -> Any:
    if isinstance(found, Node):
        return kind(found)
    if isinstance(found, np.ndarray):
        return kind(node_of(found))
    if isinstance(found, tuple) and found and isinstance(found[0], Node):
        return tuple(map(kind, found))
    return found
