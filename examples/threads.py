"""Processes, threads, and too many of both: the same jobs with each.

    python examples/threads.py [--cores 2] [--rows 20000]

large    Much arithmetic for each number (a Gaussian filter): more cores, more speed.
memory   Little arithmetic (a sum over more than the caches hold): some cores are enough to use all of
         the memory's bandwidth, and more of them gain little.
small    So little work that telling the workers of it costs more than doing it.
blas     A matrix product in a program: BLAS has `threads` in each worker, and every worker does a
         slice of the rows.

Two workers with a thread and one worker with two threads use the same cores. Results have the same
bits in each case.
"""

import argparse
import sys
import time

import numpy as np

import sharedcompute as sc

ROW = 512


def product(worker, x, b, out):
    mine = slice(*worker.rows(len(x)))
    out[mine] = x[mine] @ b


def jobs(team, x):
    """What is measured, by name: each gives an array."""
    small, b, out = x[:8], np.eye(ROW)[::-1].copy(), sc.empty(x.shape)

    def blas():
        team.run(product, x, b, out)
        return out

    on = {"team": team, "engine": "local"}  # "auto" would not ask the workers for small jobs
    return {
        "large": lambda: sc.map("gaussian", x, sigma=2.0, **on),
        "memory": lambda: sc.reduce("sum", x, **on),
        "small": lambda: sc.reduce("sum", small, **on),
        "blas": blas,
    }


def measure(call, repeats):
    """What a call gives, and the seconds of the fastest but the first, which may compile."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - began)
    return np.array(result), min(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    n = options.cores

    x = sc.asarray(np.random.default_rng(0).random((options.rows, ROW)))
    expected, alone, wrong = {}, {}, False
    print(f"{options.rows} x {ROW} float64, times as those of 1 worker with 1 thread")
    print(f"{'workers':>7}{'threads':>9}" + "".join(f"{name:>9}" for name in jobs(None, x)))
    for workers, threads in ((1, 1), (n, 1), (1, n), (n, n), (4 * n, 1)):
        line = f"{workers:>7}{threads:>9}"
        with sc.Team(workers, threads=threads) as team:
            for name, call in jobs(team, x).items():
                result, seconds = measure(call, options.repeats)
                same = np.array_equal(expected.setdefault(name, result), result)
                wrong = wrong or not same
                line += f"{seconds / alone.setdefault(name, seconds):>9.2f}"
        print(line)
    print("seconds of the first line: " + ", ".join(f"{k} {v:.2g}" for k, v in alone.items()))
    return "wrong: results depend on workers or threads" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
