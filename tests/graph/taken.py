"""The memory that jobs say they take and what they take: ``python -m tests.graph.taken --help``.

Random expressions over files of contiguous and of gzip arrays are each planned and run in a process
of its own, which is looked at while it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil

from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.planning.plan import Plan
from sharedcompute.system.machine import format_size, parse_size
from tests.process_memory import anonymous, shared

from .running import plan_of, run_plan
from .test_corners import call, of, reduced

CHUNK_ROWS = 8
PAUSE = 0.02
"""Seconds between two looks."""
UNARY = ("sqrt", "square", "absolute", "exp", "sin", "negative")
BINARY = ("add", "subtract", "multiply", "maximum", "hypot")
STENCILS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gaussian", {"sigma": 1.0}),
    ("uniform", {"size": 3}),
)
PARTS = ("processes", "compiling", "buffers", "shared")
"""What a plan says of its memory, beside all of it."""
REDUCTIONS = ("mean", "std", "var", "sum", "min", "max")


@dataclass(frozen=True)
class Taken:
    """What a job said and what it took, in bytes.

    Parameters
    ----------
    forecast, processes, compiling, buffers, shared : int
        What the plan says: in all, and its parts.
    peak : int
        The most that was seen of anonymous memory, each page divided among the processes that
        have it, and of shared blocks.
    copies : int
        The same where each process counts the pages that it shares with others since a fork.
    """

    forecast: int
    processes: int
    compiling: int
    buffers: int
    shared: int
    peak: int
    copies: int


def write(folder: Path, nbytes: int, row: tuple[int, int]) -> None:
    """Write three inputs of so many bytes in all: half contiguous, half in chunks of gzip.

    The chunks are all the same, encoded once.
    """
    columns = row[0] * row[1]
    rows = max(2 * CHUNK_ROWS, nbytes // (columns * (4 + 4 + 2)) // CHUNK_ROWS * CHUNK_ROWS)
    rng = np.random.default_rng(0)
    x = rng.normal(1, 0.1, (CHUNK_ROWS, *row)).astype("f4").round(2)
    with h5py.File(folder / "u.h5", "w") as file:
        u = file.create_dataset("u", (rows, *row), "f4")
        for first in range(0, rows, CHUNK_ROWS):
            u[first : first + CHUNK_ROWS] = x
    with h5py.File(folder / "v.h5", "w") as file:
        for name, dtype, chunk in (("v", "f4", row), ("w", "i2", (row[0], -(-row[1] // 2)))):
            made = file.create_dataset(
                name, (rows, *row), dtype, chunks=(CHUNK_ROWS, *chunk), compression=1, shuffle=True
            )
            made[:CHUNK_ROWS] = x * (100 if dtype == "i2" else 1)
            for corner in np.ndindex(*(-(-n // c) for n, c in zip(row, chunk, strict=True))):
                place = tuple(c * n for c, n in zip(corner, chunk, strict=True))
                mask, data = made.id.read_direct_chunk((0, *place))
                for first in range(CHUNK_ROWS, rows, CHUNK_ROWS):
                    made.id.write_direct_chunk((first, *place), data, mask)


class Expressions:
    """Makes random expressions over the inputs of a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        places = (f"{folder}/u.h5::/u", f"{folder}/v.h5::/v", f"{folder}/v.h5::/w")
        self._inputs = [build.read(open_source(place)) for place in places]

    def make(self) -> list[Node]:
        """Return some results, none of which has as many numbers as the inputs."""
        values = [self._pick(self._inputs), self._pick(self._inputs)]
        for _ in range(int(self._rng.integers(2, 7))):
            values.append(self._grown(values))
        return [self._reduced(values[-1 - n]) for n in range(int(self._rng.integers(1, 4)))]

    def _pick(self, among: Sequence[Any]) -> Any:
        return among[int(self._rng.integers(len(among)))]

    def _grown(self, values: list[Node]) -> Node:
        kind = self._rng.choice(["unary", "binary", "binary", "stencil", "passes"])
        latest = values[-1]
        if kind == "unary":
            return call(self._pick(UNARY), latest)
        if kind == "binary":
            return call(self._pick(BINARY), latest, self._pick([*self._inputs, *values, 0.5]))
        if kind == "stencil":
            name, params = self._pick(STENCILS)
            return of(name, latest, **params)
        # The mean of all rows, and then the rows again.
        return call("subtract", latest, reduced("mean", latest, 0))

    def _reduced(self, value: Node) -> Node:
        axes = self._pick([(0,), (0,), (0, 1), (0, 1, 2), (1, 2)])
        return reduced(self._pick(REDUCTIONS), value, *axes)


