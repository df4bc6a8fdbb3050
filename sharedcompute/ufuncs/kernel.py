"""Kernels: programs that fill strips of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sharedcompute.ufuncs.layout import Shape, merge_axes
from sharedcompute.ufuncs.program import Program
from sharedcompute.ufuncs.runner import Runner
from sharedcompute.ufuncs.schedule import make_schedule
from sharedcompute.ufuncs.typed import Typed, type_program

SHAPES = 64
"""For how many shapes of strips a kernel keeps what it found out about them."""


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
    """

    program: Program
    strips: int
    _runners: dict[tuple[Shape, ...], Runner] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __call__(self, *arrays: Any) -> None:
        """Fill `out`, which is C-contiguous and of the dtype of the program."""
        given = [x if type(x) is np.ndarray else np.asarray(x) for x in arrays]
        out = given.pop(self.strips)
        if not out.size:
            return
        key = (out.shape, *[x.shape for x in given])
        runner = self._runners.get(key)
        if runner is None:
            runner = self._prepare(out.shape, [x.shape for x in given])
            if len(self._runners) >= SHAPES:
                self._runners.clear()
            self._runners[key] = runner
        runner(given, out)

    def __reduce__(self) -> tuple[object, ...]:
        return Kernel, (self.program, self.strips)

    @cached_property
    def _typed(self) -> Typed:
        return type_program(self.program)

    def _prepare(self, out: Shape, shapes: list[Shape]) -> Runner:
        layout = merge_axes(out, shapes, self.strips)
        return Runner(self._typed, layout, make_schedule(self._typed, layout))
