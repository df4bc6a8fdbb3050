"""Slow, obvious references for the kernels, and the data the tests give them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# With the JIT off every element takes microseconds; with bounds checks every kernel is compiled
# anew for the run, so that it gets one dtype.
JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") != "1"
BOUNDSCHECK = os.environ.get("NUMBA_BOUNDSCHECK", "0") == "1"
REDUCED = BOUNDSCHECK or not JIT


def dtypes(*names: str) -> list[str]:
    """The dtypes to test with, the first alone where each costs much."""
    return list(names[:1]) if BOUNDSCHECK else list(names)


def frozen(x: Any, dtype: Any = None) -> Array:
    """A read-only copy: what kernels are given, and another type to numba than a writable array."""
    x = np.array(x, dtype, order="C")
    x.flags.writeable = False
    return x


def sample(dtype: str, shape: tuple[int, ...], seed: int = 0, special: bool = True) -> Array:
    """Read-only values with ties, zeros, the extremes of integers, and NaN and infinities."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        x = rng.random(shape) < 0.7
    elif kind.kind in "iu":
        x = rng.integers(-3 if kind.kind == "i" else 0, 4, shape).astype(kind)
        if special:
            info = np.iinfo(kind)
            x[rng.random(shape) < 0.1] = info.max
            x[rng.random(shape) < 0.1] = info.min
    else:
        x = rng.integers(-3, 4, shape) + np.round(rng.standard_normal(shape), 3)  # type: ignore[assignment]
        x = x + 1j * rng.standard_normal(shape) if kind.kind == "c" else x
        x = x.astype(kind)
        x[rng.random(shape) < 0.2] = 0
        if special:
            for value in (np.nan, np.inf, -np.inf):
                x[rng.random(shape) < 0.03] = value
            some = x[:, : shape[1] // 3]
            some[~np.isfinite(some)] = 1
            x[:, -1:] = np.nan
    return frozen(x)


def wide(dtype: Any) -> np.dtype[Any]:
    """The dtype that sums of `dtype` are kept in."""
    kinds = {"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64, "c": np.complex128}
    return np.dtype(kinds[np.dtype(dtype).kind])


def float_wide(dtype: Any) -> np.dtype[Any]:
    """The dtype that arithmetic on `dtype` is done in."""
    return np.dtype(np.complex128 if np.dtype(dtype).kind == "c" else np.float64)


def strips(x: Array, cuts: tuple[int, ...]) -> Iterator[Array]:
    """`x` in consecutive strips of rows, cut before the rows `cuts`."""
    edges = [0, *sorted(min(cut, len(x)) for cut in cuts), len(x)]
    return (x[a:b] for a, b in itertools.pairwise(edges))


def known(x: Array) -> Array:
    """Which values are not NaN."""
    return x == x


def running(x: Array, dtype: Any, skipna: bool, *, product: bool = False) -> Array:
    """Every running sum or product along rows, the start (zero or one) first, row by row."""
    neutral = 1 if product else 0
    states = [np.full(x.shape[1], neutral, dtype)]
    for row in x:
        values = np.where(known(row), row, neutral).astype(dtype) if skipna else row.astype(dtype)
        states.append(states[-1] * values if product else states[-1] + values)
    return np.array(states)


def squared_deviations(x: Array, skipna: bool) -> Array:
    """``sum(abs(x - mean) ** 2)`` of each column, two passes in extended precision."""
    kind = np.clongdouble if x.dtype.kind == "c" else np.longdouble
    result = np.zeros(x.shape[1])
    for j, column in enumerate(x.T):
        v = (column[known(column)] if skipna else column).astype(kind)
        if v.size:
            result[j] = float(np.sum(np.abs(v - v.sum() / v.size) ** 2))
    return result


def first_extreme(column: Array, skipna: bool, greatest: bool) -> int:
    """Where the least or greatest value is first; -1 for none; a NaN wins unless passed over."""
    best = -1
    for i, v in enumerate(column):
        if v != v:
            if not skipna:
                return i
        elif best < 0 or (v > column[best] if greatest else v < column[best]):
            best = i
    return best


def correlate(x: Array, weights: Array, table: Array, cval: float) -> Array:
    """Correlation along the middle axis, every product written out."""
    m = len(table) - len(weights) + 1
    wide_x = x.astype(np.float64)
    constant = np.full_like(wide_x[:, :1], cval)
    extended = [constant[:, 0] if k < 0 else wide_x[:, k] for k in table]
    out = np.zeros((x.shape[0], m, x.shape[2]))
    for i in range(m):
        for k, w in enumerate(weights):
            out[:, i] += w * extended[i + k]
    return out


def ranked(padded: Array, size: tuple[int, ...], rank: int) -> Array:
    """The element of rank `rank` of each window of `size`, NaN last."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)
    flat = windows.reshape((*windows.shape[: padded.ndim], -1))
    return np.sort(flat, axis=-1)[..., rank]
