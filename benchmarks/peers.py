"""What a user would write with the peers: the same results, by their best plain means."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numba import njit, prange

Array = np.ndarray[Any, Any]
BLOCK = 16 << 20
"""Bytes that the peers read at a time; from 4 to 64 MB made little difference."""


def rows_of(x: Any) -> int:
    """Rows of a block: whole chunks, as their users would choose them."""
    step = x.chunks[0] if x.chunks else 1
    row = int(np.prod(x.shape[1:])) * x.dtype.itemsize
    return int(max(1, BLOCK // row // step) * step)


def h5py_numpy(file: Path) -> tuple[Array, Array]:
    """A serial loop."""
    with h5py.File(file) as opened:
        n = len(opened["x"])
    return _finish(*_part(file, 0, n), n)


def h5py_rows(file: Path, step: int) -> Array:
    """The loop that a user of h5py writes, so many rows at a time."""
    with h5py.File(file) as opened:
        x = opened["x"]
        total = np.zeros(x.shape[1:])
        for start in range(0, len(x), step):
            total += x[start : start + step].sum(axis=0, dtype=np.float64)
        return total / len(x)


def dask_threads(file: Path, threads: int) -> tuple[Array, Array]:
    """dask.array with its threaded scheduler."""
    import dask
    import dask.array

    with h5py.File(file) as opened:
        x = opened["x"]
        lazy = dask.array.from_array(x, chunks=(2 * rows_of(x), *(-1 for _ in x.shape[1:])))
        with dask.config.set(scheduler="threads", num_workers=threads):
            return dask.compute(lazy.mean(axis=0), lazy.std(axis=0))


def dask_stencil(x: Array, name: str, params: dict[str, Any], threads: int) -> Array:
    """SciPy's filter over overlapping chunks of rows, in dask's threads."""
    import dask
    import dask.array
    from scipy import ndimage

    chunks = dask.array.from_array(x, chunks=(25, -1, -1))
    if name == "gaussian":
        lazy = chunks.map_overlap(
            ndimage.gaussian_filter, depth=(8, 0, 0), boundary="reflect", sigma=params["sigma"]
        )
    else:
        lazy = chunks.map_blocks(ndimage.median_filter, size=(1, 3, 3))
    with dask.config.set(scheduler="threads", num_workers=threads):
        result: Array = lazy.compute()
    return result


def joblib_processes(file: Path, pool: Any) -> tuple[Array, Array]:
    """joblib with warm processes, each reading its own part."""
    import joblib

    with h5py.File(file) as opened:
        n = len(opened["x"])
    cuts = np.linspace(0, n, 17).astype(int).tolist()
    parts = pool(joblib.delayed(_part)(file, a, b) for a, b in itertools.pairwise(cuts))
    return _finish(sum(p[0] for p in parts), sum(p[1] for p in parts), n)


def _part(file: Path, start: int, stop: int) -> tuple[Array, Array]:
    """Sums and sums of squares. einsum was twice as fast as squaring and summing."""
    # Only where a filter of it is needed: the processes of joblib import nothing else of ours.
    import hdf5plugin  # noqa: F401

    with h5py.File(file) as opened:
        x = opened["x"]
        step = rows_of(x)
        total, squares = (np.zeros(int(np.prod(x.shape[1:]))) for _ in range(2))
        for at in range(start, stop, step):
            block = x[at : min(at + step, stop)]
            block = block.reshape(len(block), -1)
            total += block.sum(axis=0, dtype=np.float64)
            squares += np.einsum("ij,ij->j", block, block, dtype=np.float64)
    return total, squares


def numba_threads(file: Path) -> tuple[Array, Array]:
    """Numba prange alone over a memory map of the file."""
    with h5py.File(file) as opened:
        x = opened["x"]
        offset, shape = x.id.get_offset(), x.shape
    mapped = np.memmap(file, np.float32, "r", offset, shape)
    total, squares = _prange_moments(mapped.view(np.ndarray), 64)
    return _finish(total.sum(axis=0), squares.sum(axis=0), shape[0])


@njit(parallel=True)
def _prange_moments(x: Array, parts: int) -> tuple[Array, Array]:
    total, squares = np.zeros((parts, x.shape[1])), np.zeros((parts, x.shape[1]))
    for part in prange(parts):
        for i in range(part * len(x) // parts, (part + 1) * len(x) // parts):
            for j in range(x.shape[1]):
                value = np.float64(x[i, j])
                total[part, j] += value
                squares[part, j] += value * value
    return total, squares


def _finish(total: Array, squares: Array, n: int) -> tuple[Array, Array]:
    mean = total / n
    return mean, np.sqrt(squares / n - mean * mean)


@njit
def axpy(x: Array, out: Array, a: float, b: float) -> None:
    """What each worker runs on its rows."""
    for i in range(len(x)):
        out[i] = a * x[i] + b


@njit(parallel=True)
def axpy_prange(x: Array, out: Array, a: float, b: float) -> None:
    """The same by numba's own threads."""
    for i in prange(len(x)):
        out[i] = a * x[i] + b


@njit(parallel=True)
def heat_prange(u: Array, v: Array, alpha: float, sweeps: int) -> Array:
    """Steps of the heat equation in two grids that take turns."""
    for _ in range(sweeps):
        for i in prange(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                v[i, j] = u[i, j] + alpha * (around - 4 * u[i, j])
        u, v = v, u
    return u
