"""All comparisons, in one process tree. Prints the table that stands in README.md."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import sharedcompute as sc
from benchmarks import (
    axes,
    chunks,
    clustering,
    collectives,
    hybrid,
    lazy,
    linear,
    peers,
    reliability,
    sweeps,
    synchronisation,
    ufuncs,
)
from benchmarks.data import normal
from benchmarks.memory import peak
from benchmarks.timing import Row, at_most, medians, ratio, show

WORKERS = 2
CROWD = 8
"""Workers where there are more of them than cores."""


def reductions(file: Path, team: sc.Team, pool: Any, repeats: int) -> list[Row]:
    """Mean and std over rows."""
    seconds = medians(
        {
            "sharedcompute": lambda: sc.reduce(["mean", "std"], f"{file}::/x", team=team),
            "one worker": lambda: sc.reduce(["mean", "std"], f"{file}::/x", engine="serial"),
            "dask.array, 2 threads": lambda: peers.dask_threads(file, WORKERS),
            "serial h5py + NumPy": lambda: peers.h5py_numpy(file),
            "joblib, 2 processes": lambda: peers.joblib_processes(file, pool),
            "numba prange on a memory map": lambda: peers.numba_threads(file),
        },
        repeats,
    )
    what = "reduce mean,std of contiguous f4"
    return [
        ratio(what, seconds, "dask.array, 2 threads", 6),
        ratio(what, seconds, "serial h5py + NumPy", 3),
        ratio(what, seconds, "joblib, 2 processes", None),
        ratio(what, seconds, "numba prange on a memory map", None),
        ratio(what, seconds, "one worker", None),
    ]


def elementwise(nbytes: int, team: sc.Team, repeats: int) -> list[Row]:
    """A map from shared array to shared array, both there already."""
    x = sc.full((nbytes // 4,), 1.5, "f4")
    out = sc.zeros(x.shape, "f4")
    plain, plain_out = np.asarray(x), np.asarray(out)
    seconds = medians(
        {
            "sharedcompute": lambda: team.map(peers.axpy, x, out=out, params=(2.0, 1.0)),
            "numba prange, 2 threads": lambda: peers.axpy_prange(plain, plain_out, 2.0, 1.0),
        },
        3 * repeats,
    )
    return [ratio("elementwise team.map", seconds, "numba prange, 2 threads", 0.95)]


def stencils(team: sc.Team, repeats: int) -> list[Row]:
    """Smoothing and median of a stack of frames in memory."""
    from scipy import ndimage

    x = sc.asarray(np.random.default_rng(0).normal(size=(400, 256, 256)).astype("f4"))
    out, plain = sc.empty_like(x), np.asarray(x)
    rows = []
    for name, params, peer in (
        ("gaussian", {"sigma": 2.0}, lambda: ndimage.gaussian_filter(plain, 2.0)),
        ("median", {"size": 3, "axes": (1, 2)}, lambda: ndimage.median_filter(plain, (1, 3, 3))),
    ):
        seconds = medians(
            {
                "sharedcompute": lambda n=name, p=params: sc.map(n, x, out, team=team, **p),
                "scipy.ndimage": peer,
                "dask.array map_overlap, 2 threads": lambda n=name, p=params: peers.dask_stencil(
                    plain, n, p, WORKERS
                ),
            },
            max(1, repeats // 3),
        )
        what = f"map {name} of 100 MB f4 frames"
        rows.append(ratio(what, seconds, "scipy.ndimage", None))
        rows.append(ratio(what, seconds, "dask.array map_overlap, 2 threads", None))
    return rows


def fixed_costs(team: sc.Team, folder: Path) -> list[Row]:
    """What every call, import and command costs before it does anything."""
    x, out = sc.zeros(1000), sc.zeros(1000)
    call = medians({"map": lambda: team.map(peers.axpy, x, out=out, params=(2.0, 1.0))}, 2000, 0)
    timed = (
        "import time; t = time.perf_counter(); import sharedcompute; print(time.perf_counter() - t)"
    )
    imports = sorted(float(_output([sys.executable, "-c", timed])) for _ in range(7))
    small = normal(folder / "small.h5", 1 << 20)
    command = [sys.executable, "-m", "sharedcompute", "reduce", "mean", f"{small}::/x"]
    whole = []
    for turn in range(6):
        began = time.perf_counter()
        _output([*command, str(folder / f"small-{turn}.h5")])
        whole.append(time.perf_counter() - began)
    return [
        at_most("team.map of 1,000 elements on a warm team", call["map"], 100e-6, "us", 1e6),
        at_most("import sharedcompute", imports[3], 0.15, "s", 1),
        at_most("a small command as a whole", sorted(whole[1:])[2], 1.5, "s", 1),
    ]


def memory(folder: Path, nbytes: int) -> list[Row]:
    """Peak memory of a reduction with --memory 512M."""
    file = normal(folder / "large.h5", nbytes)
    rows = []
    for operations in ("mean,std", "min,max,argmax,var"):
        out = folder / f"{operations}.h5"
        most = peak(
            [
                "reduce",
                operations,
                f"{file}::/x",
                str(out),
                "--memory",
                "512M",
                "-j",
                str(WORKERS),
                "--engine",
                "local",
            ]
        )
        what = f"peak private memory of reduce {operations}, {nbytes / 1e9:.1f} GB, --memory 512M"
        rows.append(at_most(what, most["Pss_Anon"], 512 << 20, "MB", 1e-6))
        rows.append(Row("shared blocks beside it", f"{most['Pss_Shmem'] / 1e6:.1f} MB", "-", None))
    file.unlink()
    return rows


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def machine() -> str:
    """The machine, in a line."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, h5py {h5py.__version__}"
    )


