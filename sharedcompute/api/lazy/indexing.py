"""Indexing: NumPy's basic indices, and which are others."""

from __future__ import annotations

import operator
from typing import SupportsIndex, cast

import numpy as np

from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.graph.rewrite import selected

Keys = tuple[slice | int, ...]


def is_basic(key: object) -> bool:
    """Return whether an index is made of slices, whole numbers, ``...`` and ``None`` alone."""
    return all(map(_is_basic, key if isinstance(key, tuple) else (key,)))


def _is_basic(key: object) -> bool:
    # A truth value picks as a mask does, and yet is a whole number in Python.
    return key is Ellipsis or key is None or _is_whole(key) or isinstance(key, slice)


def _is_whole(key: object) -> bool:
    return isinstance(key, int | np.integer) and not isinstance(key, bool)


def basic(node: Node, key: object) -> Node:
    """Return the node of a basic index of an array.

    Raises
    ------
    IndexError
        As NumPy's.
    """
    given = _filled(key if isinstance(key, tuple) else (key,), node.spec.shape)
    keys, shape = _resolved(given, node.spec.shape)
    return build.reshape(selected(node, keys), shape)


def _filled(given: tuple[object, ...], shape: tuple[int, ...]) -> tuple[object, ...]:
    """Return an index with a key for each axis, and None for each new one."""
    gaps = sum(key is Ellipsis for key in given)
    named = len(given) - gaps - sum(key is None for key in given)
    if gaps > 1:
        raise IndexError(f"expected at most one '...' in an index, got {given}")
    if named > len(shape):
        raise IndexError(
            f"too many indices: expected at most {len(shape)} for shape {shape}, got {named}"
        )
    at = next((n for n, key in enumerate(given) if key is Ellipsis), len(given))
    missing = (slice(None),) * (len(shape) - named)
    return (*given[:at], *missing, *given[at + gaps :])


def _resolved(given: tuple[object, ...], shape: tuple[int, ...]) -> tuple[Keys, tuple[int, ...]]:
    """Return the keys of the axes, with all bounds, and the shape of the result."""
    keys: list[slice | int] = []
    sides: list[int] = []
    for key in given:
        if key is None:
            sides.append(1)
            continue
        axis, n = len(keys), shape[len(keys)]
        if isinstance(key, slice):
            keys.append(_bounded(key, n))
            sides.append(len(range(*key.indices(n))))
            continue
        index = operator.index(cast(SupportsIndex, key))
        if not -n <= index < n:
            raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
        keys.append(index % n)
    return tuple(keys), tuple(sides)


def _bounded(key: slice, n: int) -> slice:
    """Return a slice whose bounds are those of what it picks."""
    start, stop, step = key.indices(n)
    count = len(range(start, stop, step))
    if not count:
        return slice(0, 0, 1)
    return slice(start, start + (count - 1) * step + (1 if step > 0 else -1), step)
