"""Lazy arrays: expressions in memory and over files, reductions along axes, against the peers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numba
import numpy as np

import sharedcompute as sc
from benchmarks.timing import Row, at_most, at_most_times, medians, ratio

WORKERS = 2
COLUMNS = 1024


@numba.njit(parallel=True, nogil=True, error_model="numpy")
def hypot(x: Any, y: Any, out: Any) -> None:
    for i in numba.prange(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sqrt(x[i, j] * x[i, j] + y[i, j] * y[i, j]) * out.dtype.type(2)


@numba.njit(parallel=True, nogil=True, error_model="numpy")
def wave(x: Any, y: Any, out: Any) -> None:
    for i in numba.prange(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.exp(-x[i, j]) * np.sin(y[i, j]) + out.dtype.type(1)


CASES: dict[str, tuple[Callable[[Any, Any], Any], str, Any, dict[str, float | None]]] = {
    "sqrt(x**2 + y**2) * 2": (
        lambda x, y: np.sqrt(x**2 + y**2) * 2,
        "sqrt(x**2 + y**2) * 2",
        hypot,
        {"f4": 0.95, "f8": 0.95},
    ),
    "exp(-x) * sin(y) + 1": (
        lambda x, y: np.exp(-x) * np.sin(y) + 1,
        "exp(-x) * sin(y) + 1",
        wave,
        {"f4": 3, "f8": None},
    ),
}


def in_memory(nbytes: int, team: sc.Team, repeats: int) -> list[Row]:
    """Expressions of shared arrays, into a shared array."""
    import numexpr

    numba.set_num_threads(WORKERS)
    numexpr.set_num_threads(WORKERS)
    rows: list[Row] = []
    for dtype in ("f4", "f8"):
        count = nbytes // np.dtype(dtype).itemsize // COLUMNS
        x, y, out = (sc.zeros((count, COLUMNS), dtype) for _ in range(3))
        x[...] = np.random.default_rng(0).random((count, COLUMNS), dtype=x.dtype.type)
        y[...] = x * 2
        for name, case in CASES.items():
            seconds = medians(_contenders(case, x, y, out, team), repeats)
            bars = case[3]
            what = f"{name} of {dtype} in shared arrays"
            exact = name.startswith("sqrt")
            plain = {**seconds, "sharedcompute": seconds["plain call"]}
            rows += [
                ratio(what, seconds, "numba.prange", bars[dtype]),
                ratio(f"{what}, plain call", plain, "numba.prange", bars[dtype]),
                ratio(what, seconds, "NumPy", 5 if exact else None),
                ratio(what, seconds, "numexpr", 2 if exact else None),
            ]
    return rows


def _contenders(case: Any, x: Any, y: Any, out: Any, team: sc.Team) -> dict[str, Any]:
    import numexpr

    expression, text, by_hand, _ = case
    a, b, c = (np.asarray(each).view(np.ndarray) for each in (x, y, out))
    lazy = expression(sc.lazy(x), sc.lazy(y))
    return {
        "sharedcompute": lambda: lazy.store(out, team=team),
        "plain call": lambda: lazy.store(out),
        "numba.prange": lambda: by_hand(a, b, c),
        "NumPy": lambda: expression(a, b),
        "numexpr": lambda: numexpr.evaluate(text, {"x": a, "y": b}, out=c),
    }


def over_files(folder: Path, nbytes: int, team: sc.Team, repeats: int) -> list[Row]:
    """An expression of two datasets, into a dataset."""
    file = folder / "fields.h5"
    _fields(file, nbytes)
    x, y = sc.open(f"{file}::/x"), sc.open(f"{file}::/y")
    plain = medians(
        {
            "sharedcompute": lambda: CASES["sqrt(x**2 + y**2) * 2"][0](x, y).store(
                f"{folder}/plain.h5::/s", overwrite=True, team=team
            ),
            "dask.array, 2 threads": lambda: _dask_store(file, folder / "dask.h5"),
        },
        repeats,
    )
    p, q = sc.open(f"{file}::/p"), sc.open(f"{file}::/q")
    packed = medians(
        {
            "sharedcompute": lambda: CASES["sqrt(x**2 + y**2) * 2"][0](p, q).store(
                f"{folder}/packed.h5::/s", overwrite=True, team=team
            ),
            "map clip of one": lambda: sc.map(
                "clip", p, f"{folder}/clip.h5::/s", lower=0.1, upper=0.9, overwrite=True, team=team
            ),
        },
        repeats,
    )
    return [
        ratio("sqrt(x**2 + y**2) * 2, contiguous to contiguous", plain, "dask.array, 2 threads", 5),
        at_most_times("sqrt(x**2 + y**2) * 2, gzip to gzip", packed, "map clip of one", 1.2),
    ]


def along_axes(folder: Path, nbytes: int, team: sc.Team, repeats: int) -> list[Row]:
    """Reductions of a contiguous dataset along axes, against the sum over all."""
    import dask
    import dask.array as da

    file = folder / "field.h5"
    shape = (nbytes // 4 // (144 * 192), 144, 192)
    with h5py.File(file, "w") as opened:
        made = opened.create_dataset("x", shape, "f4")
        block = np.random.default_rng(0).random((64, *shape[1:]), dtype="f4")
        for start in range(0, shape[0], 64):
            made[start : start + 64] = block[: min(64, shape[0] - start)]
    x = sc.open(f"{file}::/x")
    held = x.compute()

    def peer(reduce: Callable[[Any], Any]) -> None:
        with h5py.File(file) as opened, dask.config.set(scheduler="threads", num_workers=2):
            reduce(da.from_array(opened["x"], chunks=(256, *shape[1:]))).compute()

    rows: list[Row] = []
    cases: dict[str, Callable[[Any], Any]] = {
        "mean(axis=-1)": lambda x: x.mean(axis=-1),
        "mean(axis=(0, 2))": lambda x: x.mean(axis=(0, 2)),
        "std(axis=1)": lambda x: x.std(axis=1),
    }
    for name, reduce in cases.items():
        seconds = medians(
            {
                "sharedcompute": lambda f=reduce: f(x).compute(team=team),
                "sum over all": lambda: x.sum().compute(team=team),
                "dask.array, 2 threads": lambda f=reduce: peer(f),
                "NumPy in memory": lambda f=reduce: f(held),
            },
            repeats,
        )
        what = f"{name} of contiguous f4"
        rows += [
            ratio(what, seconds, "sum over all", 0.8),
            ratio(what, seconds, "dask.array, 2 threads", 3),
            ratio(what, seconds, "NumPy in memory", 1),
        ]
    return rows


def two_passes(folder: Path, team: sc.Team, repeats: int) -> list[Row]:
    """A deviation from the mean over rows: each pass against decoding the inputs."""
    file = folder / "fields.h5"
    p, q = sc.open(f"{file}::/p"), sc.open(f"{file}::/q")
    s = np.sqrt(p**2 + q**2)
    seconds = medians(
        {
            "sharedcompute": lambda: (s - s.mean(axis=0)).std(axis=(0, 2)).compute(team=team),
            "two sums of each input": lambda: [
                sc.compute(p.sum(), q.sum(), team=team) for _ in range(2)
            ],
        },
        repeats,
    )
    what = "(s - s.mean(axis=0)).std(axis=(0, 2)) over two gzip datasets"
    return [at_most_times(what, seconds, "two sums of each input", 1.25)]


def small(repeats: int) -> list[Row]:
    """An expression that is computed at once."""
    a, b = (np.random.default_rng(k).random((100, 10)) for k in range(2))
    x, y = sc.lazy(a), sc.lazy(b)

    def many() -> None:
        for _ in range(1000):
            (np.sqrt(x**2 + y**2) * 2).compute()

    seconds = medians({"sharedcompute": many}, repeats, pause=0)["sharedcompute"] / 1000
    return [at_most("np.sqrt(x**2 + y**2) * 2 of 100 x 10, in all", seconds, 60e-6, "us", 1e6)]


def _fields(file: Path, nbytes: int) -> None:
    """Two contiguous fields x and y, and two in gzip chunks p and q."""
    rows = nbytes // 4 // (144 * 192)
    block = np.random.default_rng(0).integers(0, 1000, (64, 144, 192)).astype("f4") / 1000
    packed: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    with h5py.File(file, "w") as opened:
        made = [opened.create_dataset(name, (rows, 144, 192), "f4") for name in "xy"]
        # A quarter of it: what is measured there is the decoding.
        made += [
            opened.create_dataset(name, (rows // 4, 144, 192), "f4", chunks=(4, 144, 192), **packed)
            for name in "pq"
        ]
        for each in made:
            for start in range(0, len(each), 64):
                each[start : start + 64] = block[: min(64, len(each) - start)]


def _dask_store(file: Path, output: Path) -> None:
    import dask
    import dask.array as da

    with h5py.File(file) as opened, h5py.File(output, "w") as target:
        x, y = (da.from_array(opened[name], chunks=(256, *opened[name].shape[1:])) for name in "xy")
        made = target.create_dataset("s", x.shape, "f4")
        with dask.config.set(scheduler="threads", num_workers=WORKERS):
            da.store(da.sqrt(x**2 + y**2) * 2, made, lock=True)
