"""Which cases of a sweep are for every run, and which are `slow`.

A test with ``@pytest.mark.sweep`` has many cases: a product of parameters. The usual run has a few
of them in which each value of each parameter occurs, at most ``at_most`` if that is given. The
others are marked `slow`, and run in CI.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import pytest

Values = frozenset[tuple[str, Hashable]]


def mark_slow_cases(items: Iterable[pytest.Item]) -> None:
    """Mark the cases of sweeps `slow`, but for those that the quick suite has."""
    sweeps: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sweep") and hasattr(item, "callspec"):
            sweeps.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in sweeps.values():
        marker = cases[0].get_closest_marker("sweep")
        at_most = marker.kwargs.get("at_most") if marker else None
        kept = set(covering([_values(case) for case in cases])[:at_most])
        for number, case in enumerate(cases):
            if number not in kept:
                case.add_marker("slow")


def covering(cases: list[Values]) -> list[int]:
    """Return the numbers of cases in which each value occurs at least once.

    The next one is always that with the most values that have not occurred, so that a product of
    `m` and `n` values needs about `max(m, n)` cases.
    """
    missing = set().union(*cases)
    chosen = []
    while missing:
        best = max(range(len(cases)), key=lambda number: (len(cases[number] & missing), -number))
        missing -= cases[best]
        chosen.append(best)
    return chosen


def _values(case: Any) -> Values:
    """Return the values of a case: each parameter, and the number of its value."""
    return frozenset(case.callspec.indices.items())
