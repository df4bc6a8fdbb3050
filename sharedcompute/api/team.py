"""The team as users have it: programs and maps on arrays, and the named reductions."""

from __future__ import annotations

from typing import Any

from sharedcompute import team
from sharedcompute.api import functions


class Team(team.Team):
    """Worker processes that stay warm, run programs and maps, and know the named reductions.

    Parameters
    ----------
    workers : int, optional
        How many; by default what SHAREDCOMPUTE_WORKERS says, else the cores that this process may
        use, shared out to their threads where these are pinned.
    threads : int
        Threads of each. They do rows of our own operations side by side; what a function of yours
        calls has them inside: numba's (``parallel=True``), those of BLAS and OpenMP.
    start_method : {"forkserver", "spawn", "fork"}, optional
        By default forkserver, or spawn where that is missing.
    pin : bool
        Keep each worker on cores of its own, as many as it has threads: one thread for each
        physical core while there are enough, and all of a worker's in one NUMA node. On Linux.

    Examples
    --------
    >>> with Team(workers=4) as team:
    ...     team.reduce("mean", x)
    """

    def reduce(self, op: Any, x: Any, **settings: Any) -> Any:
        """Reduce `x` over its rows on this team, as `sharedcompute.reduce`.

        Examples
        --------
        ``team.reduce("mean", x)`` is ``numpy.mean(x, axis=0)``.
        """
        return functions.reduce(op, x, team=self, **settings)
