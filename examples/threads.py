"""Processes, threads, and too many of both: the same jobs with each.

    python examples/threads.py [--cores 2] [--rows 10000]

large    Much arithmetic for each number (a Gaussian filter): more cores, more speed.
memory   Little arithmetic (a sum over more than the caches hold): a few cores use all of the
         memory's bandwidth, and more of them gain nothing.
small    So little work that telling the workers of it takes longer than doing it.
blas     A program in which each worker multiplies its rows by a matrix; BLAS has the threads.

Two workers with a thread each and one worker with two threads use the same cores. Figures are times
as multiples of those in the first line, of this process alone: 0.5 is twice as fast.
"""

import argparse
import sys
import time
from contextlib import nullcontext

import numpy as np

import sharedcompute as sc

COLUMNS = 512
WORKS = ("large", "memory", "small", "blas")


def product(worker, x, b, out):
    mine = slice(*worker.rows(len(x)))
    out[mine] = x[mine] @ b


def work(team, what, x, b, out):
    if what == "blas":
        if team is None:
            return np.matmul(x, b, out)
        team.run(product, x, b, out)
        return out
    # The default, engine="auto", does not ask the workers where the job is too small to gain.
    where = {"engine": "serial"} if team is None else {"engine": "local", "team": team}
    if what == "large":
        return sc.map("gaussian", x, out, sigma=2.0, **where)
    return sc.reduce("sum", x if what == "memory" else x[:8], **where)


def measure(repeats, *args):
    """What the work gives, and the seconds of the fastest but the first, which may compile."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        result = work(*args)
        seconds.append(time.perf_counter() - began)
    return np.array(result), min(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    n = options.cores

    rng = np.random.default_rng(0)
    x, b = sc.asarray(rng.random((options.rows, COLUMNS))), sc.asarray(rng.random((COLUMNS,) * 2))
    out, wrong = sc.empty_like(x), set()
    expected, alone = {"blas": x @ b}, {}
    print(f"{options.rows} x {COLUMNS} float64")
    print(f"{'workers':>7}{'threads':>9}" + "".join(f"{what:>9}" for what in WORKS))
    for workers, threads in ((0, 0), (1, 1), (n, 1), (1, n), (n, n), (4 * n, 1)):
        line = f"{workers:>7}{threads:>9}" if workers else "this process    "
        made = sc.Team(workers, threads=threads) if workers else nullcontext()
        with made as team:
            for what in WORKS:
                result, seconds = measure(options.repeats, team, what, x, b, out)
                # A BLAS rounds otherwise for another number of rows. All else has the same bits.
                rtol = 1e-12 if what == "blas" else 0.0
                if not np.allclose(result, expected.setdefault(what, result), rtol, atol=0.0):
                    wrong.add(what)
                line += f"{seconds / alone.setdefault(what, seconds):>9.2f}"
        print(line)
    print("ms of the first line: " + ", ".join(f"{k} {v * 1e3:.2g}" for k, v in alone.items()))
    return f"wrong: other results of {', '.join(sorted(wrong))}" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
