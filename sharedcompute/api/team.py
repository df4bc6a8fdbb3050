"""The team as users have it: programs and maps on arrays, and the named reductions."""

from __future__ import annotations

from typing import Any

from sharedcompute import team
from sharedcompute.api import functions


class Team(team.Team):
    __doc__ = team.Team.__doc__

    def reduce(self, op: Any, x: Any, **settings: Any) -> Any:
        """Reduce `x` over its rows on this team, as `sharedcompute.reduce`.

        Examples
        --------
        ``team.reduce("mean", x)`` is ``numpy.mean(x, axis=0)``.
        """
        return functions.reduce(op, x, team=self, **settings)
