"""Python's operators on lazy arrays."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.operands import Operand, node_of
from sharedcompute.graph.build import NUMBERS, constant
from sharedcompute.graph.node import Node


def _operand(other: object) -> Node | None:
    """Return the node of an operand; None for what knows better how to go on."""
    if isinstance(other, Operand):
        return other.node
    if type(other) in NUMBERS:
        return constant(other)  # type: ignore[arg-type]
    if isinstance(other, np.generic | np.ndarray | list | tuple):
        return node_of(other)
    return None


class Operators(Operand):
    """The operators of arrays, each a node of the graph."""

    __slots__ = ()

    def _unary(self, name: str) -> Self:
        return type(self)(elementwise.of_nodes(name, self._node))

    def _binary(self, name: str, other: object) -> Self:
        node = _operand(other)
        if node is None:
            return NotImplemented  # type: ignore[no-any-return]
        return type(self)(elementwise.of_nodes(name, self._node, node))

    def _reflected(self, name: str, other: object) -> Self:
        node = _operand(other)
        if node is None:
            return NotImplemented  # type: ignore[no-any-return]
        return type(self)(elementwise.of_nodes(name, node, self._node))

    def __add__(self, other: Any) -> Self:
        return self._binary("add", other)

    def __radd__(self, other: Any) -> Self:
        return self._reflected("add", other)

    def __sub__(self, other: Any) -> Self:
        return self._binary("subtract", other)

    def __rsub__(self, other: Any) -> Self:
        return self._reflected("subtract", other)

    def __mul__(self, other: Any) -> Self:
        return self._binary("multiply", other)

    def __rmul__(self, other: Any) -> Self:
        return self._reflected("multiply", other)

    def __truediv__(self, other: Any) -> Self:
        return self._binary("divide", other)

    def __rtruediv__(self, other: Any) -> Self:
        return self._reflected("divide", other)

    def __floordiv__(self, other: Any) -> Self:
        return self._binary("floor_divide", other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self._reflected("floor_divide", other)

    def __mod__(self, other: Any) -> Self:
        return self._binary("remainder", other)

    def __rmod__(self, other: Any) -> Self:
        return self._reflected("remainder", other)

    def __lshift__(self, other: Any) -> Self:
        return self._binary("left_shift", other)

    def __rlshift__(self, other: Any) -> Self:
        return self._reflected("left_shift", other)

    def __rshift__(self, other: Any) -> Self:
        return self._binary("right_shift", other)

    def __rrshift__(self, other: Any) -> Self:
        return self._reflected("right_shift", other)

    def __and__(self, other: Any) -> Self:
        return self._binary("bitwise_and", other)

    def __rand__(self, other: Any) -> Self:
        return self._reflected("bitwise_and", other)

    def __or__(self, other: Any) -> Self:
        return self._binary("bitwise_or", other)

    def __ror__(self, other: Any) -> Self:
        return self._reflected("bitwise_or", other)

    def __xor__(self, other: Any) -> Self:
        return self._binary("bitwise_xor", other)

    def __rxor__(self, other: Any) -> Self:
        return self._reflected("bitwise_xor", other)

    def __lt__(self, other: Any) -> Self:
        return self._binary("less", other)

    def __le__(self, other: Any) -> Self:
        return self._binary("less_equal", other)

    def __gt__(self, other: Any) -> Self:
        return self._binary("greater", other)

    def __ge__(self, other: Any) -> Self:
        return self._binary("greater_equal", other)

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._binary("equal", other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._binary("not_equal", other)

    __hash__ = None  # type: ignore[assignment] # as an ndarray: it is not what it equals

    def __neg__(self) -> Self:
        return self._unary("negative")

    def __pos__(self) -> Self:
        return self._unary("positive")

    def __abs__(self) -> Self:
        return self._unary("absolute")

    def __invert__(self) -> Self:
        return self._unary("invert")

    def __pow__(self, other: Any) -> Self:
        node = _operand(other)
        if node is None:
            return NotImplemented
        return type(self)(elementwise.power(self._node, node))

    def __rpow__(self, other: Any) -> Self:
        return self._reflected("power", other)

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    def __matmul__(self, other: Any) -> Self:
        made: Self = np.matmul(self, other)  # type: ignore[call-overload]
        return made

    def __rmatmul__(self, other: Any) -> Self:
        made: Self = np.matmul(other, self)  # type: ignore[call-overload]
        return made
