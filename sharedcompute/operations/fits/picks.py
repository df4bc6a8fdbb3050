"""Picks: a few rows of all, those with the least keys, kept in a state of fixed size.

A state holds up to `size` picks: ``key`` and ``row``, shape (size,), and the rows themselves,
``x``, shape (size, features). Several races may share it; each has an equal part, best first.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from sharedcompute.operations.fits.declaration import Specs
from sharedcompute.operations.specs import Array, ArraySpec, Bools, DType, State

Span: TypeAlias = "slice[int, int, None]"


def picks(size: int, features: int, dtype: DType) -> Specs:
    """Return the fields of a state for so many."""
    return {
        "races": ArraySpec((1,), np.dtype(np.int64)),
        "key": ArraySpec((size,), np.dtype(np.float64)),
        "row": ArraySpec((size,), np.dtype(np.int64)),
        "x": ArraySpec((size, features), dtype),
    }


def part(state: State, race: int, races: int) -> Span:
    """Return the slice of the picks of a race."""
    size = len(state["key"]) // races
    return slice(race * size, (race + 1) * size)


def clear(state: State) -> None:
    """Make it the state of no picks: their keys are infinite."""
    state["races"][...], state["key"][...] = 0, np.inf
    state["row"][...], state["x"][...] = np.iinfo(np.int64).max, 0


def pick(state: State, keys: Array, x: Array, start: int) -> None:
    """Keep rows with the least keys; of equal ones the first.

    Parameters
    ----------
    keys : ndarray of float64, shape (races, rows)
    x : ndarray, shape (rows, features)
    start : int
        The number of the first row.
    """
    races = len(keys)
    state["races"][0] = races
    key: Array
    for race, key in enumerate(keys):
        of = part(state, race, races)
        size = of.stop - of.start
        good: Bools = key < state["key"][of.stop - 1]
        if size < len(key):
            good &= key <= np.partition(key, size - 1)[size - 1]
        at = np.flatnonzero(good)
        if at.size:
            _merge(state, of, key[at], at + start, x[at])


def combine_picks(a: State, b: State) -> None:
    """Keep the best picks of `a` and of `b`, in `a`."""
    races = max(int(a["races"][0]), int(b["races"][0]))
    a["races"][0] = races
    for race in range(races):
        of = part(a, race, races)
        _merge(a, of, b["key"][of], b["row"][of], b["x"][of])


def _merge(state: State, of: Span, key: Array, row: Array, x: Array) -> None:
    keys = np.concatenate((state["key"][of], key))
    rows = np.concatenate((state["row"][of], row))
    best = np.lexsort((rows, keys))[: of.stop - of.start]
    state["x"][of] = np.concatenate((state["x"][of], x))[best]
    state["key"][of], state["row"][of] = keys[best], rows[best]
