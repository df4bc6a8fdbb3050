"""Runs a schedule on strips of one shape, a piece that stays in a core's cache at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sharedcompute.ufuncs.functions import Array
from sharedcompute.ufuncs.layout import Layout, Shape, Spans
from sharedcompute.ufuncs.promotion import DType
from sharedcompute.ufuncs.schedule import Schedule
from sharedcompute.ufuncs.typed import Typed

PIECE = 2**18
"""Bytes of operands, buffers and results that a piece has: they stay in a core's own cache."""

Index = tuple[slice, ...]
EVERYTHING = slice(None)


class Runner:
    """Computes a program on strips of one shape.

    Parameters
    ----------
    typed : Typed
        The program.
    layout : Layout
        The merged axes of strip and operands.
    schedule : Schedule
        What to do.
    out : int
        At which place among the arrays the strip is that is filled.
    """

    def __init__(self, typed: Typed, layout: Layout, schedule: Schedule, out: int) -> None:
        self._out = out
        self._schedule = schedule
        self._constants = typed.constants
        self._dtypes = [*typed.dtypes, typed.dtypes[typed.result]]
        self._shape = layout.shape
        self._shapes = [layout.shape_of(spans) for spans in layout.spans]
        self._once = [
            (operation, layout.shape_of(schedule.spans[operation.results[0]]))
            for operation in schedule.once
        ]
        self._operations = [
            (operation.call, operation.operands, operation.results, operation.is_kernel)
            for operation in schedule.operations
        ]
        self._has_kernels = any(operation.is_kernel for operation in schedule.operations)
        called = (*schedule.once, *schedule.operations)
        self._quiet = any(not operation.is_kernel for operation in called)
        self._kernel, self._arguments = self._only_kernel(typed)
        self._pieces = _pieces(layout.shape, self._piece_size(layout))
        # Which operands differ from piece to piece: constants and the like do not.
        first = self._pieces[0]
        cut = [any(p[axis] != first[axis] for p in self._pieces) for axis in range(len(first))]
        known = [*range(len(layout.spans)), *(o.results[0] for o in schedule.once)]
        self._cut = [
            (value, tuple(_cut(piece, schedule.spans[value]) for piece in self._pieces))
            for value in known
            if any(a and b for a, b in zip(cut, schedule.spans[value], strict=True))
        ]

    def __call__(self, arrays: Sequence[Array]) -> None:
        """Fill a strip; it stands among the arrays."""
        if self._kernel is not None:
            arguments = [arrays[place].reshape(shape) for place, shape in self._arguments]
            try:
                self._kernel(*arguments, *self._constants, arrays[self._out].reshape(self._shape))
            except TypeError:  # an operand whose elements stand apart, or at odd addresses
                self._in_pieces(arrays)
        else:
            self._in_pieces(arrays)

    def _in_pieces(self, arrays: Sequence[Array]) -> None:
        operands = [*arrays[: self._out], *arrays[self._out + 1 :]]
        values: list[Any] = [
            np.asarray(x).reshape(shape) for x, shape in zip(operands, self._shapes, strict=True)
        ]
        if self._has_kernels:
            values = [x if _is_plain(x) else x.copy() for x in values]
        values += self._constants
        values += [None] * (len(self._dtypes) - len(values))
        out = arrays[self._out].reshape(self._shape)
        if self._quiet:
            with np.errstate(all="ignore"):
                self._run(values, out)
        else:
            self._run(values, out)

    def _run(self, values: list[Any], out: Array) -> None:
        for operation, shape in self._once:
            (result,) = operation.results
            values[result] = np.empty(shape, self._dtypes[result])
            arguments = [values[operand] for operand in operation.operands]
            operation.call(*arguments, out=values[result])
        whole = list(values)
        lengths: Shape = ()
        for number, piece in enumerate(self._pieces):
            for value, indices in self._cut:
                values[value] = whole[value][indices[number]]
            target = out[piece]
            if target.shape != lengths:
                if not lengths:
                    registers = self._make_registers(target.shape)
                lengths = target.shape
                self._place(values, registers, lengths)
            for value, place in self._schedule.places.items():
                if place < 0:
                    values[value] = target
            self._compute(values)

    def _compute(self, values: list[Any]) -> None:
        for call, operands, results, is_kernel in self._operations:
            arguments = [values[operand] for operand in operands]
            if is_kernel:
                call(*arguments, *[values[result] for result in results])
            else:
                call(*arguments, out=values[results[0]])

    def _make_registers(self, shape: Shape) -> list[Array]:
        return [
            np.empty([n if s else 1 for n, s in zip(shape, r.spans, strict=True)], r.dtype)
            for r in self._schedule.registers
        ]

    def _place(self, values: list[Any], registers: list[Array], lengths: Shape) -> None:
        """Let values stand in registers; a last piece that is shorter needs only a part of one."""
        for value, place in self._schedule.places.items():
            if place >= 0:
                index = tuple(slice(n) for n in lengths)
                values[value] = registers[place][index]

    def _only_kernel(
        self, typed: Typed
    ) -> tuple[Callable[..., Any] | None, list[tuple[int, Shape]]]:
        """Return the one kernel that does all, if it is so, and which arrays it takes."""
        if len(self._operations) != 1 or self._once or not self._has_kernels:
            return None, []
        (call, operands, _, _) = self._operations[0]
        inputs = [value for value in operands if value < len(typed.inputs)]
        if len(operands) - len(inputs) != len(self._constants):
            return None, []
        places = [value + (value >= self._out) for value in inputs]
        return call, list(zip(places, [self._shapes[value] for value in inputs], strict=True))

    def _piece_size(self, layout: Layout) -> int:
        """Return how many elements a piece has."""
        registers = [r for r in self._schedule.registers if all(r.spans)]
        if not registers:
            return math.prod(layout.shape)
        operands = [d for d, s in zip(self._dtypes, layout.spans, strict=False) if all(s)]
        dtypes: list[DType] = [*operands, *(r.dtype for r in registers), self._dtypes[-1]]
        return max(PIECE // sum(dtype.itemsize for dtype in dtypes) // 64 * 64, 64)


def _pieces(shape: Shape, size: int) -> list[Index]:
    """Return the pieces of a strip, of about as many elements.

    They are cut along rows; where one row is more than that, and there are but two axes, along
    the other one too.
    """
    inner = math.prod(shape[1:])
    rows = min(max(size // max(inner, 1), 1), shape[0])
    along = [slice(k, min(k + rows, shape[0])) for k in range(0, shape[0], rows)]
    rest = [EVERYTHING] * (len(shape) - 1)
    if len(shape) != 2 or inner <= size:
        return [(part, *rest) for part in along]
    across = [slice(k, min(k + size, inner)) for k in range(0, inner, size)]
    return [(part, other) for part in along for other in across]


def _is_plain(x: Array) -> bool:
    """Return whether a kernel takes an array as it is."""
    return x.flags.c_contiguous and x.flags.aligned


def _cut(piece: Index, spans: Spans) -> Index:
    """Return what a piece has of a value with these axes."""
    return tuple(part if whole else EVERYTHING for part, whole in zip(piece, spans, strict=True))
