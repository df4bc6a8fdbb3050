"""Nodes of functions of single elements: dtypes and errors are NumPy's."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from sharedcompute.api.lazy.operands import node_of
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Attributes, Constant, Node
from sharedcompute.operations.specs import DType
from sharedcompute.ufuncs.promotion import power_operator, result_dtype

Shape = tuple[int, ...]


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


def of_nodes(name: str, *nodes: Node, attributes: Attributes = ()) -> Node:
    """Return the node of a function of the arrays of nodes."""
    dtype = _dtype(name, tuple([_kind(node) for node in nodes]), attributes)
    return build.elementwise(name, dtype, nodes, attributes)


def _kind(node: Node) -> DType | type | int:
    """Return what of an operand decides the dtype of the result.

    Of Python's numbers that is their type, and of large integers whether they fit.
    """
    op = node.op
    if type(op) is not Constant:
        return node.spec.dtype
    kind = type(op.value)
    if kind is float or kind is complex:
        return kind
    if kind is int:
        value = int(op.value)
        return kind if 0 < value < 128 else value
    return node.spec.dtype


@functools.lru_cache(maxsize=4096)
def _dtype(name: str, kinds: tuple[DType | type | int, ...], attributes: Attributes) -> DType:
    dtype = result_dtype(name, [k(1) if isinstance(k, type) else k for k in kinds], attributes)
    if dtype.kind not in "biufc" or dtype.itemsize > 16 or dtype == np.longdouble:
        raise InputError(f"{name}: expected a result of numbers, got dtype {dtype}: cast first")
    return dtype


def astype(node: Node, dtype: DType) -> Node:
    """Return the node of the same numbers in another dtype."""
    if node.spec.dtype == dtype:
        return node
    return of_nodes("astype", node, attributes=(("dtype", dtype),))


def power(base: Node, exponent: Node) -> Node:
    """Return the node of ``base ** exponent``: a square where NumPy's operator makes one."""
    op = exponent.op
    given = op.value if isinstance(op, Constant) else exponent.spec.dtype
    name = power_operator(base.spec.dtype, given)
    return of_nodes(name, base, exponent) if name == "power" else of_nodes(name, base)


def rounded(node: Node, decimals: int) -> Node:
    """Return the node of numbers rounded to decimals (numpy.round)."""
    return of_nodes("round", node, attributes=(("decimals", decimals),))


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


def chosen(conditions: Sequence[Node], choices: Sequence[Node], default: Node) -> Node:
    """Return the node of the first choice whose condition is true (numpy.select).

    Raises
    ------
    InputError
        There are no conditions, or not as many as choices.
    TypeError
        A condition is not boolean.
    """
    if not conditions or len(conditions) != len(choices):
        raise InputError(
            f"select: expected as many conditions as choices, one at least, got {len(conditions)} "
            f"and {len(choices)}"
        )
    for condition in conditions:
        if condition.spec.dtype != bool:
            raise TypeError(f"select: expected boolean conditions, got {condition.spec.dtype}")
    # A number of Python takes the dtype of what is beside it.
    kinds = [_kind(node) for node in (*choices, default)]
    dtype = np.result_type(*(k if isinstance(k, np.dtype) else _example(k) for k in kinds))
    found = astype(default, dtype)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        found = of_nodes("where", condition, astype(choice, dtype), found)
    return found


def _example(kind: type | int) -> int | float | complex:
    """Return a number of Python of a kind."""
    return kind if isinstance(kind, int) else kind(1)


def part(name: str, node: Node) -> Node:
    """Return the node of the real or the imaginary part; that of real numbers is zero."""
    if node.spec.dtype.kind == "c":
        return of_nodes(name, node)
    return node if name == "real" else call("multiply", node, np.zeros((), node.spec.dtype)[()])
