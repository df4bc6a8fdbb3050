"""Rows that cost different amounts: what each schedule and each size of blocks makes of them.

    python examples/schedules.py [--workers 2] [--rows 2000]

Row i takes i steps, as in a triangle of pairs ("all j below i"): the last rows cost most. With
equal shares the worker that has the last rows works on while the others wait.

static      Equal shares of neighbouring rows, nothing to agree on. With weights: shares that cost
            the same, if the costs are known. With small blocks: no better, still neighbours.
dynamic     Who is free takes the next block. Small blocks come out even, large ones do not; but
            each costs a claim, some microseconds in Python.
guided      Large blocks first, ever smaller ones towards the end: few claims, and still even.
stealing    Static shares, and who is done takes blocks from who has most left.

"work" is the part of all steps that each worker did, from rank 0 up, "busy" the part of the time
that it spent on them. Where others use the machine as well, the worker that they disturb gets less
work from all but the static schedules.
"""

import argparse
import sys
import time

import numba
import numpy as np

import sharedcompute as sc


@numba.njit(nogil=True)
def rows_of_triangle(start, stop, out, cost):
    """Sum up i terms for row i, `cost` times over."""
    for i in range(start, stop):
        total = 0.0
        for _ in range(cost):
            for j in range(1, i + 1):
                total += 1.0 / (j * j)
        out[i] = total / cost


def program(worker, out, claim, cost):
    """Fill in the rows that fall to this worker: seconds, those on rows, steps, blocks."""
    rows_of_triangle(0, 0, out, cost)  # compiles it, so that this is not timed
    worker.barrier()
    began = time.perf_counter()
    busy = steps = blocks = 0
    for rows in blocks_of(worker, len(out), *claim):
        begin = time.perf_counter()
        rows_of_triangle(rows.start, rows.stop, out, cost)
        busy += time.perf_counter() - begin
        steps += sum(range(*rows))
        blocks += 1
    worker.barrier()
    return time.perf_counter() - began, busy, steps, blocks


def blocks_of(worker, n, schedule, block_rows):
    if schedule == "weighted":
        return [worker.rows(n, weights=np.arange(n))]
    return worker.claim(n, block_rows, schedule)


CLAIMS = (
    ("static", None),
    ("static", 10),
    ("weighted", None),
    ("dynamic", 1),
    ("dynamic", 10),
    ("dynamic", 700),
    ("dynamic", "auto"),
    ("guided", 10),
    ("stealing", 10),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--cost", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    n = options.rows

    want = np.cumsum(1 / np.arange(1.0, n) ** 2)
    wrong, first = False, None
    print(f"{n} rows, {options.workers} workers")
    work = f"{'work':<{6 * options.workers}}"
    print(f"{'schedule':<10}{'block':>6}{'blocks':>8}{'ms':>8}{'to static':>11}  {work}busy")
    with sc.Team(options.workers) as team:
        for claim in CLAIMS:
            runs = []
            for _ in range(options.repeats):
                out = sc.zeros(n)
                told = team.run(program, out, claim, options.cost)
                runs.append((max(seconds for seconds, *_ in told), told))
            seconds, told = min(runs, key=lambda run: run[0])
            first = first or seconds
            wrong = wrong or not np.allclose(out[1:], want, rtol=1e-12)
            work = "".join(f"{2 * steps / (n * (n - 1)):<6.0%}" for _, _, steps, _ in told)
            busy = "".join(f"{part / seconds:<6.0%}" for _, part, _, _ in told)
            blocks = sum(count for *_, count in told)
            print(
                f"{claim[0]:<10}{claim[1] or '':>6}{blocks:>8}{seconds * 1e3:>8.2f}"
                f"{seconds / first:>11.2f}  {work}{busy}"
            )
    return "wrong: other sums than NumPy's" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
