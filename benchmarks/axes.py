"""Reductions along any axes on one core: against the sum of all elements, and NumPy in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import sharedcompute as sc
from benchmarks.timing import Row, medians, ratio

SHAPE = (512, 512)
"""Of a row."""

CASES: tuple[tuple[str, Any], ...] = (("mean", -1), ("mean", (0, 2)), ("std", 1), ("max", -1))


def axes(nbytes: int, repeats: int) -> list[Row]:
    """Means and deviations of contiguous f4, in memory, in this process alone."""
    rows = max(1, nbytes // (4 * SHAPE[0] * SHAPE[1]))
    x = sc.asarray(np.random.default_rng(0).standard_normal((rows, *SHAPE), np.float32))
    plain, found = np.asarray(x), []
    whole: Callable[[], object] = lambda: sc.reduce("sum", x, axis=None, engine="serial")  # noqa: E731
    for name, axis in CASES:
        seconds = medians(
            {
                "sharedcompute": lambda n=name, a=axis: sc.reduce(n, x, axis=a, engine="serial"),
                "the sum of all": whole,
                "NumPy": lambda n=name, a=axis: getattr(np, n)(plain, axis=a),
            },
            repeats,
        )
        what = f"{name}(axis={axis}) of f4 on one core"
        found.append(ratio(what, seconds, "the sum of all", None if name == "max" else 0.8))
        found.append(ratio(what, seconds, "NumPy", 1))
    return found
