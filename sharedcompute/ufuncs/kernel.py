"""Kernels: programs that fill strips of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numba import config

from sharedcompute.ufuncs.fusion import Fusion
from sharedcompute.ufuncs.layout import Shape, merge_axes
from sharedcompute.ufuncs.program import Program
from sharedcompute.ufuncs.runner import Runner
from sharedcompute.ufuncs.schedule import make_schedule, value_spans
from sharedcompute.ufuncs.sources import expression
from sharedcompute.ufuncs.typed import Typed, type_program

SHAPES = 64
"""For how many shapes of strips a kernel keeps what it found out about them."""
TO_COMPILE, TO_COMPILE_STEP = 0.1, 0.004
"""Seconds that numba takes for a kernel, and for each step in it."""
SAVED = 5e-10
"""Seconds by which a step of a kernel is faster for an element than a call of NumPy."""


@dataclass(frozen=True)
class Kernel:
    """A program as a kernel, called ``kernel(*strips, out, *residents)``.

    Its bits are those of NumPy for the same expression on whole arrays, wherever rows are cut.

    Attributes
    ----------
    program : Program
        What to compute.
    strips : int
        How many of the program's inputs, the first ones, are strips of rows: they have as many
        axes as `out`, and its rows. The others have the same values for all rows: they have fewer
        axes, or one row.
    fused : bool
        Whether numba compiles what it does to the same bits; otherwise NumPy does all.
    """

    program: Program
    strips: int
    fused: bool = False

    def __call__(self, *arrays: Any) -> None:
        """Fill `out`.

        It is C-contiguous, of the dtype of the program, and shares no memory with an operand: it
        holds what is needed on the way as well.
        """
        try:
            runner = self._runners[tuple([x.shape for x in arrays])]
        except (KeyError, AttributeError):
            arrays = tuple(np.asarray(x) for x in arrays)
            runner = self._find_runner(tuple(x.shape for x in arrays))
        if runner is not None:
            runner(arrays)

    def compile(self, *shapes: Shape) -> None:
        """Compile what strips need, and keep it in numba's cache for other processes.

        Parameters
        ----------
        *shapes : tuple of int
            The shapes of the arrays of a call; of rows there may be as many as one likes.
        """
        self._find_runner(shapes)

    def for_elements(self, elements: int) -> Kernel:
        """Return the kernel that is fastest for so many elements altogether.

        To compile takes a part of a second, unless another process did it; then a step takes less.
        """
        steps = sum(expression(step.function, step.loop) is not None for step in self._typed.steps)
        saved = elements * steps * SAVED if steps > 1 else 0.0
        return replace(self, fused=saved > TO_COMPILE + steps * TO_COMPILE_STEP)

    def __reduce__(self) -> tuple[object, ...]:
        return Kernel, (self.program, self.strips, self.fused)

    @cached_property
    def _runners(self) -> dict[tuple[Shape, ...], Runner | None]:
        return {}

    @cached_property
    def _typed(self) -> Typed:
        return type_program(self.program)

    def _find_runner(self, shapes: tuple[Shape, ...]) -> Runner | None:
        """Return what fills strips of a shape; None where there is nothing to fill."""
        if len(self._runners) >= SHAPES:
            self._runners.clear()
        if shapes not in self._runners:
            empty = 0 in shapes[self.strips]
            self._runners[shapes] = None if empty else self._prepare(shapes)
        return self._runners[shapes]

    def _prepare(self, shapes: tuple[Shape, ...]) -> Runner:
        operands = (*shapes[: self.strips], *shapes[self.strips + 1 :])
        layout = merge_axes(shapes[self.strips], operands, self.strips)
        fuse = None
        if self.fused and not config.DISABLE_JIT:
            fuse = Fusion(self._typed, value_spans(self._typed, layout))
        schedule = make_schedule(self._typed, layout, fuse)
        return Runner(self._typed, layout, schedule, self.strips)
