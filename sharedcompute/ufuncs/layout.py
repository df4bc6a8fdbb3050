"""Shapes of a strip and its operands with as few axes as they need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]
Spans = tuple[bool, ...]
"""For each axis whether an operand has it at its full length; otherwise it is repeated along it."""


@dataclass(frozen=True)
class Layout:
    """The axes of a strip, those together along which every operand is alike.

    Attributes
    ----------
    shape : tuple of int
        The lengths of the merged axes; the first are rows, times what is merged with them.
    unit : int
        How many elements along the first axis are one row.
    spans : tuple of tuple of bool
        Which merged axes each operand has.
    """

    shape: Shape
    unit: int
    spans: tuple[Spans, ...]

    def shape_of(self, spans: Spans) -> Shape:
        """Return the shape of a value; one that is the same everywhere has no axes."""
        if not any(spans):
            return ()
        return tuple(n if whole else 1 for n, whole in zip(self.shape, spans, strict=True))


def merge_axes(out: Shape, shapes: Sequence[Shape], strips: int) -> Layout:
    """Return the layout of operands that are broadcast to a strip.

    Parameters
    ----------
    out : tuple of int
        The shape of the strip, rows first.
    shapes : sequence of tuple of int
        Those of the operands.
    strips : int
        How many of the operands, the first ones, have rows as the strip has; the others have the
        same values in all rows. So the layout is the same for a strip of one row.
    """
    spans = [_spans(out, shape, k < strips) for k, shape in enumerate(shapes)]
    groups: list[list[int]] = [[0]]
    for axis in range(1, len(out)):
        last = groups[-1][-1]
        if out[axis] == 1 or all(s[axis] == s[last] for s in spans):
            # An axis of length 1 is whatever its neighbours are.
            groups[-1].append(axis) if out[axis] != 1 else groups[-1].insert(0, axis)
        else:
            groups.append([axis])
    return Layout(
        shape=tuple(math.prod(out[axis] for axis in group) for group in groups),
        unit=math.prod(out[axis] for axis in groups[0] if axis),
        spans=tuple(tuple(s[group[-1]] for group in groups) for s in spans),
    )


def _spans(out: Shape, shape: Shape, is_strip: bool) -> Spans:
    """Return which axes an operand has at full length."""
    if len(shape) > len(out) or (is_strip and len(shape) != len(out)):
        raise ValueError(f"an operand of shape {shape} does not broadcast to a strip {out}")
    missing = len(out) - len(shape)
    full = (1,) * missing + shape
    if any(n not in (1, most) for n, most in zip(full[1:], out[1:], strict=True)):
        raise ValueError(f"an operand of shape {shape} does not broadcast to a strip {out}")
    if full[0] != (out[0] if is_strip else 1):
        raise ValueError(f"an operand of shape {shape} has other rows than a strip {out}")
    return (is_strip, *(n == most for n, most in zip(full[1:], out[1:], strict=True)))
