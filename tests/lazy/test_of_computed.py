"""Every operation takes what another one has computed as it takes an array of the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc
from tests.operations.reference import CASES

X = np.random.default_rng(3).normal(2.0, 3.0, (6, 5, 4)).astype(np.float32)

COMPUTED: dict[str, Callable[[Any], Any]] = {
    "a map": lambda x: x.mean(axis=0),
    "a row": lambda x: x[:, :, 0].mean(axis=0),
    "one row": lambda x: x[:, :, 0].mean(axis=0, keepdims=True),
    "one number": lambda x: x.mean(axis=(0, 1, 2), keepdims=True)[0, 0],
    "rows": lambda x: x - x.mean(axis=0),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operation_takes_a_computed_array_as_one_in_memory(name: str) -> None:
    operation = getattr(sc.ops, name)
    for params in CASES[name].params:
        for what, compute in COMPUTED.items():
            lazy = compute(sc.lazy(X))
            found = operation(lazy, **params)
            found = found.compute() if isinstance(found, sc.LazyArray) else found
            want = operation(lazy.compute(), **params)
            np.testing.assert_array_equal(np.asarray(found), np.asarray(want), what, strict=True)


@pytest.mark.parametrize("name", ["kmeans", "pca"])
def test_a_fit_takes_a_computed_array_as_one_in_memory(name: str) -> None:
    params = {"kmeans": {"n_clusters": 2, "random_state": 0}, "pca": {"n_components": 2}}[name]
    lazy = sc.lazy(X).mean(axis=0)
    found = sc.fit(name, lazy, **params)
    want = sc.fit(name, lazy.compute(), **params)
    assert set(found) == set(want)
    for key in found:
        np.testing.assert_array_equal(found[key], want[key], key)
