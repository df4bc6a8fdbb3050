"""Operands: what stands for an array in an expression, and its node."""

from __future__ import annotations

from typing import Any, Self, TypeVar

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph.build import NUMBERS, constant, read
from sharedcompute.graph.node import Node
from sharedcompute.graph.rewrite import called
from sharedcompute.operations.specs import Array
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.validation.arrays import plain_array

One = TypeVar("One", bound="Operand")


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


def named(operand: One, name: str) -> One:
    """Return an operand whose one input has a name, for people."""
    return type(operand)(called(operand._node, name), operand._described)


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
    if type(value) in NUMBERS or isinstance(value, int | float | complex | np.number | np.bool_):
        return constant(value)  # type: ignore[arg-type] # complex, too
    return node_of_array(plain(value))


def node_of_array(array: Array) -> Node:
    """Return the node of a plain array; one of no dimensions is a number."""
    if array.ndim == 0:
        return constant(array.dtype.type(array[()]))
    return read(ArraySource(array))


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
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    # ascontiguousarray copies only what needs it, so shared memory stays shared; it makes numbers
    # arrays of one element.
    return native if native.flags.c_contiguous else np.ascontiguousarray(native)
