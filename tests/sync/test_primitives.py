"""What the control block promises, in nopython code and in Python, with both ways of waiting."""

import numba
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError
from sharedcompute.sync import (
    DeadlockError,
    WaitTimeoutError,
    acquire,
    alone,
    barrier,
    clear_event,
    fetch_add,
    is_set,
    load,
    lock,
    release,
    set_event,
    store,
    unlock,
    wait_event,
)


@numba.njit
def steps(control, x, n):
    """Each step needs all of the step before; returns how often something was not there."""
    missing = 0
    for step in range(n):
        x[control.rank] = step
        barrier(control)
        for rank in range(control.size):
            missing += x[rank] != step
        barrier(control)
    return missing


@pytest.mark.sample(1)
def test_a_barrier_separates_the_steps_of_a_compiled_loop(party):
    x = sc.zeros(party.size, np.int64)
    n = 20_000 if party.size <= 2 else 300
    assert party.run(lambda w, x: steps(w.control, x, n), x) == [0] * party.size


def test_a_party_of_one_needs_no_team():
    assert steps(alone(), np.zeros(1, np.int64), 5) == 0
    barrier(alone())


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_a_barrier_of_eight_on_few_cores_comes_to_an_end(way, n):
    x = sc.zeros(8, np.int64)
    with sc.Team(8) as team:
        assert team.run(lambda w, x: steps(w.control, x, n), x) == [0] * 8


@numba.njit
def count_locked(control, x, n):
    for _ in range(n):
        lock(control, 3)
        x[0] += 1
        unlock(control, 3)


@pytest.mark.sample(1)
def test_updates_under_a_lock_are_exact(party):
    x, n = sc.zeros(1, np.int64), 100_000
    party.run(lambda w, x: count_locked(w.control, x, n), x)
    assert x[0] == n * party.size


def test_locks_with_other_numbers_do_not_wait_for_each_other(pair):
    def program(worker):
        with worker.locks(worker.rank):
            worker.barrier()

    pair.run(program)


def test_the_lock_is_number_0(pair):
    def program(worker):
        if worker.rank == 0:
            with worker.lock:
                worker.event(0).set()
                worker.event(1).wait()
        else:
            worker.event(0).wait()
            with pytest.raises(WaitTimeoutError):
                lock(worker.control, 0, 0.05)
            worker.event(1).set()

    pair.run(program)


@numba.njit
def count_atomically(control, n):
    before = 0
    for _ in range(n):
        before = max(before, fetch_add(control, 63, 2))
    return before


@pytest.mark.sample(1)
def test_a_counter_is_exact_without_a_lock(party):
    n = 100_000

    def program(worker):
        last = count_atomically(worker.control, n)
        worker.barrier()
        return last, load(worker.control, 63), worker.counter(63).load()

    assert party.run(lambda w: w.counter(63).load()) == [0] * party.size
    found = party.run(program)
    total = 2 * n * party.size
    assert max(last for last, *_ in found) == total - 2
    assert {tuple(seen) for _, *seen in found} == {(total, total)}
    assert party.run(lambda w: w.counter(63).load()) == [0] * party.size, "each program begins at 0"


def test_counters_can_be_set_and_are_apart(pair):
    def program(worker):
        if worker.rank == 0:
            for number in range(64):
                worker.counter(number).store(-(10**15) * number)
        worker.barrier()
        worker.counter(5).fetch_add()
        worker.barrier()
        return [worker.counter(number).load() for number in (4, 5, 63)]

    assert pair.run(program) == [[-4 * 10**15, -5 * 10**15 + 2, -63 * 10**15]] * 2


@numba.njit
def inside_at_once(control, permits, n):
    """The most that were inside together, as a rank sees it."""
    most = 0
    for _ in range(n):
        acquire(control, permits)
        most = max(most, fetch_add(control, permits, 1) + 1)
        for _ in range(100):
            load(control, permits)
        fetch_add(control, permits, -1)
        release(control, permits)
    return most


@pytest.mark.sample(1)
@pytest.mark.parametrize("permits", [1, 2, 3, 4, 9])
def test_a_semaphore_lets_in_as_many_as_it_says(four, permits):
    most = four.run(lambda w: inside_at_once(w.control, permits, 2000))
    assert 1 <= max(most) <= permits


@numba.njit
def relay(control, n):
    """Each rank waits for an event of its own, clears it and sets the next one's."""
    after = (control.rank + 1) % control.size
    for turn in range(n):
        if turn or control.rank:
            wait_event(control, control.rank)
            clear_event(control, control.rank)
        if fetch_add(control, 0, 1) != turn * control.size + control.rank:
            return turn
        set_event(control, after)
    return -1


@pytest.mark.sample(1)
def test_events_pass_a_turn_around(party):
    assert party.run(lambda w: relay(w.control, 300)) == [-1] * party.size


