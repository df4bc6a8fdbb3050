"""Small arrays are computed without a plan, and come to the bits of a job."""

from __future__ import annotations

import numpy as np
import pytest

import sharedcompute as sc
from tests.operations.reference import CASES

SHAPES = [(7, 5, 4), (0, 3), (1,), (3000, 70), (900, 5, 11)]


@pytest.mark.parametrize("dtype", ["f4", "i4"])
@pytest.mark.parametrize("name", CASES)
def test_the_bits_are_those_of_a_job(name: str, dtype: str) -> None:
    operation = getattr(sc.ops, name)
    for shape in SHAPES:
        x = np.random.default_rng(0).normal(3, 20, shape).astype(dtype)
        for params in CASES[name].params:
            found, want = (_outcome(operation, x, params, engine) for engine in ("auto", "serial"))
            assert found == want, (shape, params)


def _outcome(operation: object, x: object, params: dict[str, object], engine: str) -> object:
    """Return dtype, shape and bytes of a result, or the error."""
    try:
        made = np.asarray(operation(x, **params, engine=engine))  # type: ignore[operator]
    except sc.Error as error:
        return str(error)
    return made.dtype, made.shape, made.tobytes()


def test_parameters_are_checked_as_ever() -> None:
    x = np.ones((3, 2))
    with pytest.raises(sc.InputError, match="no parameter 'lowr'"):
        sc.map("clip", x, lowr=1)
    with pytest.raises(sc.InputError, match="axis"):
        sc.reduce("mean", x, axis=5)
    with pytest.raises(sc.InputError, match="filter"):
        sc.map("clip", x, lower=1, filter="gzip")


def test_several_reductions_are_a_dictionary_in_order() -> None:
    found = sc.reduce(["std", "mean"], np.arange(6.0).reshape(3, 2))
    assert list(found) == ["std", "mean"]
    np.testing.assert_array_equal(found["mean"], [2, 3])
