"""Calls of the kernel of a step, which fills its outputs or returns its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sharedcompute.operations.specs import Array
from sharedcompute.operations.stages import Stage, is_ours
from sharedcompute.planning.passes import Step
from sharedcompute.validation.kernels import check_returned, check_written
from sharedcompute.validation.returned import check_nothing_returned, store_returned


class Call:
    """The kernel of a step, with all that it gets beside rows.

    Parameters
    ----------
    step : Step
    row_sizes : tuple of int
        Elements of a row of each input.

    Attributes
    ----------
    args : list
        A scan updates its carry in there.
    """

    def __init__(self, step: Step, row_sizes: tuple[int, ...]) -> None:
        self.args = [operand.value for operand in step.operands]
        self._step = step
        self._stage = step.stage
        self._row_sizes = row_sizes
        self._ours = is_ours(step.stage.kernel)
        self._seen = self._ours or step.stage.returns

    def __call__(
        self, given: list[Array], outs: list[Array], start: int, *, checked: bool = True
    ) -> None:
        """Compute rows from row `start` on."""
        out_rows, in_rows = self._stage.ratio
        if out_rows > 1:
            outs = [out.reshape(-1, *out.shape[2:]) for out in outs]
        if self._stage.matrix:
            given = _as_matrices(given, [size // in_rows for size in self._row_sizes])
            outs = _as_matrices(outs, [s.row_size // out_rows for s in self._step.specs])
        if not self._ours:
            for out in outs:
                # As a kernel may add up there; and never what stood in this memory before.
                out[...] = 0
        self.run(self._stage.kernel, given, outs, start * in_rows, self.args)
        # The first rows of all: whichever runner has these, on any engine, judges the same.
        if checked and start == 0 and not self._seen:
            self._seen = True
            self._check(given, outs)

    def returned(self, given: list[Array], start: int) -> object:
        """Return what the kernel gives for rows from row `start` on, of whatever number."""
        if self._stage.matrix:
            given = _as_matrices(given, self._row_sizes)
        args = (*self.args, start) if self._stage.rows else self.args
        kernel: Any = self._stage.kernel
        made: object = kernel(*given, *args)
        return made

    def run(
        self,
        kernel: Callable[..., Any],
        given: list[Array],
        outs: list[Array],
        start: int,
        args: Sequence[Any],
    ) -> None:
        """Call a kernel once."""
        stage = self._stage
        args = (*args, start) if stage.rows else args
        if stage.returns:
            store_returned(kernel(*given, *args), outs, start, stage.label)
            return
        returned = kernel(*given, *outs, *args)
        if returned is None:
            return
        if len(outs) == 1:
            check_returned(returned, outs[0], stage.label)
        else:
            check_nothing_returned(returned, outs, stage.label)

    def _check(self, given: list[Array], outs: list[Array]) -> None:
        """Refuse a kernel that has not written all of its outputs, which hold the first rows."""
        stage, args = self._stage, tuple(self.args)
        if len(given) == len(outs) == 1 and not stage.rows and stage.ratio == (1, 1):
            check_written(stage.kernel, given[0], outs[0], args, stage.halo, stage.label)
            return
        size = stage.ratio[0]
        for which, out in enumerate(outs):
            name = stage.label if len(outs) == 1 else f"{stage.label}: output {which + 1}:"
            kernel = _InGroups(self, stage, given, outs, which)
            groups = out if size == 1 else out.reshape(-1, size, *out.shape[1:])
            numbers = np.arange(len(groups))
            check_written(kernel, numbers, groups, args, 0, name, "each output")


@dataclass(frozen=True)
class _InGroups:
    """A kernel as one of a single input, the numbers of groups of rows, and a single output."""

    call: Call
    stage: Stage
    given: list[Array]
    outs: list[Array]
    which: int

    def __call__(self, numbers: Array, out: Array, *args: Any) -> None:
        out_rows, in_rows = self.stage.ratio
        first, count = int(numbers[0]), len(numbers)
        end = (first + count) * in_rows + 2 * self.stage.halo
        given = [x[first * in_rows : end] for x in self.given]
        outs = [np.zeros((count * out_rows, *o.shape[1:]), o.dtype) for o in self.outs]
        outs[self.which] = out.reshape(outs[self.which].shape)
        self.call.run(self.stage.kernel, given, outs, first * in_rows, args)

    @property
    def _can_compile(self) -> bool:
        return bool(getattr(self.stage.kernel, "_can_compile", True))

    @property
    def py_func(self) -> _InGroups:
        """The same in plain Python."""
        plain = getattr(self.stage.kernel, "py_func", self.stage.kernel)
        return replace(self, stage=replace(self.stage, kernel=plain))


def _as_matrices(arrays: list[Array], sizes: Sequence[int]) -> list[Array]:
    return [x.reshape(len(x), size) for x, size in zip(arrays, sizes, strict=True)]
