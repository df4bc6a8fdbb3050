"""The loop of sweeps over a grid, compiled with the barrier inside."""

from __future__ import annotations

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached
from sharedcompute.kernels.sweeps import relax
from sharedcompute.operations.specs import Array
from sharedcompute.sync import ControlBlock, barrier

Cut = tuple[int, int, int, int]


@cached(njit(nogil=True))
def sweep_in_step(
    control: ControlBlock,
    arrays: tuple[Array, Array, Array],
    rule: tuple[float, bool],
    cut: Cut,
    span: tuple[int, int],
    depth: int,
) -> None:
    """Do sweeps ``span[0]`` to ``span[1]``, up to `depth` at once between two barriers.

    First each rank does of its rows what needs no other's: at an inner border sweep k, from 0,
    stops k rows before it. What is missing is a triangle at each border, k rows to both sides. The
    rank above does it when all have come so far. The rows beside a triangle are as far as it needs
    them: row ``end - 1 - k`` has had sweeps 0 to k, and the grid that the last of them did not
    write still has what came before it.
    """
    grids, force, changes = arrays
    weight, insulated = rule
    end, high = cut[1], cut[3]
    time, last = span
    nobody = np.empty(0)
    while time < last:
        # Parts of about equal depth: 17 sweeps are 9 and 8, and not 16 and 1.
        parts = -(-(last - time) // depth)
        some = -(-(last - time) // parts)
        told = changes if time + some == last else nobody
        relax(grids, time, force, weight, insulated, cut, some, told)
        barrier(control)
        if some > 1:
            if high != 0:
                relax(grids, time, force, weight, insulated, (end, end, -1, 1), some, told)
            barrier(control)
        time += some
