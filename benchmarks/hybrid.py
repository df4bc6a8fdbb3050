"""Threads inside of one process against processes, and what reading ahead is worth."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import sharedcompute as sc
from benchmarks.data import climate, normal
from benchmarks.timing import Row, at_most_times, medians
from sharedcompute.hdf5.reading.row_reader import ReadAhead

Job = Callable[..., object]


def jobs(folder: Path, nbytes: int) -> dict[str, Job]:
    """What is limited by memory, by arithmetic, by our codecs, and by HDF5's lock."""
    plain = normal(folder / "plain.h5", nbytes)
    gzip = climate(folder / "gzip.h5", nbytes // 4, compression=4, shuffle=True)
    x = sc.asarray(np.random.default_rng(0).normal(size=(200, 256, 256)).astype("f4"))
    y = sc.empty_like(x)
    made = {"overwrite": True}
    return {
        "reduce mean,std of contiguous f4": lambda **how: sc.reduce(["mean", "std"], plain, **how),
        "reduce mean,std of gzip": lambda **how: sc.reduce(["mean", "std"], gzip, **how),
        "map gaussian in memory": lambda **how: sc.map("gaussian", x, y, sigma=2.0, **how),
        "repack gzip to isal:1": lambda **how: sc.repack(
            gzip, folder / "out.h5", filter="isal:1", **made, **how
        ),
        "repack gzip to zstd:3, encoded by HDF5": lambda **how: sc.repack(
            gzip, folder / "out.h5", filter="zstd:3", **made, **how
        ),
    }


def threads_or_processes(folder: Path, nbytes: int, workers: int, repeats: int) -> list[Row]:
    """``-j 1 --threads N`` against ``-j N --threads 1``."""
    alone, threads = f"-j {workers} --threads 1", f"-j 1 --threads {workers}"
    rows = []
    with sc.Team(workers) as processes, sc.Team(1, workers) as hybrid:
        for what, job in jobs(folder, nbytes).items():
            timed: dict[str, Callable[[], Any]] = {
                "sharedcompute": lambda job=job: job(team=hybrid),
                alone: lambda job=job: job(team=processes),
            }
            seconds = medians(timed, repeats)
            rows.append(at_most_times(f"{what}, {threads}", seconds, alone, None))
    return rows


def reading_ahead(folder: Path, nbytes: int, workers: int, repeats: int) -> list[Row]:
    """A reduction with the page cache dropped, and with it warm, against one without advice."""
    files = {
        "contiguous": normal(folder / "plain.h5", nbytes),
        "gzip": climate(folder / "gzip.h5", nbytes // 4, compression=4, shuffle=True),
    }
    with sc.Team(workers, start_method="fork") as advised:
        advised.run(_begin)
        with (
            mock.patch.object(ReadAhead, "after", return_value=None),
            sc.Team(workers, start_method="fork") as other,
        ):
            other.run(_begin)
            return [
                _advice(name, file, cold, {"sharedcompute": advised, "no advice": other}, repeats)
                for name, file in files.items()
                for cold in (True, False)
            ]


def _advice(name: str, file: Path, cold: bool, teams: dict[str, sc.Team], repeats: int) -> Row:
    def reduce(team: sc.Team) -> None:
        if cold:
            drop(file)
        sc.reduce(["mean", "std"], file, team=team)

    seconds = medians({n: lambda team=team: reduce(team) for n, team in teams.items()}, repeats)
    what = f"reduce mean,std of {name}, {'cold' if cold else 'warm'} page cache"
    return at_most_times(what, seconds, "no advice", None)


def _begin(_worker: sc.Worker) -> None:
    """Makes sure that a fork has begun as it is to be."""


def drop(file: Path) -> None:
    """Take a file out of the page cache."""
    fd = os.open(file, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
