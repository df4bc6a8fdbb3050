"""Rewriting graphs: a box of an array becomes boxes of what the array is computed from.

So only what is wanted is read and computed. Each rule is for one kind of operation; a box that no
rule can move stays a `Select`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sharedcompute.graph import build
from sharedcompute.graph.node import (
    Elementwise,
    Join,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
    is_running,
    ordered,
)
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.windowed import windowed
from sharedcompute.hdf5.window import Window
from sharedcompute.operations.specs import ArraySpec

Key = slice | int
Keys = tuple[Key, ...]
Rule = Callable[[Node, Keys], Node | None]
"""Returns what a box of a node is computed from instead; None where it stays as it is."""


def called(node: Node, name: str) -> Node:
    """Return a node whose one input has a name; of several inputs it is as it was."""
    nodes = ordered([node])
    if sum(isinstance(n.op, Read) for n in nodes) != 1:
        return node
    made: dict[int, Node] = {}
    for n in nodes:
        op = replace(n.op, name=name) if isinstance(n.op, Read) else n.op
        inputs = tuple(made[id(given)] for given in n.inputs)
        made[id(n)] = replace(n, op=op, inputs=inputs)  # its key has no names
    return made[id(node)]


def selected(node: Node, keys: Keys) -> Node:
    """Return a box of a node, moved to where its data are read as far as can be.

    Parameters
    ----------
    keys : tuple of (slice or int)
        One for each axis, as `Select` has them.
    """
    if all(map(_is_full, keys, node.spec.shape)):
        return node
    rule = RULES.get(type(node.op))
    moved = None if rule is None else rule(node, keys)
    return build.select(node, keys) if moved is None else moved


def _is_full(key: Key, n: int) -> bool:
    return isinstance(key, slice) and (key.start, key.stop, key.step) == (0, n, 1)


def _whole(n: int) -> slice:
    return slice(0, n, 1)


def _count(key: Key) -> int:
    return len(range(key.start, key.stop, key.step)) if isinstance(key, slice) else 1


def _of_select(node: Node, keys: Keys) -> Node | None:
    assert isinstance(node.op, Select)
    wanted = iter(keys)
    both = tuple(k if isinstance(k, int) else _composed(k, next(wanted)) for k in node.op.keys)
    return selected(node.inputs[0], both)


def _composed(inner: slice, outer: Key) -> Key:
    """Return the key that picks what `outer` picks of what `inner` picked."""
    if isinstance(outer, int):
        return int(inner.start + outer * inner.step)
    count, step = _count(outer), inner.step * outer.step
    if not count:
        return slice(0, 0, 1)
    start = inner.start + outer.start * inner.step
    return slice(start, start + (count - 1) * step + (1 if step > 0 else -1), step)


def _of_elementwise(node: Node, keys: Keys) -> Node | None:
    shape = node.spec.shape
    inputs = tuple(_of_operand(given, shape, keys) for given in node.inputs)
    sides = tuple(_count(key) for key in keys if isinstance(key, slice))
    return Node(node.op, inputs, ArraySpec(sides, node.spec.dtype))


def _of_operand(given: Node, shape: tuple[int, ...], keys: Keys) -> Node:
    """Return the box of an operand that is broadcast to `shape`."""
    own = given.spec.shape
    ahead = len(shape) - len(own)
    picked: list[Key] = []
    for n, whole, key in zip(own, shape[ahead:], keys[ahead:], strict=True):
        stretched = n == 1 and whole != 1
        picked.append(key if not stretched else 0 if isinstance(key, int) else _whole(1))
    return selected(given, tuple(picked))


def _of_reduce(node: Node, keys: Keys) -> Node | None:
    """Return a reduction of a box: of all along its own axes."""
    op = node.op
    assert isinstance(op, Reduce)
    if op.exact or op.running:
        return None
    inner: list[Key] = []
    left = iter(keys)
    for axis, n in enumerate(node.inputs[0].spec.shape):
        reduced = axis in op.axes
        key = next(left) if op.keepdims or not reduced else _whole(n)
        if reduced and op.keepdims and not _is_full(key, 1):
            return None
        inner.append(_whole(n) if reduced else key)
    axes = tuple(a - sum(isinstance(k, int) for k in inner[:a]) for a in op.axes)
    below = selected(node.inputs[0], tuple(inner))
    return build.reduced(op.operation, op.params, below, axes, keepdims=op.keepdims)


def _of_permute(node: Node, keys: Keys) -> Node | None:
    op = node.op
    assert isinstance(op, Permute)
    inner: dict[int, Key] = dict(zip(op.axes, keys, strict=True))
    below = selected(node.inputs[0], tuple(inner[axis] for axis in range(len(keys))))
    kept = [axis for axis in op.axes if isinstance(inner[axis], slice)]
    return build.permute(below, tuple(sorted(kept).index(axis) for axis in kept))


def _of_rowwise(node: Node, keys: Keys) -> Node | None:
    """Return the same of a window of rows, where a row depends on its own row alone."""
    op = node.op
    assert isinstance(op, Rowwise)
    if op.call is not None and op.call.kernels > 1:
        # The kernels of an operation stay together, and one of them has a halo.
        return None
    if any(given.spec.shape[0] != node.spec.shape[0] for given in node.inputs[: op.rows]):
        return None
    rows, *others = keys
    scans = any(map(is_running, node.inputs[op.rows :]))
    if op.stage.elementwise and op.stage.row_shape is None and len(node.inputs) == 1:
        below = selected(node.inputs[0], keys)
        if below.spec.shape:
            return Node(op, (below,), replace(node.spec, shape=below.spec.shape))
    if op.stage.halo or scans or not isinstance(rows, slice):
        return None
    if _is_full(rows, node.spec.shape[0]):
        return None
    inputs = (*(_rows_of(given, rows) for given in node.inputs[: op.rows]), *node.inputs[op.rows :])
    made = Node(op, inputs, replace(node.spec, shape=(_count(rows), *node.spec.shape[1:])))
    return selected(made, (_whole(made.spec.shape[0]), *others))


def _rows_of(node: Node, rows: slice) -> Node:
    return selected(node, (rows, *map(_whole, node.spec.shape[1:])))


def _of_reshape(node: Node, keys: Keys) -> Node | None:
    """Return other rows in the new shape, where rows stay rows."""
    below = node.inputs[0]
    shape, before = node.spec.shape, below.spec.shape
    same = bool(shape and before) and shape[0] == before[0]
    if not same or not all(map(_is_full, keys[1:], shape[1:])):
        return None
    picked = selected(below, (keys[0], *map(_whole, before[1:])))
    sides = () if isinstance(keys[0], int) else (_count(keys[0]),)
    return build.reshape(picked, (*sides, *shape[1:]))


def _of_join(node: Node, keys: Keys) -> Node | None:
    op = node.op
    assert isinstance(op, Join)
    if not _is_full(keys[op.axis], node.spec.shape[op.axis]):
        return None
    parts = []
    for given in node.inputs:
        own = list(keys)
        own[op.axis] = _whole(given.spec.shape[op.axis])
        parts.append(selected(given, tuple(own)))
    gone = sum(isinstance(key, int) for key in keys[: op.axis])
    return build.join(parts, op.axis - gone)


def _of_read(node: Node, keys: Keys) -> Node | None:
    """Return a window of a dataset: only chunks that it touches are decoded."""
    op = node.op
    assert isinstance(op, Read)
    if not isinstance(op.source, DatasetSource):
        return None
    # A source has rows: what is one number is the only one of its window.
    only = all(isinstance(key, int) for key in keys)
    window = Window.of(tuple(map(_kept, keys)) if only else numpy_keys(keys), node.spec.shape)
    made = build.read(windowed(op.source, window), op.name)
    return build.reshape(made, ()) if only else made


def _kept(key: Key) -> slice:
    """Return the key of the same place that keeps its axis."""
    assert isinstance(key, int)
    return slice(key, key + 1)


def numpy_keys(keys: Sequence[Key]) -> Keys:
    """Return keys as NumPy takes them: a slice backwards to the first element is open there."""
    return tuple(
        slice(k.start, None, k.step) if isinstance(k, slice) and k.stop < 0 else k for k in keys
    )


RULES: Mapping[type[Any], Rule] = MappingProxyType(
    {
        Select: _of_select,
        Elementwise: _of_elementwise,
        Reduce: _of_reduce,
        Permute: _of_permute,
        Rowwise: _of_rowwise,
        Reshape: _of_reshape,
        Join: _of_join,
        Read: _of_read,
    }
)
