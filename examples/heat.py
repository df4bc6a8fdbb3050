"""The heat equation on a grid that all workers share, with a barrier inside the compiled loop.

    python examples/heat.py [--workers 2] [--size 256] [--sweeps 2000]

Every cell moves towards the mean of its four neighbours, again and again. Two grids take turns: a
sweep reads one and writes the other, so that nobody reads what is being written. Each worker does
rows of its own, reads its neighbours' border rows straight from the shared grid (no messages), and
waits for the others once a sweep. That barrier is a call inside the compiled loop.

The result is compared, bit for bit, with ``sc.solve("heat")``, which does several sweeps between
two barriers while the rows are in the cache: that pays from where the grids are larger than the
cache (try --size 2048 --sweeps 500); its times have the start of a job in them. And with the
solution on paper: a sine wave of heat keeps its shape and fades by a known factor each sweep.
"""

import argparse
import sys
import time

import numba
import numpy as np

import sharedcompute as sc
from sharedcompute.sync import barrier

ALPHA = 0.2  # D dt / h^2; up to 1/4 is stable in two dimensions


@numba.njit(nogil=True)
def sweep(control, grids, start, stop, sweeps):
    columns = grids.shape[2]
    for k in range(sweeps):
        for i in range(start, stop):
            # Slices of one row: the compiler then knows enough to use vector instructions.
            up, old, down = grids[k % 2, i - 1], grids[k % 2, i], grids[k % 2, i + 1]
            new = grids[(k + 1) % 2, i]
            for j in range(1, columns - 1):
                around = (up[j] + down[j]) + (old[j - 1] + old[j + 1])
                new[j] = old[j] + ALPHA * (around - 4 * old[j])
        barrier(control)  # before the next sweep reads these rows, and writes over the old ones


@numba.njit(nogil=True)
def only_barriers(control, count):
    for _ in range(count):
        barrier(control)


def program(worker, grids, sweeps):
    """Do all sweeps; return the seconds that they took, and those of a barrier."""
    first, end = worker.rows(grids.shape[1] - 2)  # rows on the edge stay as they are
    sweep(worker.control, grids, 1, 1, 1)  # no rows: compiles it, so that this is not timed
    only_barriers(worker.control, 10)
    began = time.perf_counter()
    sweep(worker.control, grids, first + 1, end + 1, sweeps)
    done = time.perf_counter()
    only_barriers(worker.control, 1000)
    return done - began, (time.perf_counter() - done) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sweeps", type=int, default=2000)
    options = parser.parse_args()
    n, sweeps = options.size, options.sweeps

    wave = np.sin(np.linspace(0, np.pi, n))
    wave[[0, -1]] = 0.0
    start = np.outer(wave, wave)
    factor = 1 - 8 * ALPHA * np.sin(np.pi / (n - 1) / 2) ** 2  # what a sweep leaves of the wave

    print(f"{n} x {n} cells, {sweeps} sweeps")
    print("workers  sweep us  barrier us  speed-up  fit us  same bits  error")
    seconds, wrong = {}, False
    for workers in sorted({1, options.workers}):
        with sc.Team(workers) as team:
            runs, of_fit = [], []
            for _ in range(3):
                grids = sc.asarray(np.stack([start, start]))  # the edge is the same in both
                times = team.run(program, grids, sweeps)
                runs.append(np.max(times, axis=0))
            seconds[workers], waits = np.min(runs, axis=0)
            for _ in range(3):
                began = time.perf_counter()
                fitted = sc.solve("heat", start, sweeps=sweeps, alpha=ALPHA, team=team)
                of_fit.append(time.perf_counter() - began)
        same = np.array_equal(grids[sweeps % 2], fitted.grid_)
        error = np.abs(grids[sweeps % 2] - start * factor**sweeps).max()
        wrong = wrong or not same or error > 1e-9
        print(
            f"{workers:>7}{seconds[workers] / sweeps * 1e6:>10.1f}{waits * 1e6:>12.2f}"
            f"{seconds[1] / seconds[workers]:>10.2f}{min(of_fit) / sweeps * 1e6:>8.1f}"
            f"  {same!s:<9}  {error:.1e}"
        )
    return "wrong: other bits than sc.fit, or than the wave on paper" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
