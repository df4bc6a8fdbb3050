"""k-means twice: ``sc.fit("kmeans")``, and Lloyd's algorithm as a program of 20 lines.

    python examples/kmeans.py [--workers 2] [--rows 100000] [--columns 8] [--clusters 8]

In the program each worker looks at its own rows, and one ``allreduce`` a round gives everybody the
sums of all, so that everybody makes the same new centres. Both begin with the same centres and must
come to the same ones, and scikit-learn too, where it is installed.

What the program does not have: ``allreduce`` adds up by rank, so another number of workers rounds
the sums in another way. ``sc.fit`` adds up blocks of rows in a fixed order, and its bits are the
same for any number of workers.
"""

import argparse
import sys
import time

import numba
import numpy as np

import sharedcompute as sc


@numba.njit(nogil=True)
def nearest(x, centers, labels, sums):
    """Find the centre of each row, and add the row and a 1 to what this centre has."""
    for i in range(x.shape[0]):
        best, least = 0, np.inf
        for k in range(centers.shape[0]):
            distance = 0.0
            for j in range(x.shape[1]):
                distance += (x[i, j] - centers[k, j]) ** 2
            if distance < least:
                best, least = k, distance
        labels[i] = best
        for j in range(x.shape[1]):
            sums[best, j] += x[i, j]
        sums[best, -1] += 1


def lloyd(worker, x, centers, labels, rounds):
    """Lloyd's algorithm; `labels` are shared, each worker writes those of its rows."""
    mine = slice(*worker.rows(len(x)))
    for _ in range(rounds):
        sums = np.zeros((len(centers), x.shape[1] + 1))
        nearest(x[mine], centers, labels[mine], sums)
        sums = worker.allreduce(sums)  # the same bits on every rank, so nobody strays
        centers = sums[:, :-1] / sums[:, -1:]
    nearest(x[mine], centers, labels[mine], sums)  # the labels under the last centres
    return centers


def timed(call, *args, **settings):
    """What a call gives, and the seconds of the faster of two: the first may have to compile."""
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        result = call(*args, **settings)
        seconds.append(time.perf_counter() - began)
    return result, min(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--clusters", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()

    # Clouds that overlap, so that no round is the last; the first centres are a row of each.
    rng = np.random.default_rng(0)
    middles = 4 * rng.random((options.clusters, options.columns))
    belongs = np.arange(options.rows) % options.clusters
    x = sc.asarray(middles[belongs] + rng.normal(size=(options.rows, options.columns)))
    init = np.array(x[: options.clusters])
    settings = {"init": init, "max_iter": options.rounds, "tol": 0.0}

    results = {}
    for workers in sorted({1, options.workers}):
        with sc.Team(workers) as team:
            labels = sc.empty(len(x), np.int64)
            found, seconds = timed(team.run, lloyd, x, init, labels, options.rounds)
            results[f"program, {workers} workers"] = found[0], np.array(labels), seconds
            fitted, seconds = timed(sc.fit, "kmeans", x, team=team, **settings)
            name = f"sc.fit, {workers} workers"
            results[name] = fitted.cluster_centers_, fitted.labels_, seconds
    try:
        from sklearn.cluster import KMeans  # noqa: PLC0415 - it need not be installed
    except ImportError:
        pass
    else:
        model = KMeans(options.clusters, **settings, n_init=1)
        _, seconds = timed(model.fit, np.asarray(x))
        results["scikit-learn"] = model.cluster_centers_, model.labels_, seconds

    one, many = "sc.fit, 1 workers", f"sc.fit, {options.workers} workers"
    centers, labels, _ = results[one]
    print(f"{options.rows} x {options.columns}, {options.clusters} clusters")
    print(f"{'':<20}{'seconds':>9}{'off by':>10}  same labels")
    wrong = not np.array_equal(results[many][0], centers)
    for name, (found, of_rows, seconds) in results.items():
        off, same = np.abs(found - centers).max(), np.array_equal(of_rows, labels)
        wrong = wrong or off > 1e-9 or not same
        print(f"{name:<20}{seconds:>9.3f}{off:>10.1e}  {same}")
    return "wrong: other centres or labels" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
