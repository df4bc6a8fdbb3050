"""A race: a histogram that several processes fill at once, and what puts it right.

    python examples/race.py [--workers 2] [--values 2000000]

``histogram[b] += 1`` is three steps: read the count, add one, write it back. When two workers take
these steps at the same time, both read the same count, and one of the two additions is lost. The
program raises no error and gives a plausible histogram, which is another one each time. When the
workers have but one core between them, it is even right most of the time.

Three forms are right, and cost very different amounts of time:

lock      One worker at a time may touch the histogram.
atomic    The processor does the three steps as one (``fetch_add`` on the team's shared counters).
private   Each worker fills a histogram of its own; at the end they are added up. Nobody waits.
"""

import argparse
import sys
import time

import numba
import numpy as np

import sharedcompute as sc
from sharedcompute.sync import fetch_add, load, lock, unlock

BINS = 4  # few, so that workers want the same bin at the same time; there are up to 64 counters


@numba.njit(nogil=True)
def unlocked(control, x, histogram):
    for value in x:
        histogram[int(value * BINS)] += 1


@numba.njit(nogil=True)
def locked(control, x, histogram):
    for value in x:
        lock(control, 0)
        histogram[int(value * BINS)] += 1
        unlock(control, 0)


@numba.njit(nogil=True)
def atomic(control, x, histogram):
    for value in x:
        fetch_add(control, int(value * BINS), 1)


@numba.njit(nogil=True)
def read_counters(control, histogram):
    for b in range(BINS):
        histogram[b] = load(control, b)


def shared_form(worker, count, x, histogram):
    """Count this worker's rows into what all share; return the seconds that it took."""
    count(worker.control, x[:0], histogram)  # compiles it, so that this is not timed
    worker.barrier()  # all begin together
    began = time.perf_counter()
    count(worker.control, x[slice(*worker.rows(len(x)))], histogram)
    worker.barrier()
    seconds = time.perf_counter() - began
    if count is atomic and worker.rank == 0:
        read_counters(worker.control, histogram)
    return seconds


def private_form(worker, x, histogram):
    mine = np.zeros(BINS, np.int64)
    unlocked(worker.control, x[:0], mine)
    worker.barrier()
    began = time.perf_counter()
    unlocked(worker.control, x[slice(*worker.rows(len(x)))], mine)
    total = worker.allreduce(mine)  # integers: the sum is the same in any order
    seconds = time.perf_counter() - began
    if worker.rank == 0:
        histogram[:] = total
    return seconds


def measure(team, form, x):
    """Return the histogram of the worst of five runs, and the seconds of the fastest."""
    histogram, found, seconds = sc.zeros(BINS, np.int64), [], []
    for _ in range(5):
        histogram[:] = 0
        if form is private_form:
            times = team.run(private_form, x, histogram)
        else:
            times = team.run(shared_form, form, x, histogram)
        seconds.append(max(times))
        found.append(np.array(histogram))
    return min(found, key=np.sum), min(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--values", type=int, default=2_000_000)
    options = parser.parse_args()

    x = sc.asarray(np.random.default_rng(0).random(options.values))
    want = np.histogram(x, BINS, (0.0, 1.0))[0]
    forms = {"unlocked": unlocked, "lock": locked, "atomic": atomic, "private": private_form}
    wrong = []
    print(f"{options.values} values, {BINS} bins, {options.workers} workers")
    print(f"{'form':<10}{'counted':>10}{'lost':>10}{'ns a value':>12}  right")
    with sc.Team(options.workers) as team:
        for name, form in forms.items():
            histogram, seconds = measure(team, form, x)
            right = np.array_equal(histogram, want)
            lost = options.values - histogram.sum()
            each = seconds / options.values * 1e9
            print(f"{name:<10}{histogram.sum():>10}{lost:>10}{each:>12.2f}  {right}")
            if not right and form is not unlocked:
                wrong.append(name)
    return f"wrong: {', '.join(wrong)}" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
