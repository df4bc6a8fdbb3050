"""Where compiled kernels are kept between runs of the tests, and their compilation before a run.

A cached function does not notice that another file, which it calls, has changed: the folder is
named by a hash of all sources that are compiled. ``python -m tests.kernel_cache`` compiles, on all
cores, the kernels that many tests call; what a few call, the first of them compiles.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ("kernels", "sharedcompute/sync")
"""Folders of functions that are compiled and call those of other files."""
KEPT = 3
"""Folders of other sources that stay, for those who go to and fro between branches."""
DONE = "compiled"
"""A file in a folder in which the kernels of many tests are."""


def folder() -> Path:
    """Return the folder for the kernels as they are now."""
    found = hashlib.sha256(f"{sys.version} {version('numba')} {version('llvmlite')}".encode())
    for source in sorted(path for part in SOURCES for path in (ROOT / part).glob("*.py")):
        found.update(f"\n{source.name} {source.stat().st_size}\n".encode() + source.read_bytes())
    return ROOT / ".cache" / "numba" / found.hexdigest()[:16]


def compile_once(cache: Path) -> None:
    """Compile the kernels of many tests into a folder, unless this was done before."""
    if (cache / DONE).exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    _forget_old_ones(cache)
    done = subprocess.run([sys.executable, "-m", "tests.kernel_cache"], cwd=ROOT, check=False)
    if done.returncode == 0:
        (cache / DONE).touch()


def _forget_old_ones(cache: Path) -> None:
    """Remove all folders but the youngest few."""
    others = [path for path in cache.parent.iterdir() if path.is_dir() and path != cache]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT:]:
        with suppress(OSError):
            shutil.rmtree(path)


def compile_operation(name: str) -> None:
    """Run an operation on a few small arrays, as tests do."""
    import sharedcompute as sc
    from tests.engines.cases import SCANS, TRANSFORMS, data

    warnings.simplefilter("ignore")
    for dtype in ("f8", "f4", "i4", "i8", "u1", "u2", "?"):
        for shape in ((13,), (23, 7), (11, 5, 6)):
            x = data(shape, dtype)
            # Not every operation takes every dtype.
            with suppress(sc.InputError):
                if name in TRANSFORMS:
                    for params in TRANSFORMS[name] if dtype[0] in "fi" else ():
                        sc.map(name, x, engine="serial", **params)
                elif name in SCANS:
                    sc.scan(name, x, engine="serial")
                else:
                    sc.reduce(name, x, engine="serial")
                    sc.reduce(name, x, engine="serial", axis="all")


def main() -> None:
    """Compile in as many processes as there are cores, what takes long first."""
    from tests.engines.cases import REDUCTIONS, SCANS, TRANSFORMS

    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder()))
    names = [*reversed(TRANSFORMS), *REDUCTIONS, *SCANS]
    count = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        list(pool.map(compile_operation, names))


if __name__ == "__main__":
    main()