def fundamentals(folder: Path, nbytes: int, team: sc.Team, pool: Any, repeats: int) -> list[Row]:
    """Contiguous data, arrays in memory, and what every call costs."""
    # First: the threads that the peers leave in this process cost every wake-up 20 to 40 us.
    fixed = fixed_costs(team, folder)
    file = normal(folder / "data.h5", nbytes)
    rows = reductions(file, team, pool, repeats)
    file.unlink()
    rows += elementwise(nbytes, team, repeats)
    return [*rows, *stencils(team, repeats), *fixed, *memory(folder, 4 * nbytes)]


def compressed(folder: Path, nbytes: int, team: sc.Team, pool: Any, repeats: int) -> list[Row]:
    """Chunked and compressed data."""
    return [
        *chunks.decoding(folder, nbytes, team, pool, repeats),
        *chunks.small_chunks(folder, team, repeats),
        *chunks.mapping(folder, nbytes, team, repeats),
        *chunks.repacking(folder, nbytes, team, repeats),
    ]


def faults(folder: Path, nbytes: int, _team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """What reliability costs."""
    return reliability.costs(folder, nbytes, WORKERS, repeats)


def together(_folder: Path, _nbytes: int, team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """Collectives and messages."""
    return collectives.calls(team, repeats)


def in_step(_folder: Path, _nbytes: int, _team: sc.Team, _pool: Any, _repeats: int) -> list[Row]:
    """Barriers, locks and counters."""
    return synchronisation.costs(WORKERS, CROWD)


def algebra(_folder: Path, _nbytes: int, team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """Fits of linear algebra."""
    return [
        *linear.components(team, WORKERS, repeats),
        *linear.regressions(team, WORKERS, repeats),
    ]


def clusters(folder: Path, _nbytes: int, team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """k-means."""
    return clustering.clustering(team, folder, repeats)


def threaded(folder: Path, nbytes: int, _team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """Threads, processes, and reading ahead."""
    return [
        *hybrid.threads_or_processes(folder, nbytes, WORKERS, repeats),
        *hybrid.reading_ahead(folder, nbytes, WORKERS, repeats),
    ]


def expressions(_folder: Path, nbytes: int, _team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """Elementwise expressions on one core."""
    return ufuncs.expressions(nbytes // 4, repeats)


def lazily(folder: Path, nbytes: int, team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """Expressions and reductions of lazy arrays."""
    return [
        *lazy.in_memory(nbytes // 2, team, repeats),
        *lazy.over_files(folder, nbytes, team, repeats),
        *lazy.two_passes(folder, team, repeats),
        *lazy.along_axes(folder, nbytes, team, repeats),
        *lazy.small(repeats),
    ]


def along_axes(_folder: Path, nbytes: int, _team: sc.Team, _pool: Any, repeats: int) -> list[Row]:
    """Reductions along any axes on one core."""
    return axes.axes(nbytes, repeats)


PARTS = {
    "lazy": lazily,
    "fundamentals": fundamentals,
    "compressed": compressed,
    "reliability": faults,
    "hybrid": threaded,
    "collectives": together,
    "synchronisation": in_step,
    "sweeps": sweeps.heat,
    "linear": algebra,
    "clustering": clusters,
    "ufuncs": expressions,
    "axes": along_axes,
}


def main() -> None:
    import joblib

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, help="GB of the timed data")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="for the data; default: a temporary one")
    parser.add_argument("--only", choices=PARTS, help="one part")
    given = parser.parse_args()
    print(f"{machine()}; {WORKERS} workers, {given.size:g} GB, warm page cache\n", flush=True)
    chosen = [given.only] if given.only else list(PARTS)
    for name in chosen:
        with (
            tempfile.TemporaryDirectory(dir=given.folder) as folder,
            sc.Team(WORKERS) as team,
            joblib.Parallel(n_jobs=WORKERS) as pool,
        ):
            rows = PARTS[name](Path(folder), int(given.size * 1e9), team, pool, given.repeats)
        print(show(rows), flush=True)


if __name__ == "__main__":
    main()
