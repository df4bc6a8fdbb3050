"""Which cases of a test with many parameters are for every run, and which are `slow`.

Of a product of parameters the usual run has a few cases, in which each value of each parameter
occurs; of a test with ``@pytest.mark.sample(N)`` it has N of these. The others are marked `slow`:
they run in CI, and ``pytest -m ""`` runs all.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import pytest

Values = frozenset[tuple[str, Hashable]]


def mark_slow_cases(items: Iterable[pytest.Item]) -> None:
    """Mark the cases of products `slow`, but for those that every run has."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if hasattr(item, "callspec"):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in tests.values():
        kept = set(sample(cases[0], for_every_run([_values(case) for case in cases])))
        for number, case in enumerate(cases):
            if number not in kept:
                case.add_marker("slow")


def for_every_run(cases: list[Values]) -> list[int]:
    """Return the numbers of the cases that every run has: all, if it is no product."""
    chosen = covering(cases)
    return chosen if 2 * len(chosen) <= len(cases) else list(range(len(cases)))


def sample(case: pytest.Item, numbers: list[int]) -> list[int]:
    """Return as many of the numbers as the marker `sample` says, evenly; all without it."""
    marker = case.get_closest_marker("sample")
    count = min(marker.args[0] if marker else len(numbers), len(numbers))
    return [numbers[i * len(numbers) // count] for i in range(count)]


def covering(cases: list[Values]) -> list[int]:
    """Return the numbers of cases in which each value occurs at least once.

    The next one is always that with the most values that have not occurred, so that a product of
    `m` and `n` values needs about `max(m, n)` cases.
    """
    missing: set[tuple[str, Hashable]] = set().union(*cases)
    chosen = []
    while missing:
        best = max(range(len(cases)), key=lambda number: (len(cases[number] & missing), -number))
        missing -= cases[best]
        chosen.append(best)
    return chosen


def _values(case: Any) -> Values:
    """Return the values of a case, each with the name of its parameter."""
    return frozenset((name, _known(value)) for name, value in case.callspec.params.items())


def _known(value: Any) -> Hashable:
    """Return what stands for a value: cases of a product share what has no hash."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value
