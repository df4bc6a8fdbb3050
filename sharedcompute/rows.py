"""Row ranges: the partition of rows into shares and blocks, as plain integers.

A row is one index of axis 0. Ranges are half-open. Nothing here knows arrays, files or processes,
so that a serial run, a team and a cluster partition the same work in the same way.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Schedule = Literal["static", "dynamic", "guided", "stealing"]
SCHEDULES: tuple[str, ...] = get_args(Schedule)

Mode = Literal["reflect", "constant", "nearest", "mirror", "wrap"]
MODES: tuple[str, ...] = get_args(Mode)

CONSTANT = -1
"""In `extension`: a row outside of the array, which has the constant value."""


class Rows(NamedTuple):
    """The half-open row range ``[start, stop)``."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.stop - self.start


def share(n: int, parts: int, rank: int) -> Rows:
    """Return range number `rank` of `n` rows in `parts` balanced ranges.

    Sizes differ by at most one, larger ranges first, as in OpenMP's static schedule and in
    `numpy.array_split`.
    """
    size, larger = divmod(n, parts)
    start = rank * size + min(rank, larger)
    return Rows(start, start + size + (rank < larger))


def split(n: int, parts: int) -> list[Rows]:
    """Split `n` rows into `parts` balanced ranges; the last ones are empty if rows are few."""
    return [share(n, parts, rank) for rank in range(parts)]


def split_weighted(weights: Sequence[float] | NDArray[np.generic], parts: int) -> list[Rows]:
    """Split rows of uneven cost into `parts` ranges of about equal cost.

    Cut ``k`` is at the row where the cumulative cost is nearest to ``k / parts`` of the total.

    Parameters
    ----------
    weights : array_like, shape (n,)
        The cost of each row, not negative. All zero means equal costs.
    """
    cost: NDArray[np.float64] = np.concatenate(
        [[0.0], np.cumsum(np.asarray(weights, dtype=np.float64))]
    )
    n = len(cost) - 1
    if cost[-1] <= 0:
        return split(n, parts)
    targets: NDArray[np.float64] = cost[-1] * np.arange(1, parts) / parts
    after = np.clip(np.searchsorted(cost, targets), 1, n)
    nearer_before = targets - cost[after - 1] < cost[after] - targets
    cuts: list[int] = [0, *(after - nearer_before).tolist(), n]
    return [Rows(a, b) for a, b in itertools.pairwise(cuts)]


@dataclass(frozen=True)
class Blocks:
    """`n` rows in consecutive blocks of `rows` rows; the last one may be shorter.

    A sequence of `Rows`. Blocks depend on the data alone, never on the number of workers:
    reductions combine over block numbers, so results have the same bits for any number.
    """

    n: int
    rows: int

    def __len__(self) -> int:
        return (self.n + self.rows - 1) // self.rows

    def __getitem__(self, number: int) -> Rows:
        start = number * self.rows
        if not 0 <= start < self.n:
            raise IndexError(number)
        return Rows(start, min(start + self.rows, self.n))

    def __iter__(self) -> Iterator[Rows]:
        return (self[number] for number in range(len(self)))


def align(rows: int, chunk: int) -> int:
    """Round `rows` up to whole chunks, at least one."""
    return max(1, math.ceil(rows / chunk)) * chunk


def extension(start: int, stop: int, n: int, mode: Mode) -> NDArray[np.int64]:
    """Return the rows of an array of `n` at the positions `start` to `stop`, with extended edges.

    Positions below 0 and from `n` on are extended as `scipy.ndimage` does, with the same names:
    ``reflect`` (d c b a | a b c d | d c b a), ``mirror`` (d c b | a b c d | c b a), ``nearest``,
    ``wrap``, and ``constant``, which gives `CONSTANT`.
    """
    at = np.arange(start, stop, dtype=np.int64)
    if mode == "nearest":
        return np.clip(at, 0, n - 1)
    if mode == "wrap":
        return at % n
    if mode == "constant":
        return np.where((at < 0) | (at >= n), CONSTANT, at)
    if mode == "mirror":
        period = max(1, 2 * n - 2)
        at = at % period
        return np.where(at < n, at, period - at)
    at = at % (2 * n)
    return np.where(at < n, at, 2 * n - 1 - at)


def row_runs(at: NDArray[np.int64]) -> Iterator[tuple[slice, Rows]]:
    """Iterate over the runs of neighbouring rows in positions of `extension`.

    Yields the slice of each run and the row range that covers it, so that an edge block reads the
    few ranges that it needs and not all rows between them. Constant rows are in no run.
    """
    if not len(at):
        return
    constant: NDArray[np.bool_] = at == CONSTANT
    broken = (np.abs(np.diff(at)) > 1) | (constant[1:] != constant[:-1])
    cuts: list[int] = [0, *(np.flatnonzero(broken) + 1).tolist(), len(at)]
    for a, b in itertools.pairwise(cuts):
        if not constant[a]:
            yield slice(a, b), Rows(int(at[a:b].min()), int(at[a:b].max()) + 1)


def hull(several: Iterable[tuple[int, int]]) -> Rows:
    """Return the range from the first of several ranges to the last."""
    starts, stops = zip(*several, strict=True)
    return Rows(min(starts), max(stops))
