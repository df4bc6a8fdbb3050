"""Calls of all ranks against the same through multiprocessing's pipes and queues.

All sides are loops inside of two running processes, timed there: nothing is started in between.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import sharedcompute as sc
from benchmarks.timing import Row, ratio

_PEER = "multiprocessing pipes"
_WARM, _CALLS = 5, 60


def seconds_of(call: Callable[[], object], calls: int = _CALLS) -> float:
    """Median seconds of a call; a few before do not count."""
    times = []
    for _ in range(_WARM + calls):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times[_WARM:])


def _ours(worker: sc.Worker, nbytes: int) -> dict[str, float]:
    x = np.full(nbytes // 8, float(worker.rank))
    other = 1 - worker.rank

    def exchange() -> None:
        if worker.rank == 0:
            worker.send(x, other)
            worker.recv(other)
        else:
            worker.recv(other)
            worker.send(x, other)

    return {
        "allreduce": seconds_of(lambda: worker.allreduce(x)),
        "broadcast": seconds_of(lambda: worker.broadcast(x)),
        "send and recv, there and back": seconds_of(exchange),
    }


def _theirs(end: Any, rank: int, nbytes: int) -> dict[str, float]:
    """The same, as one writes it with a `multiprocessing.Pipe`, which sends NumPy's bytes."""
    x = np.full(nbytes // 8, float(rank))
    room = np.empty_like(x)

    def send() -> None:
        end.send_bytes(x.view(np.uint8).data)

    def receive() -> np.ndarray[Any, Any]:
        end.recv_bytes_into(room.view(np.uint8).data)
        return room

    def allreduce() -> np.ndarray[Any, Any]:
        # One after the other: both would wait for room in full pipes.
        if rank == 0:
            send()
            return x + receive()
        other = receive()
        total = other + x
        send()
        return total

    def broadcast() -> np.ndarray[Any, Any]:
        # With an answer, for a call to be over when all have it.
        if rank == 0:
            send()
            end.recv_bytes()
            return x
        got = receive().copy()
        end.send_bytes(b".")
        return got

    def exchange() -> None:
        if rank == 0:
            end.send(x)
            end.recv()
        else:
            end.recv()
            end.send(x)

    return {
        "allreduce": seconds_of(allreduce),
        "broadcast": seconds_of(broadcast),
        "send and recv, there and back": seconds_of(exchange),
    }


def _peer(end: Any, nbytes: int) -> None:
    _theirs(end, 1, nbytes)


def _through_pipes(nbytes: int) -> dict[str, float]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_peer, args=(theirs, nbytes))
    process.start()
    try:
        return _theirs(ours, 0, nbytes)
    finally:
        process.join()


def calls(team: sc.Team, repeats: int) -> list[Row]:
    """Of 1 MB and of 8 bytes, two processes; medians of rounds in turn."""
    rows = []
    for nbytes, what in ((1 << 20, "1 MB"), (8, "8 bytes")):
        rounds: list[tuple[dict[str, float], dict[str, float]]] = [
            (team.run(_ours, nbytes)[0], _through_pipes(nbytes)) for _ in range(repeats)
        ]
        for call in rounds[0][0]:
            seconds = {
                "sharedcompute": statistics.median(ours[call] for ours, _ in rounds),
                _PEER: statistics.median(theirs[call] for _, theirs in rounds),
            }
            bar = 3.0 if (call, nbytes) == ("allreduce", 1 << 20) else None
            rows.append(ratio(f"{call} of {what}", seconds, _PEER, bar))
    return rows
