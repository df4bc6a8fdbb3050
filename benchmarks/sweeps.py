"""The heat equation, against the threads that numba itself has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np

import sharedcompute as sc
from benchmarks import peers
from benchmarks.timing import Row, medians, ratio


def heat(_folder: Path, _nbytes: int, team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """Grids that fit the cache and grids that do not.

    The peer has private memory, and with it huge pages. Ours is the whole call: the grids are made,
    filled, and the last one is copied.
    """
    numba.set_num_threads(team.size)
    rows = []
    for n, sweeps, bar in ((4096, 500, 0.95), (512, 20_000, 1)):
        x = np.random.default_rng(0).normal(size=(n, n))
        shared, u, v = sc.asarray(x), x.copy(), x.copy()
        seconds = medians(
            {
                "sharedcompute": lambda x=shared, s=sweeps: sc.solve(
                    "heat", x, sweeps=s, team=team
                ),
                "numba prange, 2 threads": lambda u=u, v=v, s=sweeps: peers.heat_prange(
                    u, v, 0.1, s
                ),
            },
            max(1, repeats // 3),
        )
        what = f"heat, {n} x {n} f8, {sweeps:,} sweeps"
        rows.append(ratio(what, seconds, "numba prange, 2 threads", bar))
    return rows
