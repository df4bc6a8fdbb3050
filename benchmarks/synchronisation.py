"""What it costs to work in step, against multiprocessing's locks and barriers.

Ours run inside compiled loops, which is what they are for; multiprocessing's have no such form, so
theirs run in a Python loop, whose own 20 ns a turn stay in.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import numba

import sharedcompute as sc
from benchmarks.timing import Row, at_most, at_most_times
from sharedcompute.sync import alone, barrier, fetch_add, lock, unlock

_TURNS = 200
_ROUNDS = 300
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


def _fastest(together: Callable[[], object], work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        together()
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best / _TURNS


def _ours(worker: sc.Worker, loop: Callable[[Any, int], None]) -> float:
    loop(worker.control, 1)
    return _fastest(worker.barrier, lambda: loop(worker.control, _TURNS))


def _their_barriers(gate: Any) -> None:
    for _ in range(_TURNS):
        gate.wait()


def _their_locks(held: Any) -> None:
    for _ in range(_TURNS):
        held.acquire()
        held.release()


def _serve(loop: Callable[[Any], None], thing: Any, gate: Any, found: Any) -> None:
    found.put(_fastest(gate.wait, lambda: loop(thing)))


def _theirs(loop: Callable[[Any], None], thing: Any, parties: int, context: Any) -> float:
    gate, found = context.Barrier(parties), context.Queue()
    started = [
        context.Process(target=_serve, args=(loop, thing, gate, found)) for _ in range(parties)
    ]
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
            ours = max(team.run(_ours, _barriers))
        peer = _theirs(_their_barriers, context.Barrier(parties), parties, context)
        what = f"barrier of {parties} in compiled code"
        rows.append(_row(what, ours, "multiprocessing.Barrier", peer, bar))
    for parties in (1, workers):
        with sc.Team(parties) as team:
            ours = max(team.run(_ours, _locks))
        peer = _theirs(_their_locks, context.Lock(), parties, context)
        what = f"lock and unlock by {parties} in compiled code"
        rows.append(_row(what, ours, "multiprocessing.Lock", peer, 1 / 3))
    with sc.Team(1) as team:
        (once,) = team.run(_ours, _additions)
    return [*rows, at_most("fetch_add in compiled code", once, 50e-9, "ns", 1e9)]


def _row(what: str, ours: float, name: str, peer: float, bar: float) -> Row:
    return at_most_times(what, {"sharedcompute": ours, name: peer}, name, bar)
