"""Programs that cannot go on: an error that says why, on all ranks, and the team at work again."""

import os
import signal
import time

import numba
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import WorkerDied
from sharedcompute.sync import (
    Aborted,
    DeadlockError,
    ProgramLeftError,
    acquire,
    barrier,
    lock,
    unlock,
    wait_event,
)

SECONDS = 20.0
"""A watchdog for busy machines. It takes 0.3 to 0.5 s."""


@numba.njit
def barriers(control, n):
    for _ in range(n):
        barrier(control)


@numba.njit
def locks_without_end(control):
    while True:
        lock(control, 5)
        unlock(control, 5)
        barrier(control)


def in_a_barrier_and_for_a_lock(worker):
    if worker.rank == 0:
        with worker.locks(7):
            worker.event(0).set()
            barriers(worker.control, 1)
    else:
        worker.event(0).wait()
        lock(worker.control, 7)


def for_the_locks_of_each_other(worker):
    with worker.locks(worker.rank):
        worker.barrier()
        with worker.locks((worker.rank + 1) % worker.size):
            pass


def in_a_barrier_and_for_an_event(worker):
    if worker.rank == 0:
        barrier(worker.control)
    else:
        wait_event(worker.control, 3)


def in_a_barrier_and_for_a_permit(worker):
    if worker.rank == 0:
        acquire(worker.control, 1)
        worker.barrier()
        worker.barrier()
    else:
        worker.barrier()
        acquire(worker.control, 1)


def for_words_of_their_own(worker):
    if worker.rank == 0:
        worker.barrier()
    with worker.waiting(f"a message from rank {worker.rank - 1}") as look:
        while True:
            look()
            time.sleep(0.002)


def for_an_event_when_the_others_have_left(worker):
    if worker.rank == worker.size - 1:
        worker.event(9).wait()


def for_a_lock_of_one_who_has_left(worker):
    if worker.rank == 0:
        lock(worker.control, 2)
        worker.event(0).set()
    else:
        worker.event(0).wait()
        with worker.locks(2):
            pass


def in_a_barrier_that_one_never_reaches_as_it_waits(worker):
    if worker.rank:
        barriers(worker.control, 3)
    else:
        barriers(worker.control, 2)
        worker.semaphore(1).acquire()
        worker.semaphore(1).acquire()


DEADLOCKS = {
    in_a_barrier_and_for_a_lock: (
        "rank 0 waits for the barrier; rank 1 waits for lock 7, which rank 0 holds"
    ),
    for_the_locks_of_each_other: (
        "rank 0 waits for lock 1, which rank 1 holds; rank 1 waits for lock"
    ),
    in_a_barrier_and_for_an_event: "rank 0 waits for the barrier; rank 1 waits for event 3",
    in_a_barrier_and_for_a_permit: (
        "rank 0 waits for the barrier; rank 1 waits for a semaphore of 1"
    ),
    for_words_of_their_own: "rank 0 waits for the barrier; rank 1 waits for a message from rank 0",
    for_an_event_when_the_others_have_left: "waits for event 9; .* returned from the program",
    for_a_lock_of_one_who_has_left: "waits for lock 2, which rank 0 holds; .*1 have returned",
    in_a_barrier_that_one_never_reaches_as_it_waits: (
        "rank 0 waits for a semaphore of 1; rank 1 waits for the barrier"
    ),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("program", DEADLOCKS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [2, 4])
def test_a_deadlock_is_an_error_that_says_where_each_rank_waits(parties, program, size):
    team = parties[size]
    pids = team.pids
    began = time.monotonic()
    with pytest.raises(DeadlockError, match=DEADLOCKS[program]):
        team.run(program)
    assert time.monotonic() - began < SECONDS
    assert team.run(lambda w: w.barrier() or os.getpid()) == pids


def test_an_event_in_a_team_of_one_is_nobodys(parties):
    with pytest.raises(DeadlockError):
        parties[1].run(lambda w: w.event(0).wait())


@pytest.mark.slow
def test_ranks_that_wait_long_for_one_that_works_are_no_deadlock(four):
    def program(worker):
        if worker.rank == 0:
            time.sleep(1.0)  # more than two looks of the parent
        barriers(worker.control, 1)
        return worker.rank

    assert four.run(program) == [0, 1, 2, 3]


@pytest.mark.sample(1)
def test_a_wait_with_a_time_limit_is_no_deadlock_while_it_lasts(pair):
    def program(worker):
        if worker.rank == 0:
            with pytest.raises(sc.Error, match="time limit"):
                worker.event(0).wait(timeout=0.8)
        worker.barrier()

    pair.run(program)


@pytest.mark.sample(1)
def test_two_deadlocked_ranks_are_found_when_the_third_has_left(four):
    def program(worker):
        if worker.rank > 1:
            time.sleep(0.5)
        else:
            worker.event(worker.rank).wait()

    with pytest.raises(DeadlockError, match=r"rank 0 waits for event 0; rank 1 waits .*2 have ret"):
        four.run(program)


@pytest.mark.sample(1)
def test_a_barrier_in_compiled_code_that_one_has_left_is_an_error(party):
    if party.size == 1:
        return
    with pytest.raises(ProgramLeftError, match="another one has returned"):
        party.run(lambda w: barriers(w.control, 5 + (w.rank == 1)))
    assert party.run(lambda w: w.rank) == list(range(party.size))


WAITS = {
    "barrier": lambda control: barriers(control, 10**9),
    "lock": lambda control: lock(control, 0),
    "semaphore": lambda control: acquire(control, 1),
    "event": lambda control: wait_event(control, 0),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("end", ["raise", "kill"])
def test_those_who_wait_in_compiled_code_come_out_when_another_fails(four, wait, end):
    out = sc.zeros(4, np.int64)

    def program(worker, out):
        barriers(worker.control, 1)  # compiled now: a worker that still compiles would be killed
        if worker.rank == 2:
            lock(worker.control, 0)
            acquire(worker.control, 1)
        worker.barrier()
        if worker.rank == 2:
            time.sleep(0.1)
            if end == "raise":
                raise ValueError("over")
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            WAITS[wait](worker.control)
        except Aborted:
            out[worker.rank] = 1
            raise

    pids = four.pids
    with pytest.raises(ValueError if end == "raise" else WorkerDied) as caught:
        four.run(program, out)
    assert out.tolist() == [1, 1, 0, 1], "all others came out by Aborted"
    if end == "kill":
        assert (caught.value.rank, caught.value.signal) == (2, 9)  # type: ignore[attr-defined]
    now = four.run(lambda w: w.barrier() or os.getpid())
    assert [a == b for a, b in zip(now, pids, strict=True)] == [True, True, end == "raise", True]


@pytest.mark.sample(1)
def test_a_rank_killed_at_any_time_in_a_loop_of_locks_and_barriers_is_named(pair):
    for turn in range(5):

        def program(worker, delay=0.003 * turn):
            if worker.rank == 1:
                worker.post(None)
            locks_without_end(worker.control)

        def kill(rank, _, delay=0.003 * turn):
            time.sleep(delay)
            os.kill(pair.pids[1], signal.SIGKILL)

        with pytest.raises(WorkerDied) as caught:
            pair.run(program, on_message=kill)
        assert caught.value.rank == 1
