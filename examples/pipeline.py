"""A producer and consumers: frames go through a queue that never holds more than a few of them.

    python examples/pipeline.py [--workers 3] [--frames 60] [--size 400]

Rank 0 makes frames (reads a camera, a socket, a tape); all other ranks take them out and look for
the brightest pixel. The queue is *bounded*: when the consumers are slower, the producer waits
instead of filling the memory. What is in memory is then at most the frames in the queue, one at
the producer and one at each consumer, however many frames there are: the program counts.

The end: the producer closes the queue, and each consumer's loop ends when it is closed and empty.
Which consumer got which frame is another matter in each run, so results are told apart by the
frame's number.
"""

import argparse
import sys
import time

import numpy as np

import sharedcompute as sc

MADE, TAKEN = 0, 1  # counters that all ranks share


def frame(number, size):
    return np.random.default_rng(number).random((size, size))


def program(worker, frames, size, maxsize):
    """Rank 0 gives how long it waited and how many frames were under way, others their results."""
    queue = worker.queue(maxsize, producers=1)  # all ranks make it, together
    return produce(worker, queue, frames, size) if worker.rank == 0 else consume(worker, queue)


def produce(worker, queue, frames, size):
    waited, most = 0.0, 0
    for number in range(frames):
        made = number, frame(number, size)
        began = time.perf_counter()
        queue.put(made)  # waits while the queue is full
        waited += time.perf_counter() - began
        worker.counter(MADE).fetch_add(1)
        most = max(most, number + 1 - worker.counter(TAKEN).load())
    queue.close()
    return waited, most


def consume(worker, queue):
    found = []
    for number, pixels in queue:  # until it is closed and empty
        worker.counter(TAKEN).fetch_add(1)
        # Three sorts stand for something slow, so that here the consumers set the pace.
        brightest = max(np.sort(pixels, axis=None)[-1] for _ in range(3))
        found.append((number, float(brightest)))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=3, help="one of them makes the frames")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, default=400)
    options = parser.parse_args()
    if options.workers < 2:
        return "expected 2 workers or more: a producer and consumers"

    frames, megabytes = options.frames, options.size**2 * 8 / 1e6
    want = [float(frame(number, options.size).max()) for number in range(frames)]
    print(f"{frames} frames of {megabytes:.1f} MB, {options.workers - 1} consumers")
    print(f"{'maxsize':>7}{'seconds':>9}{'producer waits':>16}{'most waiting':>14}{'MB':>7}  right")
    wrong = False
    with sc.Team(options.workers) as team:
        for maxsize in (1, 4, 16):
            began = time.perf_counter()
            (waited, most), *found = team.run(program, frames, options.size, maxsize)
            seconds = time.perf_counter() - began
            by_number = dict(pair for part in found for pair in part)
            right = [by_number.get(number) for number in range(frames)] == want
            # A frame counts as taken only a moment after it has left the queue.
            bounded = most <= maxsize + options.workers - 1
            wrong = wrong or not right or not bounded
            print(
                f"{maxsize:>7}{seconds:>9.3f}{waited / seconds:>16.0%}{most:>14}"
                f"{most * megabytes:>7.1f}  {right}"
            )
    return "wrong: frames are missing, or too many were under way" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
