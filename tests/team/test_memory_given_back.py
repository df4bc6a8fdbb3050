"""A team that stays does not stay large: what long messages took is given back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sharedcompute as sc

LONG, SHORT = 8 << 20, 1 << 20


def _memory() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss_Shmem:"))


def _exchange(worker: sc.Worker, nbytes: int) -> int:
    worker.allgather(np.ones(nbytes, np.uint8))
    return _memory()


def _send(worker: sc.Worker) -> int:
    for number in range(40):
        if worker.rank == 0:
            worker.send(np.ones(LONG if number % 2 else SHORT, np.uint8), 1)
        elif worker.rank == 1:
            worker.recv(0)
    return _memory()


def test_blocks_of_long_calls_are_freed_when_the_job_is_over(team: sc.Team) -> None:
    size = 4 * LONG
    assert max(team.run(_exchange, size)) >= size
    assert max(team.run(_exchange, 8)) < size


def test_who_receives_lets_go_of_what_the_sender_has_freed(team: sc.Team) -> None:
    before = max(team.run(_exchange, 8))
    assert team.run(_send)[1] < before + 8 * LONG
