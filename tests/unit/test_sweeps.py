"""The choice of cases that the quick suite has of a sweep."""

from __future__ import annotations

import itertools

import pytest

from tests.sweeps import Values, covering, for_every_run


def product(*sizes: int) -> list[Values]:
    numbers = itertools.product(*map(range, sizes))
    return [frozenset((f"p{i}", n) for i, n in enumerate(case)) for case in numbers]


@pytest.mark.parametrize("sizes", [(1,), (7,), (3, 8), (8, 3), (4, 2, 8), (2, 2, 2, 2)])
def test_each_value_occurs_and_no_case_too_many(sizes: tuple[int, ...]) -> None:
    cases = product(*sizes)
    chosen = covering(cases)
    assert frozenset.union(*(cases[number] for number in chosen)) == frozenset.union(*cases)
    assert len(chosen) == len(set(chosen)) == max(sizes)


def test_cases_that_are_no_product_are_covered_too() -> None:
    cases = [frozenset({("a", n), ("b", 0 if n < 3 else n)}) for n in range(5)]
    assert covering(cases) == [0, 3, 4, 1, 2]
    assert covering([]) == []


def test_a_list_is_no_product() -> None:
    pairs = [frozenset({("a", n), ("b", n // 2)}) for n in range(6)]
    assert for_every_run(pairs) == list(range(6))
    assert len(for_every_run(product(2, 6))) == 6
