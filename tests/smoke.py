"""What ``make quick`` runs: the unit tests, a slice of the conformance, one test of each file."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

WHOLE = ("tests/unit/", "tests/engines/test_conformance.py")
"""Of these all that every run has."""


def mark_smoke_tests(items: Iterable[pytest.Item]) -> None:
    """Mark the tests of a quick run; those that are slow are marked before."""
    seen = set()
    for item in items:
        file = item.nodeid.partition("::")[0]
        if item.get_closest_marker("slow") or item.get_closest_marker("faults"):
            continue
        if file not in seen or file.startswith(WHOLE):
            item.add_marker("smoke")
        seen.add(file)
