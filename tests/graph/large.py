"""Graphs over inputs of many megabytes, run in a process of their own: ``python -m`` this module.

It is told a graph, a folder, an engine, workers, and the memory, and
prints the bytes that the plan says it takes. Without memory it plans only.
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np

from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.planning.in_memory import ArraySource

from .running import plan_of, run
from .test_corners import call, of, reduced

ROW = (600, 500)
HELD = {"arrays": 60 * 600 * 500 * 4}
"""Bytes of the arrays that a graph is given: the caller has them whether there is a job or not."""

GRAPHS = ("fused", "feeds", "stencils", "maps", "kept", "turned", "arrays", "levels")


def write(folder: Path, times: int) -> None:
    """Write the inputs: contiguous ones of holes, chunks that compress to nothing."""
    rows = 60 * times
    with h5py.File(folder / "large.h5", "w") as file:
        packed = {"compression": 1, "fillvalue": 1.0}
        file.create_dataset("u", (rows, *ROW), "f4")
        file.create_dataset("v", (rows, *ROW), "f8", chunks=(7, *ROW), **packed)
        file.create_dataset("w", (rows, *ROW), "i2", chunks=(3, 600, 250), compression=1)
        file.create_dataset("map", (3000, 2000), "f8")
        ones = np.ones((7, *ROW))
        for first in range(0, rows, 7):
            file["v"][first : first + 7] = ones[: rows - first]


def nodes_of(name: str, folder: Path) -> list[Node]:
    """Return the results of a graph."""
    u, v, w, big = (
        build.read(open_source(f"{folder}/large.h5::/{n}")) for n in ("u", "v", "w", "map")
    )
    speed = call("sqrt", call("add", call("square", u), call("square", v)))
    if name == "fused":
        found = [reduced("mean", call("exp", call("multiply", speed, 0.1)), 0)]
    elif name == "feeds":
        found = [call("add", speed, w), reduced("std", w, 0, 1, 2)]
    elif name == "stencils":
        smooth = of("gaussian", speed, sigma=1.0)
        found = [call("subtract", smooth, of("uniform", speed, size=5)), reduced("max", w, 0)]
    elif name == "maps":
        weights = build.reshape(call("sqrt", call("exp", big)), (20, *ROW))
        found = [call("multiply", speed, reduced("sum", weights, 0))]
    elif name == "kept":
        smooth = of("gaussian", u, sigma=1.0)
        row = build.select(smooth, (slice(5, 6, 1), *(slice(0, n, 1) for n in ROW)))
        found = [reduced("mean", call("subtract", smooth, row), 0)]
    elif name == "turned":
        turned = call("add", build.permute(big, (1, 0)), 1)
        found = [call("multiply", turned, turned), reduced("mean", u, 0)]
    elif name == "arrays":
        x = build.read(ArraySource(np.ones((60, *ROW), "f4")))
        found = [reduced("mean", call("sqrt", x), 0), call("add", x, 1)]
    else:
        around = call("subtract", speed, reduced("mean", speed, 0))
        scaled = call("divide", around, reduced("std", around, 0, 1, 2))
        found = [reduced("var", scaled, 0), scaled]
    return found


def main() -> None:
    name, folder, engine, workers, memory = sys.argv[1:]
    place = Path(folder)
    nodes = nodes_of(name, place)
    # What rows it gives in memory is little, or it is in a file.
    out = place / f"out-{name}.h5" if name in ("feeds", "levels", "maps") else None
    how = {"engine": engine, "workers": int(workers), "overwrite": True} if out else {
        "engine": engine, "workers": int(workers)
    }  # fmt: skip
    print(plan_of(nodes, out, **how).projection.memory)
    if int(memory):
        run(nodes, out, memory=int(memory), **how)


if __name__ == "__main__":
    main()
