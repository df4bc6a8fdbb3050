"""Jobs that tests stop and go on with, what they read, and ways to stop them."""

from __future__ import annotations

import functools
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import sharedcompute as sc
from sharedcompute import events
from sharedcompute.engines.durability import in_order, states
from sharedcompute.engines.units import threads
from sharedcompute.system import faults


def write_input(path: Path, rows: int) -> None:
    """A file with rows of several kinds: contiguous, gzip, integers."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 40)).astype("f4").cumsum(0)
    with h5py.File(path, "w") as file:
        file.create_dataset("plain", data=x)
        file.create_dataset("gzip", data=x, chunks=(5, 40), compression=4, shuffle=True)
        file.create_dataset("counts", data=rng.integers(0, 999, (rows, 40), dtype="u2"))


Job = Callable[..., Any]


def map_of(op: str, path: str, **params: Any) -> Job:
    return lambda f, out, **how: sc.map(op, f"{f}::/{path}", out, block_rows=10, **params, **how)


def reduce_of(ops: str, path: str, **params: Any) -> Job:
    names = ops.split(",")
    return lambda f, out, **how: sc.reduce(
        names, f"{f}::/{path}", out, block_rows=10, **params, **how
    )


JOBS: dict[str, Job] = {
    "contiguous": map_of("gaussian", "plain", sigma=1.5),
    "gzip": map_of("gaussian", "gzip", sigma=1.5),
    "chunks without filter": map_of("scale", "chunks", factor=2.0),
    "two passes": map_of("zscore", "gzip"),
    "scan": lambda f, out, **how: sc.scan("cumsum", f"{f}::/gzip", out, block_rows=10, **how),
    "one state a block": reduce_of("mean,std", "plain"),
    "one state a worker": reduce_of("mean,max", "counts"),
    "held until all is there": map_of(
        "scale", "plain", factor=2.0, chunks="200,8", filter="gzip:1"
    ),
    "repack a file": lambda f, out, **how: sc.repack(f, out, filter="gzip:1", **how),
    "repack a dataset": lambda f, out, **how: sc.repack(f"{f}::/gzip", out, chunks="20,10", **how),
    "repack without filter": lambda f, out, **how: sc.repack(f, out, filter="none", **how),
}


@functools.cache
def whole_of(source: Path, name: str) -> bytes:
    """The output of a job that nobody stops."""
    out = source.with_name("whole.h5")
    JOBS[name](source, out, engine="serial")
    made = out.read_bytes()
    out.unlink()
    return made


class Stop(Exception):
    """What stops a job in these tests."""


class Watch:
    """A listener that counts, and stops the job after some blocks."""

    def __init__(self, after: float = np.inf) -> None:
        self.after = after
        self.done: list[int] = []
        self.restored = 0

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.BlocksRestored):
            self.restored += event.blocks
        if isinstance(event, events.BlockDone):
            if len(self.done) >= self.after:
                raise Stop
            self.done.append(event.block)


def in_a_fork(work: Callable[[], Any]) -> int:
    """Do `work` in a process of its own; its exit status, or the signal that killed it, below 0."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(60)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(place: Path, job: Job, script: str, **how: Any) -> int:
    """Run a job in a fork that fails as `script` says."""
    counts = place / "counts"
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir()

    def work() -> None:
        os.environ["SHAREDCOMPUTE_FAULTS_FOLDER"] = str(counts)
        faults.SCRIPT = tuple(tuple(word.split(":")) for word in script.split())
        for module in (in_order, states, threads):
            module.TAKE_SECONDS = 0.0  # type: ignore[attr-defined]
        job(place / "in.h5", place / "out.h5", **how)

    return in_a_fork(work)
