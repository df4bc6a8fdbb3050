"""Nodes of functions of single elements: dtypes and errors are NumPy's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.api.lazy.operands import node_of
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Attributes, Constant, Elementwise, Node
from sharedcompute.operations.specs import Array, ArraySpec, DType

OTHERS: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {"where": np.where, "real": np.real, "imag": np.imag, "clip": np.clip}
)
"""The functions that are none of NumPy's ufuncs."""

SMALL = range(128)
"""Whole numbers that every dtype has: which of them it is does not matter for the result's dtype."""

Shape = tuple[int, ...]


def function(name: str, attributes: Attributes = ()) -> Callable[..., Array]:
    """Return what computes a function of elements, of whole arrays."""
    if name == "astype":
        dtype: DType = dict(attributes)["dtype"]
        return lambda x: np.asarray(x).astype(dtype)
    if name == "round":
        return functools.partial(np.round, decimals=dict(attributes)["decimals"])
    return OTHERS.get(name) or _ufunc(name)


@functools.cache
def _ufunc(name: str) -> np.ufunc:
    found: np.ufunc = getattr(np, name)
    return found


def call(name: str, *operands: object) -> Node:
    """Return the node of a function of operands: lazy arrays, arrays, numbers.

    Raises
    ------
    InputError
        The shapes do not broadcast.
    TypeError
        The function is not for these dtypes.
    OverflowError
        A number is out of the bounds of the dtype beside it.
    """
    return of_nodes(name, *map(node_of, operands))


def of_nodes(name: str, *nodes: Node) -> Node:
    """Return the node of a function of the arrays of nodes."""
    dtype = result_dtype(name, nodes)
    shape: Shape = ()
    for node in nodes:
        found = node.spec.shape
        if found and found != shape:
            shape = found if not shape else build.broadcast(nodes)
    return Node(Elementwise(name), nodes, ArraySpec(shape, dtype))


def result_dtype(name: str, nodes: tuple[Node, ...]) -> DType:
    """Return the dtype of the result, as NumPy has it."""
    given = tuple(map(_kind, nodes))
    if all(isinstance(kind, np.dtype | type) for kind in given):
        return _known_dtype(name, given)
    return _tried_dtype(name, tuple(map(_sample, nodes)))


def _kind(node: Node) -> DType | type | None:
    """Return what of a node decides the dtype of a result; None where its value does."""
    op = node.op
    if not isinstance(op, Constant) or isinstance(op.value, np.generic):
        return node.spec.dtype
    value: object = op.value
    return type(value) if not isinstance(value, int) or value in SMALL else None


@functools.cache
def _known_dtype(name: str, given: tuple[DType | type, ...]) -> DType:
    return _tried_dtype(
        name, tuple(np.empty(0, k) if isinstance(k, np.dtype) else k(1) for k in given)
    )


def _sample(node: Node) -> Any:
    op = node.op
    if isinstance(op, Constant) and not isinstance(op.value, np.generic):
        return op.value
    return np.empty(0, node.spec.dtype)


def _tried_dtype(name: str, samples: tuple[Any, ...]) -> DType:
    with np.errstate(all="ignore"):
        found = function(name)(*samples)
    dtype: DType = np.asarray(found).dtype
    if dtype.kind not in "biufc" or dtype.itemsize > 16 or dtype == np.longdouble:
        raise InputError(f"{name}: expected a result of numbers, got dtype {dtype}: cast first")
    return dtype


def astype(node: Node, dtype: DType) -> Node:
    """Return the node of the same numbers in another dtype."""
    if node.spec.dtype == dtype:
        return node
    return build.elementwise("astype", dtype, (node,), (("dtype", dtype),))


def power(base: Node, exponent: Node) -> Node:
    """Return the node of ``base ** exponent``, which is a square where NumPy's operator makes one."""
    value = exponent.op.value if isinstance(exponent.op, Constant) else None
    kind = base.spec.dtype.kind
    if base.spec.shape:
        if type(value) is int and value == 2 and kind in "iufc":
            return of_nodes("square", base)
        if type(value) is int and value == -1 and kind in "fc":
            return of_nodes("reciprocal", base)
        if type(value) is float and value == 0.5 and kind in "fc":
            return of_nodes("sqrt", base)
    return of_nodes("power", base, exponent)


def rounded(node: Node, decimals: int) -> Node:
    """Return the node of numbers rounded to decimals (numpy.round)."""
    attributes = (("decimals", decimals),)
    with np.errstate(all="ignore"):
        dtype = function("round", attributes)(np.empty(0, node.spec.dtype)).dtype
    return build.elementwise("round", dtype, (node,), attributes)


def clipped(node: Node, low: object, high: object) -> Node:
    """Return the node of numbers between two bounds, each of which may be None (numpy.clip)."""
    if low is None:
        return node if high is None else call("minimum", node, high)
    return call("maximum", node, low) if high is None else call("clip", node, low, high)


def close(a: Node, b: Node, rtol: float, atol: float, equal_nan: bool) -> Node:
    """Return the node of what is equal within a tolerance (numpy.isclose)."""
    if b.spec.dtype.kind in "biu":
        b = call("multiply", b, 1.0)
    tolerance = call("add", atol, call("multiply", rtol, call("absolute", b)))
    near = call("less_equal", call("absolute", call("subtract", a, b)), tolerance)
    found = call("bitwise_or", call("bitwise_and", near, call("isfinite", b)), call("equal", a, b))
    if not equal_nan:
        return found
    both = call("bitwise_and", call("isnan", a), call("isnan", b))
    return call("bitwise_or", found, both)


def nan_to_num(node: Node, nan: float, posinf: float | None, neginf: float | None) -> Node:
    """Return the node of numbers with others in place of NaN and infinities (numpy.nan_to_num)."""
    dtype = node.spec.dtype
    if dtype.kind not in "fc":
        return node
    limits = np.finfo(dtype)
    most = limits.max if posinf is None else posinf
    least = limits.min if neginf is None else neginf
    made = call("where", call("isnan", node), nan, node)
    made = call("where", call("equal", node, np.inf), float(most), made)
    return call("where", call("equal", node, -np.inf), float(least), made)


def part(name: str, node: Node) -> Node:
    """Return the node of the real or the imaginary part; that of real numbers is zero."""
    if node.spec.dtype.kind == "c":
        return of_nodes(name, node)
    return node if name == "real" else call("multiply", node, np.zeros((), node.spec.dtype)[()])
