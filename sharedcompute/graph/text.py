"""Expressions as text: one printer for people, for plans, for the record and for the identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from sharedcompute.graph.node import (
    Constant,
    Elementwise,
    Join,
    Model,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
    ordered,
)
from sharedcompute.operations.stages import Argument

ATOM = 100

INFIX: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "power": ("**", 14),
        "multiply": ("*", 12),
        "divide": ("/", 12),
        "true_divide": ("/", 12),
        "floor_divide": ("//", 12),
        "remainder": ("%", 12),
        "add": ("+", 11),
        "subtract": ("-", 11),
        "left_shift": ("<<", 10),
        "right_shift": (">>", 10),
        "bitwise_and": ("&", 9),
        "bitwise_xor": ("^", 8),
        "bitwise_or": ("|", 7),
        "less": ("<", 6),
        "less_equal": ("<=", 6),
        "greater": (">", 6),
        "greater_equal": (">=", 6),
        "equal": ("==", 6),
        "not_equal": ("!=", 6),
    }
)
"""Python's operators by NumPy's names, and how strongly they bind."""

Printed = tuple[str, int]
"""A text, and how strongly its outermost operator binds."""


def inputs_of(results: Sequence[Node]) -> list[Node]:
    """Return the nodes of what is read, in the order in which expressions name them."""
    return [n for n in ordered(results) if isinstance(n.op, Read)]


def text(node: Node, names: Mapping[str, str] | None = None) -> str:
    """Return a node as an expression in NumPy's words.

    Parameters
    ----------
    names : mapping of str to str, optional
        Names of nodes by their keys. Without one, what is read is x0, x1 ...

    Examples
    --------
    >>> import numpy as np
    >>> from sharedcompute.graph import build
    >>> from sharedcompute.planning.in_memory import ArraySource
    >>> x = build.read(ArraySource(np.zeros((2, 3))))
    >>> text(build.elementwise("add", x.spec.dtype, [x, build.constant(1)]))
    'x0 + 1'
    """
    named = names or {n.key: f"x{i}" for i, n in enumerate(inputs_of([node]))}
    printed: dict[str, Printed] = {}
    for n in ordered([node]):
        if n.key in named:
            printed[n.key] = named[n.key], ATOM
        else:
            printed[n.key] = _print(n, [printed[i.key] for i in n.inputs])
    return printed[node.key][0]


def _print(node: Node, given: Sequence[Printed]) -> Printed:
    op, args = node.op, [t for t, _ in given]
    match op:
        case Read():
            return "x", ATOM
        case Constant():
            return repr(op.value.item() if hasattr(op.value, "item") else op.value), ATOM
        case Elementwise():
            return _elementwise(op, given)
        case Rowwise():
            whole = args[op.rows :]
            rest = [
                whole[a.number] if isinstance(a, Argument) else _brief(a) for a in op.stage.args
            ]
            return _call(op.stage.label, [*args[: op.rows], *rest]), ATOM
        case Reduce():
            kept = ", keepdims=True" if op.keepdims else ""
            return f"{op.operation.name}({args[0]}, axis={_axes(op.axes)}{kept})", ATOM
        case Select():
            keys = ", ".join(map(_key, op.keys, node.inputs[0].spec.shape))
            return f"{_bound(given[0], ATOM)}[{keys}]", ATOM
        case Reshape():
            return f"reshape({args[0]}, {op.shape})", ATOM
        case Permute():
            return f"transpose({args[0]}, {op.axes})", ATOM
        case Join():
            return f"concatenate(({', '.join(args)}), axis={op.axis})", ATOM
        case Model():
            return op.name, ATOM


def _elementwise(op: Elementwise, given: Sequence[Printed]) -> Printed:
    args = [t for t, _ in given]
    if op.function in INFIX and len(given) == 2:
        sign, strength = INFIX[op.function]
        # Equals bind from the left, but for powers.
        left, right = (1, 0) if sign == "**" else (0, 1)
        a, b = _bound(given[0], strength + left), _bound(given[1], strength + right)
        return (f"{a}{sign}{b}" if sign == "**" else f"{a} {sign} {b}"), strength
    if op.function == "negative":
        return f"-{_bound(given[0], 13)}", 13
    if op.function == "square":
        return f"{_bound(given[0], 15)}**2", 14
    named = [f"{name}={_brief(value)}" for name, value in op.attributes]
    return _call(op.function, [*args, *named]), ATOM


def _bound(printed: Printed, strength: int) -> str:
    return printed[0] if printed[1] >= strength else f"({printed[0]})"


def _call(name: str, args: Sequence[str]) -> str:
    return f"{name}({', '.join(args)})"


def _axes(axes: tuple[int, ...]) -> str:
    return str(axes[0]) if len(axes) == 1 else str(axes)


def _key(key: slice | int, n: int) -> str:
    if not isinstance(key, slice):
        return str(key)
    if key == slice(0, n, 1):
        return ":"
    step = "" if key.step == 1 else f":{key.step}"
    return f"{key.start}:{key.stop}{step}"


def _brief(value: object) -> str:
    shape: tuple[int, ...] | None = getattr(value, "shape", None)
    if shape:
        return f"array{shape}"
    named: Callable[[], object] | None = getattr(value, "item", None)
    return str(value if named is None else named())
