"""A Monte Carlo integral whose digits do not depend on the number of workers.

    python examples/monte_carlo.py [--workers 4] [--samples 10000000]

The mean of ``exp(-|x|^2)`` over the unit cube in six dimensions, which is known on paper. Random
numbers come from one stream for each *block* of samples, and not from one for each worker: block
17 is the same wherever it is computed, and the means of the blocks are added up in their order.
"""

import argparse
import math
import sys
import time

import numpy as np

import sharedcompute as sc

DIMENSIONS, BLOCK, SEED = 6, 20_000, 20240229


def block_mean(block, samples):
    # The same as SeedSequence(SEED).spawn(blocks)[block], without making all the others.
    stream = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(block,)))
    points = stream.random((samples, DIMENSIONS))
    return np.exp(-(points**2).sum(axis=1)).mean()


def program(worker, means):
    """Fill in the means of the blocks that this worker gets; return the seconds that it took."""
    worker.barrier()  # all begin together
    began = time.perf_counter()
    for rows in worker.claim(len(means), 1, schedule="dynamic"):
        means[rows.start] = block_mean(rows.start, BLOCK)
    worker.barrier()  # all means are there
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=4, help="the most; 1, 2, 4 ... up to it")
    parser.add_argument("--samples", type=int, default=10_000_000)
    options = parser.parse_args()
    blocks = max(2, options.samples // BLOCK)

    exact = (math.sqrt(math.pi) / 2 * math.erf(1)) ** DIMENSIONS
    counts = [2**k for k in range(options.workers.bit_length()) if 2**k <= options.workers]
    results, seconds = {}, {}
    print(f"{blocks} blocks of {BLOCK} samples, exact {exact:.9f}")
    print(f"{'workers':>7}{'seconds':>9}{'speed-up':>10}  result")
    for workers in counts:
        means = sc.empty(blocks)
        with sc.Team(workers) as team:
            seconds[workers] = min(max(team.run(program, means)) for _ in range(3))
        results[workers] = float(np.mean(means))
        speedup = seconds[1] / seconds[workers]
        print(f"{workers:>7}{seconds[workers]:>9.3f}{speedup:>10.2f}  {results[workers]!r}")
    error, sigma = abs(results[1] - exact), np.std(means) / math.sqrt(blocks)
    print(f"off by {error:.1e}, standard error {sigma:.1e}")
    if len(set(results.values())) > 1 or error > 6 * sigma:
        return "wrong: other digits with other workers, or far from the exact value"
    return 0


if __name__ == "__main__":
    sys.exit(main())
