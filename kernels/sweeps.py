"""Sweeps over a grid: each cell is moved towards the mean of its nearest neighbours.

With the sum ``s`` of a cell's 2 d neighbours on a grid of d dimensions a sweep makes

    new = old + weight (s - 2 d old) + force

That is a time step of the heat equation, forward in time and centred in space, and with the weight
1 / (2 d) a Jacobi sweep. The order of the additions is fixed: however the rows are cut, each cell
has the same bits.

A *row* is what has its neighbours along axis 0 in one piece: a segment of a grid of one dimension,
a line of one of two, a plane of one of three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array

Region = tuple[int, int, int, int]

SEGMENT = 1024
"""Cells of a row of a grid of one dimension."""

TILE = 512
"""Cells whose changes are compared at once."""

kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def relax(
    grids: Array,
    time: int,
    force: Array,
    weight: float,
    insulated: bool,
    region: Region,
    count: int,
    changes: Array,
) -> None:
    """Do `count` sweeps over a region, with its rows in the cache.

    Parameters
    ----------
    grids : ndarray, shape (2, ...), C-contiguous, real
        Two grids of 1 to 3 dimensions: what even and what odd sweeps start from.
    time : int
        The number of the first of the sweeps.
    force : ndarray
        Of the shape and dtype of one grid, or without elements for none.
    weight : float
        Of the dtype of the grids, so that single precision stays single.
    insulated : bool
        The neighbour beyond an edge is the cell itself. Otherwise cells on the edge stay as they
        are: they must be the same in both grids, without rows of them in the region, and with a
        force of -0.0, which changes no number.
    region : tuple of int, (first, end, first_step, end_step)
        Sweep k of these is over rows ``first + k * first_step`` to ``end + k * end_step``. A step
        is -1, 0 or 1.
    count : int
    changes : ndarray of float64, shape (rows,)
        Gets the largest change of a cell in each row by the last sweep, NaN where there is one.
        Without elements if nobody asks.

    Notes
    -----
    When the first sweep does row r, sweep k does row r - k, so that the rows it reads were written
    a moment ago: a grid passes through the cache once for all, the wavefront method [1]_. Two grids
    are enough: what sweep k overwrites in a row is sweep k - 2's, and was read for the last time by
    sweep k - 1 in the row below, just before.

    References
    ----------
    .. [1] Wellein, Hager, Zeiser, Wittmann and Fehske, "Efficient temporal blocking for stencil
       computations by multicore-aware wavefront parallelization", COMPSAC 2009.
    """
    first, end, first_step, end_step = region
    for front in range(first, end + (count - 1) * (1 + end_step)):
        for k in range(count):
            row = front - k
            if first + k * first_step <= row < end + k * end_step:
                # The kernels of rows are called from here, with whole arrays: views as arguments,
                # and functions between, count references by atomic instructions. That took 40 ns
                # a row, where a row of 64 cells takes 20.
                now = (time + k) % 2
                if grids.ndim == 2:
                    _relax_segment(grids, now, weight, insulated, row)
                elif grids.ndim == 3:
                    _relax_line(grids, now, weight, insulated, row)
                else:
                    _relax_plane(grids, now, weight, insulated, row)
                if force.size > 0:
                    _add(grids, 1 - now, force, row)
                if changes.size > 0 and k == count - 1:
                    changes[row] = _change(grids, row)


@kernel
def _relax_segment(grids: Array, now: int, weight: float, insulated: bool, row: int) -> None:
    links = grids.dtype.type(2)
    n = grids.shape[1]
    first, end = max(row * SEGMENT, 1), min((row + 1) * SEGMENT, n - 1)
    if first < end:
        middle, out = grids[now, first:end], grids[1 - now, first:end]
        left, right = grids[now, first - 1 : end - 1], grids[now, first + 1 : end + 1]
        for j in range(middle.size):
            s = left[j] + right[j]
            out[j] = middle[j] + weight * (s - links * middle[j])
    if insulated:
        for j in (0, n - 1):
            if row == j // SEGMENT:
                s = grids[now, max(j - 1, 0)] + grids[now, min(j + 1, n - 1)]
                old = grids[now, j]
                grids[1 - now, j] = old + weight * (s - links * old)


@kernel
def _relax_line(grids: Array, now: int, weight: float, insulated: bool, row: int) -> None:
    links = grids.dtype.type(4)
    n = grids.shape[2]
    above, below = max(row - 1, 0), min(row + 1, grids.shape[1] - 1)
    middle, out = grids[now, row, 1 : n - 1], grids[1 - now, row, 1 : n - 1]
    up, down = grids[now, above, 1 : n - 1], grids[now, below, 1 : n - 1]
    left, right = grids[now, row, : n - 2], grids[now, row, 2:]
    for j in range(n - 2):
        s = (up[j] + down[j]) + (left[j] + right[j])
        out[j] = middle[j] + weight * (s - links * middle[j])
    if insulated:
        for j in (0, n - 1):
            s = grids[now, row, max(j - 1, 0)] + grids[now, row, min(j + 1, n - 1)]
            s = (grids[now, above, j] + grids[now, below, j]) + s
            old = grids[now, row, j]
            grids[1 - now, row, j] = old + weight * (s - links * old)


@kernel
def _relax_plane(grids: Array, now: int, weight: float, insulated: bool, row: int) -> None:
    links = grids.dtype.type(6)
    lines, n = grids.shape[2:]
    above, below = max(row - 1, 0), min(row + 1, grids.shape[1] - 1)
    edge = 0 if insulated else 1
    for i in range(edge, lines - edge):
        back, front = max(i - 1, 0), min(i + 1, lines - 1)
        middle, out = grids[now, row, i, 1 : n - 1], grids[1 - now, row, i, 1 : n - 1]
        up, down = grids[now, above, i, 1 : n - 1], grids[now, below, i, 1 : n - 1]
        behind, before = grids[now, row, back, 1 : n - 1], grids[now, row, front, 1 : n - 1]
        left, right = grids[now, row, i, : n - 2], grids[now, row, i, 2:]
        for j in range(n - 2):
            s = (up[j] + down[j]) + (behind[j] + before[j])
            s += left[j] + right[j]
            out[j] = middle[j] + weight * (s - links * middle[j])
        if insulated:
            for j in (0, n - 1):
                s = grids[now, above, i, j] + grids[now, below, i, j]
                s += grids[now, row, back, j] + grids[now, row, front, j]
                s += grids[now, row, i, max(j - 1, 0)] + grids[now, row, i, min(j + 1, n - 1)]
                old = grids[now, row, i, j]
                grids[1 - now, row, i, j] = old + weight * (s - links * old)


@kernel
def _cells(grid: Array, row: int) -> Array:
    if grid.ndim == 1:
        return grid[row * SEGMENT : (row + 1) * SEGMENT]
    cells: Array = grid[row].reshape(-1)
    return cells


@kernel
def _add(grids: Array, which: int, force: Array, row: int) -> None:
    a, b = _cells(grids[which], row), _cells(force, row)
    for j in range(a.size):
        a[j] += b[j]


@kernel
def _change(grids: Array, row: int) -> float:
    """Give the largest difference of the two grids in a row.

    Numbers that are not negative are ordered as their bits are, so the bits are compared: LLVM
    makes vectors of that, and not of a maximum of floats (1.4 us for 4096 cells, not 3.5). NaN is
    above infinity then.
    """
    a, b = _cells(grids[0], row), _cells(grids[1], row)
    change = np.empty(TILE)
    bits = change.view(np.int64)
    most = 0
    for first in range(0, a.size, TILE):
        p, q = a[first : first + TILE], b[first : first + TILE]
        for j in range(p.size):
            change[j] = abs(p[j] - q[j])
        for j in range(p.size):
            most = max(most, bits[j])
    bits[0] = most
    largest: float = change[0]
    return largest
