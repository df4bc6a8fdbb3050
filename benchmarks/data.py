"""The data of the benchmarks: made from seed 0, or from a real climate field."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np

COLUMNS = 2000


def normal(path: Path, nbytes: int) -> Path:
    """A contiguous f4 dataset of pseudo-random numbers, seed 0, repeated in blocks."""
    rows = nbytes // (4 * COLUMNS)
    block = np.random.default_rng(0).normal(280, 10, (4096, COLUMNS)).astype("f4")
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (rows, COLUMNS), "f4")
        for start in range(0, rows, 4096):
            x[start : start + 4096] = block[: min(4096, rows - start)]
    return path


def climate(path: Path, nbytes: int, **storage: Any) -> Path:
    """Air temperatures f4 (time, 144, 192), a chunk for each time.

    Two real runs of 240 months over North America, on a finer grid by linear interpolation (tiled
    in space, a deflate window would see the same numbers twice), and repeated in time.
    """
    import iris_sample_data
    from scipy import ndimage

    folder = Path(iris_sample_data.__path__[0]) / "sample_data"
    real = [
        h5py.File(folder / f"{name}_north_america.nc")["air_temperature"][:]
        for name in ("A1B", "E1")
    ]
    fine = ndimage.zoom(np.concatenate(real), (1, 144 / 37, 192 / 49), order=1)
    rows = nbytes // fine[0].nbytes
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (rows, 144, 192), "f4", chunks=(1, 144, 192), **storage)
        for start in range(0, rows, len(fine)):
            x[start : start + len(fine)] = fine[: rows - start] + np.float32(start * 1e-5)
    return path


def counts(path: Path, nbytes: int, **storage: Any) -> Path:
    """Detector frames u2 (n, 1024, 1024), a chunk each: Poisson counts, seed 0."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(1.5, 2, (1024, 1024))
    frames = itertools.cycle([rng.poisson(rate).astype("u2") for _ in range(12)])
    rows = nbytes // (2 << 20)
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (rows, 1024, 1024), "u2", chunks=(1, 1024, 1024), **storage)
        for row in range(rows):
            x[row] = next(frames)
    return path
