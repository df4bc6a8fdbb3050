"""What a user may call with a team, each compared with NumPy: to be run in any kind of process.

``python everywhere.py HOW METHOD FOLDER`` runs all of it in a child that was started in the way HOW
(a start method of multiprocessing, ``pool``, or ``os.fork``), on teams of the start method METHOD.
The input is ``in.h5`` in FOLDER. It prints "as it must be", or the traceback of what is not.
"""

import functools
import multiprocessing
import os
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import h5py
import numba
import numpy as np

import sharedcompute as sc
from sharedcompute.hdf5.inspection.verify import verify


def double(x, out):
    out[...] = 2 * x


@numba.njit
def triple(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = 3 * x[i, j]


def fill(worker, a):
    a[worker.rank] = worker.rank + 1


class Answer:
    """A class of the script."""

    def __init__(self, number):
        self.number = number


def answer(worker):
    return Answer(worker.rank)


def check_all(team, folder, x):
    """Call everything, and compare."""
    source = f"{folder}/in.h5::/x"
    small = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(team.map(double, small), 2 * small)
    assert np.array_equal(team.map(triple, small), 3 * small)
    a = sc.zeros(2)
    team.run(fill, a)
    assert a.tolist() == [1, 2]
    assert [found.number for found in team.run(answer)] == [0, 1]
    assert np.allclose(sc.reduce("mean", x, team=team), x.mean(axis=0))
    for op, expected in (("count", len(x)), ("max", x.max(axis=0)), ("sum", x.sum(axis=0))):
        assert np.allclose(sc.reduce(op, source, team=team), expected), op
    assert np.allclose(sc.scan("cumsum", source, team=team), np.cumsum(x, axis=0))
    fit = sc.fit("kmeans", source, n_clusters=2, random_state=0, team=team)
    assert fit.labels_.shape == (len(x),)
    assert len(np.unique(fit.labels_)) == 2
    for chunks in (None, "30,7", "contiguous"):
        storage = {} if chunks == "contiguous" else {"filter": "gzip:1"}
        out = f"{folder}/{chunks}.h5"
        sc.map(
            "scale", source, out, factor=2.0, chunks=chunks, overwrite=True, team=team, **storage
        )
        assert np.array_equal(read(out), 2 * x), chunks
        assert verify(out).ok
        sc.repack(source, out, chunks=chunks, overwrite=True, team=team, **storage)
        assert np.array_equal(read(out), x), chunks


def read(file):
    """Read what h5py reads."""
    with h5py.File(file) as opened:
        return opened["x"][...]


def check_here(method, folder):
    """Check it in this process; what is wrong, as text."""
    try:
        x = read(f"{folder}/in.h5")
        with sc.Team(2, start_method=method) as team:
            check_all(team, folder, x)
        found = sc.reduce("mean", f"{folder}/in.h5::/x", engine="local", workers=2)
        assert np.allclose(found, x.mean(axis=0))
        assert np.allclose(sc.reduce("mean", f"{folder}/in.h5::/x"), x.mean(axis=0))
    except BaseException:
        return traceback.format_exc()
    return "as it must be"


def put(answer, f, *args):
    """Put what a function returns into a file."""
    Path(answer).write_text(f(*args))


def run_in(how, f, *args):
    """Call a function of this script in a child; what it returns."""
    if how == "pool":
        with ProcessPoolExecutor(1) as pool:
            return pool.submit(f, *args).result()
    answer = f"{args[-1]}/answer"
    body = functools.partial(put, answer, f, *args)
    if how == "os.fork":
        pid = os.fork()
        if pid == 0:
            body()
            os._exit(0)
        os.waitpid(pid, 0)
    else:
        child = multiprocessing.get_context(how).Process(target=body)
        child.start()
        child.join()
    return Path(answer).read_text()


def main():
    """Run it as the command line says."""
    how, method, folder = sys.argv[1:]
    print(run_in(how, check_here, method, folder))


if __name__ == "__main__":
    main()
