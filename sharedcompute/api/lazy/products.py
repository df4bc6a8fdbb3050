"""Products of matrices."""

from __future__ import annotations

import numpy as np

from sharedcompute.api.lazy import elementwise
from sharedcompute.api.lazy.reductions import reduce
from sharedcompute.errors import InputError
from sharedcompute.graph.node import Node, Rowwise
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.operations.stages import Argument, Stage


def multiply(x: Array, out: Array, matrix: Array) -> None:
    """Multiply each row, or the matrix that it is, by a matrix."""
    np.matmul(x, matrix, out=out)


def matmul(left: Node, right: Node) -> Node | None:
    """Return the node of a product whose rows are products of rows; None where they are not.

    Raises
    ------
    InputError
        The shapes do not fit.
    """
    a, b = left.spec.shape, right.spec.shape
    shape = _shape(a, b)
    if len(a) < 2 or len(b) > 2:
        return None
    dtype = np.matmul(np.empty((1, 1), left.spec.dtype), np.empty((1, 1), right.spec.dtype)).dtype
    stage = Stage("matmul", multiply, (Argument(0),), dtype, row_shape=shape[1:], new_axes=True)
    return Node(Rowwise(stage), (left, right), ArraySpec(shape, dtype))


def vecdot(left: Node, right: Node) -> Node:
    """Return the node of the products of vectors, which lie along the last axis."""
    first = elementwise.call("conjugate", left) if left.spec.dtype.kind == "c" else left
    return reduce("sum", elementwise.call("multiply", first, right), -1)


def _shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    if not a or not b or a[-1] != b[-2 if len(b) > 1 else 0]:
        raise InputError(
            f"expected shapes that can be multiplied, got {a} and {b}: the last axis of the first "
            "must be as long as the last but one of the second"
        )
    try:
        outer = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise InputError(
            f"expected shapes that can be multiplied, got {a} and {b}: the axes before the last "
            "two must be equal or 1"
        ) from None
    return (*outer, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))
