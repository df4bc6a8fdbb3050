"""The rank filter: the element of middle rank of each window."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.kernels import windows as kernels
from sharedcompute.operations.keys import from_keys, to_keys
from sharedcompute.operations.rowwise.lines import axes_of, beyond_edges, check_window, per_axis
from sharedcompute.operations.specs import Array, ArraySpec, Params, Scalar
from sharedcompute.operations.stages import Stage
from sharedcompute.rows import CONSTANT, Mode, extension

Tables = tuple[None, *tuple[NDArray[np.int64], ...]]
"""By axis; none for rows."""

BISECTED = 25
"""Elements in a window, for each byte of one, from which on bisecting keys beats sorting: measured
for 1, 2 and 4 bytes. For 8 bytes it never did."""


def rank_filter(x: Array, out: Array, size: tuple[int, ...], tables: Tables, fill: Scalar) -> None:
    """Take the element of middle rank of each window of `size`; `x` brings the halo of axis 0."""
    # SciPy centres a window of even size half a step early, so the last row of the halo is unused.
    padded: Array = x[: len(out) + size[0] - 1]
    for axis, table in enumerate(tables[1:], start=1):
        if size[axis] > 1:
            # CONSTANT, -1, takes the last: mended next.
            taken: Array = np.take(padded, table, axis=axis)
            if (table == CONSTANT).any():
                where: list[slice | NDArray[np.bool_]] = [slice(None)] * x.ndim
                where[axis] = table == CONSTANT
                taken[tuple(where)] = fill
            padded = taken
    padded = np.ascontiguousarray(padded)
    strides = np.array(padded.strides, dtype=np.int64) // padded.itemsize
    strided: list[int] = strides.tolist()
    steps = [np.arange(n) * s for n, s in zip(size, strided, strict=True)]
    offsets: NDArray[np.int64] = functools.reduce(np.add.outer, steps).reshape(-1).astype(np.int64)
    shape, rank = np.array(out.shape, dtype=np.int64), len(offsets) // 2
    if padded.itemsize <= 4 and len(offsets) > BISECTED * padded.itemsize:
        found = np.empty(out.shape, f"u{padded.itemsize}")
        keys: NDArray[Any] = to_keys(padded)
        kernels.rank_keys(keys.reshape(-1), found.reshape(-1), offsets, shape, strides, rank)
        out[...] = from_keys(found, out.dtype)
        return
    kernels.rank_window(padded.reshape(-1), out.reshape(-1), offsets, shape, strides, rank)


def median(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    """Lower `scipy.ndimage.median_filter` to one stage."""
    axes = axes_of("median", params, spec)
    sizes: tuple[int, ...] = per_axis("median", "size", params["size"], axes)
    chosen = dict(zip(axes, sizes, strict=True))
    size = tuple(chosen.get(axis, 1) for axis in range(len(spec.shape)))
    check_window("median", math.prod(size))
    mode: Mode = params["mode"]
    fill, _ = beyond_edges("median", params, spec)
    # None for rows: a range of them brings its halo along, and there may be billions.
    tables = (
        None,
        *(
            extension(-(s // 2), n + s - 1 - s // 2, n, mode) if n else np.zeros(0, dtype=np.int64)
            for s, n in zip(size[1:], spec.shape[1:], strict=True)
        ),
    )
    args = (size, tables, fill)
    # Padded along two axes at a time; then the keys, and those found.
    return (Stage("median", rank_filter, args, spec.dtype, size[0] // 2, mode, fill, copies=3),)
