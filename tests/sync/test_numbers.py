"""Numbers and claims that cannot be meant are refused on the rank that gives them."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute import sync
from sharedcompute.rows import SCHEDULES

NO_NUMBERS: list[Any] = [-1, 2.0, 1.5, "3", None, True, [3], np.nan, 1j]


def refused(worker: Any, call: str, value: Any) -> str:
    """The line with which a call refuses a value."""
    calls = {
        "rows": worker.rows,
        "claim": worker.claim,
        "claim, static": lambda v: worker.claim(v, 3, "static"),
        "claim, auto": lambda v: worker.claim(v, "auto"),
        "block_rows": lambda v: worker.claim(10, v),
        "block_rows, static": lambda v: worker.claim(10, v, "static"),
        "semaphore": worker.semaphore,
        "locks": worker.locks,
        "counter": worker.counter,
        "event": worker.event,
        "queue": worker.queue,
        "producers": lambda v: worker.queue(3, producers=v),
        "send": lambda v: worker.send(1, v),
        "recv": lambda v: worker.recv(v, timeout=0),
        "broadcast": lambda v: worker.broadcast(1, root=v),
        "fetch_add": lambda v: worker.counter(0).fetch_add(v),
        "store": lambda v: worker.counter(0).store(v),
        "barrier": lambda v: worker.barrier(timeout=v),
        "acquire": lambda v: worker.lock.acquire(timeout=v),
        "wait": lambda v: worker.event(0).wait(timeout=v),
        "at": lambda v: worker.at((v, 3)),
    }
    try:
        calls[call](value)
    except sc.InputError as problem:
        return str(problem)
    return ""


CALLS = ["rows", "claim", "claim, static", "claim, auto", "block_rows", "block_rows, static"]
CALLS += ["semaphore", "locks", "counter", "event", "queue", "producers", "send", "recv"]
CALLS += ["broadcast", "fetch_add", "store", "at"]
TAKEN = {"block_rows": [None], "block_rows, static": [None], "fetch_add": [-1], "store": [-1]}
TOO_LARGE = {
    **{"claim": 1 << 62, "claim, static": 1 << 62, "locks": 16, "counter": 64},
    **{"event": 16, "producers": 3, "send": 2, "recv": 2, "broadcast": 2, "fetch_add": 1 << 63},
    **{"store": 1 << 63, "claim, auto": 1 << 40},
}


def test_what_is_no_whole_number_in_range_is_refused(team: sc.Team) -> None:
    def program(worker: Any) -> dict[tuple[str, str], str]:
        given = {call: [v for v in NO_NUMBERS if v not in TAKEN.get(call, [])] for call in CALLS}  # type: ignore[operator]
        # What is not refused would wait for the other rank, so only one of them asks.
        if worker.rank:
            return {}
        found = {(c, repr(v)): refused(worker, c, v) for c in CALLS for v in given[c]}
        return found | {(c, repr(v)): refused(worker, c, v) for c, v in TOO_LARGE.items()}

    for asked, said in team.run(program)[0].items():
        assert said.startswith("expected "), asked
        assert "got" in said
        assert len(said.splitlines()) == 1


def test_numbers_of_numpy_are_whole_numbers(team: sc.Team) -> None:
    def program(worker: Any) -> Any:
        three = np.int32(3)
        with worker.semaphore(three), worker.locks(np.uint8(2)):
            worker.counter(three).fetch_add(np.int64(5))
        worker.barrier()
        claimed = [tuple(rows) for rows in worker.claim(np.uint16(7), three, "static")]
        return tuple(worker.rows(np.int64(7))), claimed, worker.counter(3).load()

    assert team.run(program) == [((0, 4), [(0, 3), (3, 6)], 10), ((4, 7), [(6, 7)], 10)]


@pytest.mark.parametrize("timeout", [-1, np.nan, "1", [1]])
def test_a_time_limit_that_is_no_number_of_seconds_is_refused(team: sc.Team, timeout: Any) -> None:
    def program(worker: Any) -> Any:
        with worker.lock:
            pass
        if worker.rank:
            return []
        return [refused(worker, call, timeout) for call in ("barrier", "acquire", "wait")]

    for said in team.run(program)[0]:
        assert "expected a timeout" in said


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1, -1, 2], "from 0 up, got -1.0 for row 1"),
        ([1, np.nan, 2], "from 0 up, got nan for row 1"),
        ([1, 2, np.inf], "from 0 up, got inf for row 2"),
        ([1, 2], "each of 3 rows"),
        ([[1, 2, 3]], "each of 3 rows"),
        (["a", "b", "c"], "each of 3 rows"),
        ([1, 2j, 3], "each of 3 rows"),
        (3, "each of 3 rows"),
    ],
)
def test_weights_that_are_no_costs_are_refused(team: sc.Team, weights: Any, said: str) -> None:
    with pytest.raises(sc.InputError, match=said):
        team.run(lambda worker: worker.rows(3, weights=weights))


CLAIMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "n": ({"n": 100}, {"n": 200}),
    "block_rows": ({"n": 100, "block_rows": 3}, {"n": 100, "block_rows": 4}),
    "auto": ({"n": 100, "block_rows": 3}, {"n": 100, "block_rows": "auto"}),
    "schedule": ({"n": 100}, {"n": 100, "schedule": "guided"}),
    "static": ({"n": 100}, {"n": 100, "schedule": "static"}),
    "stealing": ({"n": 100, "schedule": "stealing"}, {"n": 101, "schedule": "stealing"}),
}


@pytest.mark.parametrize("what", CLAIMS)
def test_ranks_that_claim_something_else_are_told(team: sc.Team, what: str) -> None:
    pair = CLAIMS[what]

    def program(worker: Any, at: int) -> None:
        for _ in range(at):
            for _ in worker.claim(10, 2):
                pass
        for _ in worker.claim(**pair[worker.rank]):
            pass
        worker.barrier()

    for at in (0, 3, 70):
        with pytest.raises(sc.InputError, match="same claims") as caught:
            team.run(program, at)
        said = str(caught.value)
        assert f"claim {at + 1} with" in said
        for claimed in pair:
            full = {"block_rows": None, "schedule": "dynamic", **claimed}
            assert ", ".join(f"{k}={full[k]!r}" for k in ("n", "block_rows", "schedule")) in said


def test_ranks_that_claim_alike_are_not_told_anything(team: sc.Team) -> None:
    def program(worker: Any) -> int:
        rows = 0
        for turn in range(200):  # more than there are words for
            schedule = SCHEDULES[turn % 4]
            rows += sum(part.size for part in worker.claim(turn, 1 + turn % 3, schedule))
        return rows

    assert sum(team.run(program)) == sum(range(200))


@pytest.mark.parametrize(
    "call", ["fetch_add", "add a float", "load", "lock", "acquire", "set_event"]
)
def test_floats_are_no_numbers_of_counters_and_locks(call: str) -> None:
    control = sync.alone()
    calls = {
        "fetch_add": lambda: sync.fetch_add(control, 1.9, 1),
        "add a float": lambda: sync.fetch_add(control, 1, 1.5),
        "load": lambda: sync.load(control, 0.5),
        "lock": lambda: sync.lock(control, 1.5),
        "acquire": lambda: sync.acquire(control, 1.5),
        "set_event": lambda: sync.set_event(control, 0.5),
    }
    with pytest.raises((TypeError, numba.TypingError)):
        calls[call]()
    assert not control.held.any()
