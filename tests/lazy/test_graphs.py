"""Random graphs of lazy arrays are NumPy's on whole arrays, at once and as jobs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sharedcompute as sc

RNG = np.random.default_rng(11)
SHAPE = (23, 4, 3)
LEAVES = {
    "f8": RNG.normal(size=SHAPE).round(2),
    "f4": RNG.normal(size=SHAPE).astype("f4"),
    "i4": RNG.integers(-9, 9, SHAPE, "i4"),
    "u1": RNG.integers(0, 9, SHAPE, "u1"),
    "row": RNG.normal(size=3),
    "map": RNG.normal(size=(4, 3)).astype("f4"),
    "column": RNG.integers(-5, 5, (23, 1, 1)),
}
UNARY = ["negative", "absolute", "square", "sin", "sign", "isfinite"]
BINARY = ["add", "subtract", "multiply", "maximum", "less", "arctan2"]


@st.composite
def graphs(draw: st.DrawFn, depth: int = 8) -> Any:
    """Return a nested tuple: a leaf's name, or a function and its operands."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([*LEAVES, 2, 0.5]))
    kind = draw(st.sampled_from(["unary", "binary", "binary", "where", "centred", "turned"]))
    below = [draw(graphs(depth=depth - 1)) for _ in range({"binary": 2, "where": 3}.get(kind, 1))]
    names = {"unary": UNARY, "binary": BINARY}.get(kind, [kind])
    return (draw(st.sampled_from(names)), *below)


def computed(graph: Any, leaves: dict[str, Any]) -> Any:
    """Return the value of a graph with arrays of NumPy, or with lazy ones."""
    if not isinstance(graph, tuple):
        return leaves.get(graph, graph)
    name, *below = graph
    operands = [computed(each, leaves) for each in below]
    if name == "where":
        return np.where(operands[0] > 0, *operands[1:])
    if name == "centred":
        # Whole numbers: their sums have no last bits that are up to the order.
        x = operands[0] * np.int8(1)
        return x - np.max(x, axis=0) if np.ndim(x) else x
    if name == "turned":
        return np.flip(operands[0], -1) if np.ndim(operands[0]) else operands[0]
    if name in ("negative", "subtract") and all(kind_of(o) == "b" for o in operands):
        return np.logical_xor(operands[0], operands[-1])
    return getattr(np, name)(*operands)


def kind_of(operand: Any) -> str:
    return getattr(operand, "dtype", np.asarray(0)).kind if hasattr(operand, "dtype") else "i"


def check(graph: Any, **how: Any) -> None:
    with np.errstate(all="ignore"):
        try:
            expected = computed(graph, LEAVES)
        except (TypeError, OverflowError):
            return
    made = computed(graph, {name: sc.lazy(array) for name, array in LEAVES.items()})
    if not isinstance(made, sc.LazyArray):
        return
    found = made.compute(**how)
    assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_array_equal(found, expected)


@given(graphs())
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_random_graphs_are_numpys_to_the_bit(graph: Any) -> None:
    check(graph)


@pytest.mark.slow
@given(graphs())
@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
def test_random_graphs_run_as_jobs_to_the_same_bits(graph: Any) -> None:
    check(graph, engine="serial", block_rows=7)
