"""How the axes of some rows are grouped for a reduction: neighbours that are treated alike are one.

Axes of length 1 are no matter. So the rows of (time, lat, lon) over time and longitude are seen as
(time, lat, lon), and over time and latitude as (time * lat, lon).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sharedcompute.operations.specs import Array


@dataclass(frozen=True)
class Layout:
    """The axes of one row in groups, in turn reduced and kept.

    Parameters
    ----------
    leading : int
        Elements along the axes that come first and are reduced: rows of their own.
    kept, gone : tuple of int
        The lengths of the groups after those: the first is kept, the next reduced, and so on.
        There are as many of both, or one more that is kept.
    """

    leading: int
    kept: tuple[int, ...]
    gone: tuple[int, ...]

    @classmethod
    def of(cls, row: tuple[int, ...], axes: tuple[int, ...], across_rows: bool = True) -> Layout:
        """Group the axes of a row, of which `axes` are reduced; `across_rows`, as the rows are."""
        groups: list[tuple[bool, int]] = [(across_rows, 1)]
        for axis, n in enumerate(row):
            reduced = axis in axes
            if reduced == groups[-1][0]:
                groups[-1] = reduced, groups[-1][1] * n
            elif n != 1:
                groups.append((reduced, n))
        lengths = [1] * (not across_rows) + [n for _, n in groups]
        return cls(lengths[0], tuple(lengths[1::2]), tuple(lengths[2::2]))

    @cached_property
    def width(self) -> int:
        """Elements of a row for each of the leading ones."""
        return self.columns * self.reduced

    @cached_property
    def columns(self) -> int:
        """Elements that stay of a row."""
        return math.prod(self.kept)

    @cached_property
    def reduced(self) -> int:
        """Elements of `width` that make one of `columns`."""
        return math.prod(self.gone)

    @property
    def is_last(self) -> bool:
        """Whether what is reduced, but for the leading part, lies together at the end."""
        return len(self.kept) == len(self.gone) == 1

    @property
    def is_middle(self) -> bool:
        """Whether it lies together, and something that is kept comes after it."""
        return len(self.gone) == 1 and len(self.kept) == 2

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the groups after the leading one, in order."""
        pairs = [n for pair in zip(self.kept, (*self.gone, 1), strict=False) for n in pair]
        return tuple(pairs[: len(self.kept) + len(self.gone)])

    def first(self, values: Array) -> Array:
        """Return `values`, shape (n, width) or (width,), with what is reduced in front of the rest.

        The result is contiguous, and flat: the reduced groups, then `n`, then the kept groups.
        """
        ahead = values.ndim - 1
        shaped = values.reshape(*values.shape[:ahead], *self.lengths)
        gone = [ahead + 2 * i + 1 for i in range(len(self.gone))]
        kept = [ahead + 2 * i for i in range(len(self.kept))]
        order = [*gone, *range(ahead), *kept]
        return np.ascontiguousarray(shaped.transpose(order)).reshape(-1)