def taken(folder: Path, seed: int, **how: Any) -> Taken | None:
    """Run the expression of a seed, and look at its processes meanwhile; None if it is refused.

    Parameters
    ----------
    **how
        Engine, workers, threads, memory.
    """
    words = [sys.executable, "-m", "tests.graph.taken", "--run", str(seed), str(folder)]
    running = subprocess.Popen(
        [*words, json.dumps(how)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    most, copies, watched = 0, 0, psutil.Process(running.pid)
    while running.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            pids = [running.pid, *(child.pid for child in watched.children(recursive=True))]
            seen, blocks = [anonymous(pid) for pid in pids], shared(running.pid)
            most = max(most, sum(share for share, _ in seen) + blocks)
            copies = max(copies, sum(each for _, each in seen) + blocks)
        # To look takes the kernel a while, in which the process gets no memory.
        time.sleep(PAUSE)
    out, err = running.communicate()
    if "MemoryBudgetError" in err:
        return None
    assert running.returncode == 0, err
    return Taken(**json.loads(out), peak=most, copies=copies)


def _run(seed: int, folder: Path, how: dict[str, Any]) -> None:
    plan: Plan = plan_of(Expressions(folder, seed).make(), **how)
    said = plan.projection
    run_plan(plan)
    parts = {name: getattr(said, name) for name in PARTS}
    print(json.dumps({"forecast": said.memory, **parts}))


def _table(folder: Path, seeds: Sequence[int], hows: Sequence[dict[str, Any]]) -> None:
    names = ("graph", "engine", "forecast", *PARTS, "peak", "copies", "ratio")
    print(f"| {' | '.join(names)} |")
    print(f"{'| --- ' * len(names)}|")
    for seed in seeds:
        for how in hows:
            t = taken(folder, seed, **how)
            engine = f"{how['engine']} {how['workers'] or ''} x {how['threads']}"
            if t is None:
                print(f"| {seed} | {engine} | refused |", flush=True)
                continue
            sizes = (t.forecast, *(getattr(t, name) for name in PARTS), t.peak, t.copies)
            cells = [str(seed), engine, *map(format_size, sizes), f"{t.forecast / t.peak:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print what jobs said and took."""
    parser = argparse.ArgumentParser(prog="python -m tests.graph.taken", description=__doc__)
    parser.add_argument("--size", default="300M", help="bytes of all inputs")
    parser.add_argument("--memory", default=None, help="the limit for each job")
    parser.add_argument("--row", type=int, nargs=2, default=(300, 250), help="shape of a row")
    parser.add_argument("--graphs", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[2], help="0: serial; -1: as many as fit"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the inputs are, or go")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        _run(int(given.run[0]), Path(given.run[1]), json.loads(given.run[2]))
        return
    hows = [
        {
            "engine": "local" if workers else "serial",
            "workers": None if workers < 0 else workers or 1,
            "threads": given.threads,
            "memory": given.memory and parse_size(given.memory),
        }
        for workers in given.workers
    ]
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        if not (folder / "v.h5").exists():
            write(folder, parse_size(given.size), tuple(given.row))
        _table(folder, range(given.first, given.first + given.graphs), hows)


if __name__ == "__main__":
    main()
