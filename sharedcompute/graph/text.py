"""Expressions as text: one printer for people, for plans, for the record and for the identity."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping, Sequence
from itertools import count

import numpy as np

from sharedcompute.graph.build import given as given_params
from sharedcompute.graph.node import (
    Call,
    Constant,
    Elementwise,
    Gather,
    Join,
    Model,
    Node,
    Op,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
    ordered,
)
from sharedcompute.operations.stages import Argument
from sharedcompute.ufuncs.text import ATOM, Piece, call_of, leaf_of

LONGEST = 2000
"""Characters of an operand that are written out."""


def inputs_of(results: Sequence[Node]) -> list[Node]:
    """Return the nodes of what is read, in the order in which expressions name them."""
    return [n for n in ordered(results) if isinstance(n.op, Read)]


def input_names(results: Sequence[Node]) -> dict[str, str]:
    """Return names of what is read by the keys of their nodes: the user's, or x0, x1 ..."""
    found: dict[str, str] = {}
    reads = inputs_of(results)
    own = {n.op.name for n in reads if isinstance(n.op, Read)}
    for number, n in enumerate(reads):
        name = n.op.name if isinstance(n.op, Read) else ""
        if not name or name in found.values():
            name = free("x", number, {*own, *found.values()})
        found[n.key] = name
    return found


def free(prefix: str, number: int, taken: Container[str]) -> str:
    """Return a prefix with a number, from `number` on, that is no name of another value."""
    return next(name for n in count(number) if (name := f"{prefix}{n}") not in taken)


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
    pieces: dict[str, Piece] = {}
    for n in ordered([node]):
        if n.key in named:
            pieces[n.key] = leaf_of(named[n.key])
        else:
            pieces[n.key] = _piece(n, [_short(pieces[i.key]) for i in _inputs(n)])
    return pieces[node.key].text


def _short(piece: Piece) -> Piece:
    """Return the text of an operand; of a long one its digest, which tells it from others.

    In full, ``x = x * x`` forty times over would be a text of a terabyte.
    """
    if len(piece.text) <= LONGEST:
        return piece
    digest = hashlib.blake2b(piece.text.encode(), digest_size=6).hexdigest()
    return leaf_of(f"expression_{digest}")


def _inputs(node: Node) -> tuple[Node, ...]:
    """Return the inputs that a node is written with: those of the operation, not of its kernels."""
    call = node.op.call if isinstance(node.op, Rowwise) else None
    if call is None:
        return node.inputs
    first = node
    for _ in range(call.kernels):
        first = first.inputs[0]
    assert isinstance(node.op, Rowwise)
    return (first, *node.inputs[1 : node.op.rows])


def _piece(node: Node, given: Sequence[Piece]) -> Piece:
    op = node.op
    match op:
        case Constant():
            return leaf_of(_brief(op.value))
        case Elementwise():
            return call_of(op.function, given, op.attributes)
        case Select():
            keys = ", ".join(map(_key, op.keys, node.inputs[0].spec.shape))
            return Piece(f"{given[0].inside(ATOM)}[{keys}]")
        case Model():
            return Piece(op.name)
    name, args = _call(op, [piece.text for piece in given])
    which = f"[{op.result}]" if isinstance(op, Rowwise | Gather) and op.stage.more else ""
    return Piece(f"{name}({', '.join(args)}){which}")


def _call(op: Op, args: list[str]) -> tuple[str, list[str]]:
    """Return the name of a function and its arguments."""
    name, rest = type(op).__name__.lower(), args
    match op:
        case Rowwise(call=Call() as call) | Gather(call=Call() as call):
            name, rest = call.name, [*args, *map(_named, call.params)]
        case Rowwise() | Gather():
            whole = args[op.rows :]
            name, rest = op.stage.label, args[: op.rows]
            rest += [_argument(a, whole) for a in op.stage.args]
        case Reduce():
            name = op.operation.name
            rest = [*args, f"axis={op.axes[0] if len(op.axes) == 1 else op.axes}"]
            rest += ["keepdims=True"] if op.keepdims else []
            rest += map(_named, given_params(op.operation.parameters, op.params))
        case Reshape():
            rest = [*args, str(op.shape)]
        case Permute():
            name, rest = "transpose", [*args, str(op.axes)]
        case Join():
            name, rest = "concatenate", [f"({', '.join(args)})", f"axis={op.axis}"]
    return name, rest


def _argument(argument: object, whole: Sequence[str]) -> str:
    return whole[argument.number] if isinstance(argument, Argument) else _brief(argument)


def _named(parameter: tuple[str, object]) -> str:
    name, value = parameter
    return f"{name}={_brief(value)}"


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
    return repr(value.item()) if isinstance(value, np.generic) else str(value)
