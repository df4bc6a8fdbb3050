"""What is known of a lazy array beside its numbers: where it is read, names, attributes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sharedcompute.errors import InputError
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
    ordered,
)
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format.packing import MASKS
from sharedcompute.hdf5.inspection.description import description_of
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.windowed import windowed
from sharedcompute.kernels import packing
from sharedcompute.operations.rowwise.unpacking import as_asked
from sharedcompute.planning.in_memory import ArraySource

Names = tuple[str | None, ...]

DECODING = (build.widen, packing.unpack, packing.mask)
"""The kernels by which a dataset is decoded."""


@dataclass(frozen=True)
class Labelled(ArraySource):
    """An array in memory whose dimensions have names.

    Parameters
    ----------
    dimensions : tuple of str
    attributes, coordinates : tuple of (str, object)
    """

    dimensions: Names = ()
    attributes: tuple[tuple[str, Any], ...] = ()
    coordinates: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Opening:
    """How a dataset was opened.

    Parameters
    ----------
    decode_cf, allow_external : bool
    home : str
        The folder that relative names were meant from, as a part of a glob.
    """

    decode_cf: bool = False
    allow_external: bool = False
    home: str = ""


AS_IT_IS = Opening()


def source_of(node: Node) -> Source | None:
    """Return what is read, where a node is just that, or a dataset that is decoded."""
    if isinstance(node.op, Read):
        return node.op.source
    while isinstance(node.op, Rowwise) and node.op.stage.kernel in DECODING:
        node = node.inputs[0]
    found = node.op.source if isinstance(node.op, Read) else None
    return found if isinstance(found, DatasetSource) else None


def chunks_of(node: Node) -> tuple[int, ...] | None:
    """Return the chunks of the first dataset of the same shape that a node is computed from."""
    for found in ordered((node,)):
        op = found.op
        source = op.source if isinstance(op, Read) else None
        if isinstance(source, DatasetSource) and source.shape == node.spec.shape:
            return source.chunks
    return None


def refreshed(results: Sequence[Node], opening: Opening = AS_IT_IS) -> list[Node]:
    """Return the same results of files as they are now.

    Raises
    ------
    InputError
        A file is gone, or a dataset of it has another shape or dtype.
    """
    changed: dict[int, Node] = {}
    for node in ordered(results):
        op = node.op
        inputs = tuple(changed.get(id(i), i) for i in node.inputs)
        if isinstance(op, Read) and isinstance(op.source, DatasetSource):
            if not op.source.reads.are_there:
                changed[id(node)] = replace(
                    node, op=replace(op, source=_again(op.source, opening)), _key=""
                )
        elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            changed[id(node)] = Node(op, inputs, node.spec)
    return [changed.get(id(node), node) for node in results]


def _again(source: DatasetSource, opening: Opening) -> DatasetSource:
    """Describe a dataset anew."""
    whole = source.whole
    decode_cf = whole.unpacks
    address = Address(os.path.join(opening.home, whole.glob or whole.file), whole.path)  # noqa: PTH118
    now = as_asked(open_source(address, opening.allow_external), decode_cf)
    if (now.shape, now.dtype) != (whole.shape, whole.dtype):
        raise InputError(
            f"expected shape {whole.shape} and dtype {whole.dtype} of {now}, as it was when it was "
            f"opened, got {now.shape} and {now.dtype}: open it again"
        )
    return now if source.window is None else windowed(now, source.window)


def names_of(node: Node) -> Names:
    """Return the names of a node's dimensions, as far as they are those of what is read."""
    known: dict[int, Names] = {}
    for found in ordered((node,)):
        known[id(found)] = _names(found, [known[id(i)] for i in found.inputs])
    return known[id(node)]


def _names(node: Node, below: Sequence[Names]) -> Names:  # noqa: PLR0911 - one for each kind
    op, ndim = node.op, len(node.spec.shape)
    if isinstance(op, Read):
        return _names_of_source(op.source)
    if isinstance(op, Elementwise):
        return _broadcast_names(node, below)
    if isinstance(op, Reduce):
        kept = (n for axis, n in enumerate(below[0]) if op.keepdims or axis not in op.axes)
        return tuple(kept)
    if isinstance(op, Select):
        pairs = zip(below[0], op.keys, strict=True)
        return tuple(name for name, key in pairs if isinstance(key, slice))
    if isinstance(op, Permute):
        return tuple(below[0][axis] for axis in op.axes)
    if isinstance(op, Reshape):
        return _reshaped_names(node, below[0])
    same = bool(below) and node.inputs[0].spec.shape == node.spec.shape
    return below[0] if same or isinstance(op, Join) else (None,) * ndim


def _reshaped_names(node: Node, names: Names) -> Names:
    """Return names where only axes of length 1 came and went."""
    shape, before = node.spec.shape, node.inputs[0].spec.shape
    long = [name for name, n in zip(names, before, strict=True) if n != 1]
    if [n for n in shape if n != 1] != [n for n in before if n != 1]:
        return (None,) * len(shape)
    left = iter(long)
    return tuple(None if n == 1 else next(left) for n in shape)


def _broadcast_names(node: Node, below: Sequence[Names]) -> Names:
    ndim = len(node.spec.shape)
    found: list[str | None] = [None] * ndim
    for given, names in zip(node.inputs, below, strict=True):
        ahead = ndim - len(names)
        for axis, (name, n) in enumerate(zip(names, given.spec.shape, strict=True)):
            if n == node.spec.shape[ahead + axis] and found[ahead + axis] is None:
                found[ahead + axis] = name
    return tuple(found)


def _names_of_source(source: Source) -> Names:
    if isinstance(source, Labelled):
        return source.dimensions
    if not isinstance(source, DatasetSource):
        return (None,) * len(source.shape)
    names = description_of(source).dimensions
    return names if source.window is None else tuple(names[a] for a in source.window.kept)


def attributes_of(node: Node, decode_cf: bool) -> dict[str, Any]:
    """Return the attributes of what is read, where a node is just that; none of an expression."""
    source = source_of(node)
    if isinstance(source, Labelled):
        return dict(source.attributes)
    if not isinstance(source, DatasetSource):
        return {}
    applied = {"scale_factor", "add_offset", *MASKS} if decode_cf else set()
    return {name: value for name, value in description_of(source).attributes if name not in applied}
