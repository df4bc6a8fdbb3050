"""What it costs to work in step, against multiprocessing's locks and barriers.

Ours run inside compiled loops, which is what they are for; multiprocessing's have no such form, so
theirs run in a Python loop, whose own 20 ns a turn stay in.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import numba

import sharedcompute as sc
from benchmarks.timing import Row, at_most, at_most_times
from sharedcompute.sync import alone, barrier, fetch_add, lock, unlock

_BARRIERS, _OTHERS, _CONTENDED = 200, 5000, 50_000
"""Turns of a loop. Those for a lock that others want are long: short ones would pass each other."""
_ROUNDS = 60
"""Runs of which the fastest counts. Short ones: a loop is disturbed by others or it is not."""


@numba.njit(cache=True, nogil=True)
def _barriers(control: Any, n: int) -> None:
    for _ in range(n):
        barrier(control)


@numba.njit(cache=True, nogil=True)
def _locks(control: Any, n: int) -> None:
    for _ in range(n):
        lock(control, 0)
        unlock(control, 0)


@numba.njit(cache=True, nogil=True)
def _additions(control: Any, n: int) -> None:
    for _ in range(n):
        fetch_add(control, 0, 1)


def _seconds(together: Callable[[], object], work: Callable[[], object], turns: int) -> float:
    """Of a turn: the fastest loop's, or the median until all are through long ones."""
    times = []
    for _ in range(_ROUNDS):
        together()
        began = time.perf_counter()
        work()
        if turns == _CONTENDED:
            together()
        times.append(time.perf_counter() - began)
    return (statistics.median(times) if turns == _CONTENDED else min(times)) / turns


def _ours(worker: sc.Worker, loop: Callable[[Any, int], None], turns: int) -> float:
    loop(worker.control, 1)
    return _seconds(worker.barrier, lambda: loop(worker.control, turns), turns)


def _their_barriers(gate: Any, turns: int) -> None:
    for _ in range(turns):
        gate.wait()


def _their_locks(held: Any, turns: int) -> None:
    for _ in range(turns):
        held.acquire()
        held.release()


def _serve(loop: Any, thing: Any, turns: int, gate: Any, found: Any) -> None:
    found.put(_seconds(gate.wait, lambda: loop(thing, turns), turns))


def _theirs(loop: Any, thing: Any, parties: int, turns: int) -> float:
    context = multiprocessing.get_context("forkserver")
    gate, found = context.Barrier(parties), context.Queue()
    args = loop, thing, turns, gate, found
    started = [context.Process(target=_serve, args=args, daemon=True) for _ in range(parties)]
    for process in started:
        process.start()
    seconds = [found.get() for _ in started]
    for process in started:
        process.join()
    return max(seconds)


def costs(workers: int, crowd: int) -> list[Row]:
    """Barriers and locks, of `workers` with a core each and of a crowd on the same cores."""
    context = multiprocessing.get_context("forkserver")
    rows = []
    for loop in (_barriers, _locks, _additions):
        loop(alone(), 1)  # into the cache
    for parties, bar in ((workers, 1 / 5), (crowd, 1 / 2)):
        with sc.Team(parties) as team:
            ours = max(team.run(_ours, _barriers, _BARRIERS))
        peer = _theirs(_their_barriers, context.Barrier(parties), parties, _BARRIERS)
        what = f"barrier of {parties} in compiled code"
        rows.append(_row(what, ours, "multiprocessing.Barrier", peer, bar))
    for parties, turns in ((1, _OTHERS), (workers, _CONTENDED)):
        with sc.Team(parties) as team:
            ours = max(team.run(_ours, _locks, turns))
        peer = _theirs(_their_locks, context.Lock(), parties, turns)
        what = f"lock and unlock by {parties} in compiled code"
        rows.append(_row(what, ours, "multiprocessing.Lock", peer, 1 / 3))
    with sc.Team(1) as team:
        (once,) = team.run(_ours, _additions, _OTHERS)
    return [*rows, at_most("fetch_add in compiled code", once, 50e-9, "ns", 1e9)]


def _row(what: str, ours: float, name: str, peer: float, bar: float) -> Row:
    return at_most_times(what, {"sharedcompute": ours, name: peer}, name, bar)
