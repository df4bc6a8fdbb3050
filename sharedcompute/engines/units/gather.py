"""Any number of rows that a kernel returns or yields, as a block leaves them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sharedcompute.engines.units.call import Call
from sharedcompute.errors import InputError
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.planning.passes import GatherOutput
from sharedcompute.validation.arrays import plain_array
from sharedcompute.validation.returned import as_results

Gathered = tuple[Array, ...]
"""The rows of a block, for each result of a kernel."""


class Gatherer:
    """Collects what a kernel gives for the strips of a block.

    Parameters
    ----------
    gather : GatherOutput
    row_sizes : tuple of int
        Elements of a row of each input.
    """

    def __init__(self, gather: GatherOutput, row_sizes: tuple[int, ...]) -> None:
        self.step = gather.step
        self._call = Call(gather.step, row_sizes)
        self._parts: list[list[Array]] = []
        self.begin()

    def begin(self) -> None:
        """Begin a block."""
        self._parts = [[] for _ in self.step.specs]

    def add(self, given: list[Array], start: int) -> None:
        """Call the kernel for rows from row `start` on."""
        returned = self._call.returned(given, start)
        for piece in pieces(returned, len(self._parts), self.step.stage.label):
            for part, rows, spec in zip(self._parts, piece, self.step.specs, strict=True):
                if rows.size:
                    part.append(_fitting(rows, spec, self.step.stage.label))

    def left(self) -> Gathered:
        """Return the rows of the block."""
        return tuple(
            np.concatenate(part) if part else np.empty((0, *spec.shape[1:]), spec.dtype)
            for part, spec in zip(self._parts, self.step.specs, strict=True)
        )


def pieces(returned: object, count: int, name: str) -> Iterator[list[Array]]:
    """Yield what a kernel gives at a time: for each of its results an array of rows.

    Raises
    ------
    InputError
        It gives another number of results, or no rows.
    """
    for value in returned if isinstance(returned, Iterator) else (returned,):
        if value is None:
            continue
        results = as_results(value)
        if len(results) != count:
            raise InputError(f"{name} gave {len(results)} results: expected {count}")
        found = [plain_array(result) for result in results]
        for rows in found:
            if rows.ndim == 0:
                raise InputError(
                    f"{name} gave the single value {rows[()]!r}: expected an array of rows"
                )
        yield found


def _fitting(rows: Array, spec: ArraySpec, name: str) -> Array:
    """Return a copy of rows in the dtype of the result: they may lie in what is read next."""
    fits: Any = np.can_cast(rows.dtype, spec.dtype, "same_kind")
    if rows.shape[1:] != spec.shape[1:] or not fits:
        raise InputError(
            f"{name} gave rows of shape {rows.shape[1:]} and dtype {rows.dtype}: expected "
            f"{spec.shape[1:]} and {spec.dtype}, as its first ones; convert them, or declare dtype "
            "and row_shape"
        )
    return np.array(rows, spec.dtype)


def together(blocks: Sequence[Array], spec: ArraySpec) -> Array:
    """Return the rows of all blocks, in their order."""
    return np.concatenate([np.empty((0, *spec.shape[1:]), spec.dtype), *blocks])
