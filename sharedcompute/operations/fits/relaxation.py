"""Sweeps over grids in shared memory, all ranks in step.

Two grids take turns as what a sweep reads and what it writes, and rows of a neighbour are read
straight from the shared array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sharedcompute.kernels.sweeps import SEGMENT
from sharedcompute.operations.fits.declaration import RowsAt, Step
from sharedcompute.operations.specs import Array, ArraySpec, DType, State
from sharedcompute.rows import share

if TYPE_CHECKING:
    from sharedcompute.sync import ControlBlock

WINDOW = 2**22
"""Bytes of the rows that a wavefront has in hand: what a core has of L2 and L3 together.

4096 x 4096 f8, one core, 10^9 cells a second: 1.4 without a wavefront, 2.7 with 4 sweeps at once,
3.3 with 8 and more. Rows of 128 kB: 1.5 and, with 12, 2.7.
"""

DEEPEST = 16
"""Sweeps at once: what a core can do, and few enough that the borders between ranks are thin."""

BORDER = 8
"""A rank has at least as many rows for each sweep that is done at once."""

STRIP = 2**26
"""Bytes of the input that are read at once."""

Cut = tuple[int, int, int, int]


@dataclass(frozen=True)
class Relaxation:
    """Sweeps that move each cell towards the mean of its neighbours; see `kernels.sweeps`.

    Parameters
    ----------
    shape, dtype
        Of a grid.
    weight : float
    most : int
        Sweeps at most.
    every : int
        Sweeps in a round.
    tol : float, optional
        Converged when no cell changes more in the last sweep of a round. Without it when `most`
        sweeps are done.
    insulated : bool
        As in `kernels.sweeps.relax`.
    forced : bool
        Whether something is added in each sweep.
    force : ndarray, optional
        What is added, in any shape that broadcasts. Only `begin` needs it: it is not pickled.
    """

    shape: tuple[int, ...]
    dtype: DType
    weight: float
    most: int
    every: int
    tol: float | None = None
    insulated: bool = False
    forced: bool = False
    force: Array | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"force": None}

    @property
    def model(self) -> Mapping[str, ArraySpec]:
        """The two grids, the force, what each row changed by, and how many sweeps are done."""
        force = self.shape if self.forced else (0,) * len(self.shape)
        return {
            "grids": ArraySpec((2, *self.shape), self.dtype),
            "force": ArraySpec(force, self.dtype),
            "changes": ArraySpec((self._rows,), np.dtype(np.float64)),
            "done": ArraySpec((1,), np.dtype(np.int64)),
        }

    def begin(self, model: State, rows: RowsAt) -> None:
        """Fill both grids with the input: cells on the edge may stay as they are in both."""
        grids, n = model["grids"], self.shape[0]
        strip = max(1, STRIP // (self.dtype.itemsize * math.prod(self.shape[1:])))
        for start in range(0, n, strip):
            stop = min(start + strip, n)
            grids[0, start:stop] = rows(start, stop)
            grids[1, start:stop] = grids[0, start:stop]
        if self.forced:
            force, inner = model["force"], (slice(1, -1),) * len(self.shape)
            force[...] = -0.0
            force[inner] = np.broadcast_to(np.asarray(self.force), self.shape)[inner]

    def sweep(self, control: ControlBlock, model: State) -> None:
        """Do the sweeps of one round, with all other ranks."""
        # With what synchronises it takes 20 ms to import, and every command reads the catalogue.
        from sharedcompute.operations.fits.in_step import sweep_in_step  # noqa: PLC0415

        done = int(model["done"][0])
        cut, depth = self._cut(control.size, control.rank)
        sweep_in_step(
            control,
            (model["grids"], model["force"], model["changes"]),
            (self.dtype.type(self.weight), self.insulated),
            cut,
            (done, min(done + self.every, self.most)),
            depth,
        )

    def update(self, model: State) -> Step:
        """Count the sweeps, and see what the last one changed."""
        done = min(int(model["done"][0]) + self.every, self.most)
        model["done"][0] = done
        change = float(model["changes"].max())  # NaN if there is one
        finished = done == self.most
        # Steps in time reach their end; only an iteration may fall short of it.
        converged = finished if self.tol is None else change <= self.tol
        stuck = not math.isfinite(change)
        return Step({"sweeps": done, "change": change}, finished or converged or stuck, converged)

    def results(self, model: State) -> dict[str, Array]:
        """Return the last grid, the number of sweeps, and the largest change by the last one."""
        done = int(model["done"][0])
        return {
            "grid": model["grids"][done % 2],
            "n_iter": np.asarray(done),
            "change": np.asarray(model["changes"].max()),
        }

    @property
    def _row_bytes(self) -> int:
        cells = SEGMENT if len(self.shape) == 1 else math.prod(self.shape[1:])
        return cells * self.dtype.itemsize

    @property
    def _rows(self) -> int:
        """Rows as the kernel counts them."""
        return -(-self.shape[0] // SEGMENT) if len(self.shape) == 1 else self.shape[0]

    def _cut(self, size: int, rank: int) -> tuple[Cut, int]:
        """Cut out this rank's region, as `relax` takes it, and how many sweeps are done at once.

        The latter is the same for all ranks. No bit of the result depends on it.
        """
        # Rows on the edge may stay. Of a grid of one dimension only cells do.
        edge = 0 if self.insulated or len(self.shape) == 1 else 1
        rows = max(0, self._rows - 2 * edge)
        parts = max(1, min(size, rows))
        depth = max(1, min(WINDOW // (2 * self._row_bytes) - 2, rows // parts // BORDER, DEEPEST))
        if rank >= parts:
            return (0, 0, 0, 0), depth
        first, end = share(rows, parts, rank)
        return (first + edge, end + edge, int(rank > 0), -int(rank < parts - 1)), depth
