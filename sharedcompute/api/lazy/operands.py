"""Operands: what stands for an array in an expression, and its node."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph.node import Constant, Node, Read
from sharedcompute.graph.ports import Source
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.validation.arrays import plain_array

NUMBERS: dict[type, ArraySpec] = {
    kind: ArraySpec((), np.dtype(kind)) for kind in (bool, int, float, complex)
}
"""What Python's numbers are where no array beside them decides."""


class Operand:
    """An array that is a node of a graph.

    Parameters
    ----------
    node : Node
    described : object, optional
        What says more of it than its node: its dimensions, its attributes.
    """

    __slots__ = ("_described", "_node")

    def __init__(self, node: Node, described: Any = None) -> None:
        self._node = node
        self._described = described

    @property
    def node(self) -> Node:
        """The node of the graph that it stands for."""
        return self._node

    def _of(self, node: Node) -> Self:
        """Return the lazy array of another node."""
        return type(self)(node)


def number(value: bool | int | float | complex | np.generic) -> Node:
    """Return the node of a number."""
    spec = NUMBERS.get(type(value))
    if spec is None:
        spec = ArraySpec((), np.asarray(value).dtype)
    return Node(Constant(value), (), spec)  # type: ignore[arg-type]


def node_of(value: object) -> Node:
    """Return the node of an operand: a lazy array, an array, a number.

    Raises
    ------
    InputError
        It is no array of numbers.
    """
    if isinstance(value, Node):
        return value
    if isinstance(value, Operand):
        return value.node
    if isinstance(value, bool | int | float | complex | np.number | np.bool_):
        return number(value)
    return node_of_array(plain(value))


def node_of_array(array: Array) -> Node:
    """Return the node of a plain array; one of no dimensions is a number."""
    if array.ndim == 0:
        return number(array.dtype.type(array[()]))
    return node_of_source(ArraySource(array))


def node_of_source(source: Source) -> Node:
    """Return the node of all that a source has."""
    return Node(Read(source), (), ArraySpec(source.shape, source.dtype))


def plain(given: object) -> Array:
    """Return an array that can be worked on: of numbers, contiguous, in native byte order.

    Raises
    ------
    InputError
        It is no array of numbers.
    """
    array = plain_array(given)
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16 or array.dtype == np.longdouble:
        raise InputError(f"expected an array of numbers, got dtype {array.dtype}: cast it first")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    # ascontiguousarray copies only what needs it, so shared memory stays shared; it makes numbers
    # arrays of one element.
    return native if native.flags.c_contiguous else np.ascontiguousarray(native)