def test_an_event_stays_set_until_it_is_cleared(pair):
    def program(worker):
        event = worker.event(15)
        if worker.rank == 0:
            assert not event.is_set()
            event.set()
        event.wait()
        event.wait(timeout=0.0)
        worker.barrier()
        assert event.is_set()
        assert is_set(worker.control, 15)
        worker.barrier()
        event.clear()
        return event.is_set()

    assert pair.run(program) == [False, False]


def hold(worker, what):
    """Rank 0 holds `what` until rank 1 has failed to get it."""
    if worker.rank == 0:
        with {"lock": worker.lock, "semaphore": worker.semaphore(1)}[what]:
            worker.event(0).set()
            worker.event(1).wait()
        return
    worker.event(0).wait()
    try:
        {"lock": worker.lock, "semaphore": worker.semaphore(1)}[what].acquire(timeout=0.05)
    finally:
        worker.event(1).set()


@pytest.mark.parametrize("what", ["lock", "semaphore"])
def test_a_wait_for_what_another_holds_can_have_a_time_limit(pair, what):
    with pytest.raises(WaitTimeoutError, match=f"the {what} within the time limit"):
        pair.run(hold, what)
    with pytest.raises(TimeoutError):
        pair.run(hold, what)


def test_an_event_that_nobody_sets_ends_with_the_time_limit(party):
    with pytest.raises(WaitTimeoutError, match="event to be set within the time limit"):
        party.run(lambda w: w.event(2).wait(timeout=0.05))


def test_a_barrier_that_is_late_for_one_is_broken_for_all(four):
    def program(worker):
        if worker.rank == 3:
            worker.event(0).wait()
            worker.barrier()
        limit = 0.05 if worker.rank == 0 else None
        try:
            worker.barrier(limit)
        finally:
            worker.event(0).set()

    with pytest.raises(WaitTimeoutError, match="all ranks at the barrier within the time limit"):
        four.run(program)
    assert four.run(lambda w: w.barrier(timeout=60)) == [None] * 4


def test_a_wait_that_ends_in_time_is_no_error(pair):
    def program(worker):
        worker.barrier(timeout=60)
        with worker.lock:
            pass
        worker.locks(3).acquire(timeout=60)
        worker.locks(3).release()
        worker.semaphore(1).acquire(timeout=60)
        worker.semaphore(1).release()
        worker.event(0).set()
        worker.event(0).wait(timeout=60)

    assert pair.run(program) == [None, None]


MISUSES = {
    "a lock that this rank does not hold": lambda w: lock(w.control, 1) or lock(w.control, 1),
    "lock that this rank holds": lambda w: unlock(w.control, 1),
    "lock's number from 0 to 15": lambda w: lock(w.control, 16),
    "lock's number as a whole number from 0 to 15, got -1": lambda w: w.locks(-1),
    "counter's number from 0 to 63": lambda w: fetch_add(w.control, 64, 1),
    "counter's number as a whole number from 0 to 63, got 64": lambda w: w.counter(64),
    "event's number from 0 to 15": lambda w: set_event(w.control, -1),
    "event's number as a whole number from 0 to 15, got 16": lambda w: w.event(16),
    "a semaphore of 1 or more": lambda w: acquire(w.control, 0),
    "semaphore's permits as a whole number from 1 up, got 0": lambda w: w.semaphore(0),
    "a semaphore of which a permit is held": lambda w: release(w.control, 1),
}


@pytest.mark.parametrize("message", MISUSES)
def test_misuse_is_an_error_at_once(pair, message):
    with pytest.raises((InputError, DeadlockError), match=message):
        pair.run(MISUSES[message])
    assert pair.run(lambda w: w.rank) == [0, 1]


def test_a_lock_of_another_rank_is_not_given_back(pair):
    def program(worker):
        if worker.rank == 0:
            lock(worker.control, 1)
        worker.barrier()
        if worker.rank == 1:
            with pytest.raises(InputError, match="this rank holds"):
                unlock(worker.control, 1)
        worker.barrier()
        if worker.rank == 0:
            unlock(worker.control, 1)

    pair.run(program)


def test_who_waits_for_itself_alone_is_told():
    control = alone()
    with pytest.raises(DeadlockError):
        wait_event(control, 0)
    acquire(control, 1)
    with pytest.raises(DeadlockError):
        acquire(control, 1)
    release(control, 1)
    acquire(control, 1, 0.0)
    store(control, 0, 7)
    assert load(control, 0) == 7


@pytest.mark.sample(1)
def test_the_compiled_functions_come_from_the_cache(pair):
    """Programs and the fork server ask for the same signatures."""

    def program(worker):
        before = compiled()
        count_locked(worker.control, np.zeros(1, np.int64), 1)
        lock(worker.control, 0)
        unlock(worker.control, 0)
        worker.barrier(1.0)
        return sorted(compiled() - before)

    def compiled():
        from sharedcompute.sync import barriers, flags, locks

        dispatchers = [
            value
            for module in (barriers, flags, locks)
            for value in vars(module).values()
            if hasattr(value, "stats")
        ]
        return {f"{d.py_func.__name__}{s}" for d in dispatchers for s in d.stats.cache_misses}

    assert pair.run(program) == [[], []]
