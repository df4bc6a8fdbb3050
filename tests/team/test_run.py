"""Programs: what goes to the workers, what comes back, how they wait for each other."""

import gc
import os
import threading
import time
from pathlib import Path

import numba
import numpy as np
import pytest
import threadpoolctl

from sharedcompute.errors import InputError, ProgramError
from sharedcompute.shm import arrays
from sharedcompute.sync import Aborted
from sharedcompute.team import Team

from .scripts import eventually

SCALE = 3


@numba.njit
def scaled(x):
    return SCALE * x.sum()


def test_every_worker_runs_and_results_come_by_rank(teams):
    for size, team in teams.items():
        assert team.run(lambda w: (w.rank, w.size)) == [(rank, size) for rank in range(size)]


def test_shared_arrays_and_their_views_are_the_same_memory_in_workers(team):
    x = arrays.zeros((2, 3))
    plain = np.asarray(x)[:, 1:]

    def write(worker, whole, part):
        whole[worker.rank, 0] = 1 + worker.rank
        part[worker.rank] = 5

    team.run(write, x, plain)
    assert x.tolist() == [[1, 5, 5], [2, 5, 5]]


def test_other_arguments_are_copies_of_their_values(team):
    private = np.arange(100_000.0)

    def change(_worker, array, items):
        array[:] = 0
        items.append(1)
        return len(items)

    items = []
    assert team.run(change, private, items) == [1, 1]
    assert team.run(change, private, items) == [1, 1]
    assert private[5] == 5


def test_closures_and_globals_that_are_compiled_travel(team):
    factor = 2

    def program(worker):
        return factor * scaled(np.ones(worker.rank + 1))

    assert team.run(program) == [6, 12]


def test_a_plain_function_is_sent_as_it_is_now(team):
    box = {"value": 1}
    assert team.run(lambda _: box["value"]) == [1, 1]
    box["value"] = 2
    assert team.run(lambda _: box["value"]) == [2, 2]


def test_a_returned_view_of_the_callers_array_is_that_memory(team):
    x = arrays.asarray(np.arange(4.0))
    first, second = team.run(lambda w, a: a[2 * w.rank :][:2], x)
    first[:] = 9
    assert second.tolist() == [2, 3]
    assert x.tolist() == [9, 9, 2, 3]


def test_what_a_worker_shares_by_itself_comes_back_as_a_copy(team):
    def make(worker):
        from sharedcompute.shm.arrays import full

        return full(70_000, worker.rank)

    made = team.run(make)
    assert [type(a) for a in made] == [np.ndarray, np.ndarray]
    assert made[1].sum() == 70_000
    made[1][0] = 0  # and can be written


@pytest.mark.parametrize("size", [0, 10, 1 << 16, 5_000_000])
def test_bytes_and_arrays_of_any_size_are_posted_in_order(team, size):
    got = {0: [], 1: []}

    def program(worker):
        for k in range(3):
            worker.post((k, bytes([k]) * size, np.full(size, k, "u1")))

    team.run(program, on_message=lambda rank, message: got[rank].append(message))
    for messages in got.values():
        assert [k for k, _, _ in messages] == [0, 1, 2]
        for k, data, array in messages:
            assert memoryview(data).readonly
            assert data == bytes([k]) * size
            assert array.flags.writeable
            assert (array == k).all()
            assert array.shape == (size,)


def test_posts_without_a_listener_are_dropped(team):
    assert team.run(lambda w: w.post(bytes(1 << 20))) == [None, None]


def test_what_a_listener_raises_ends_the_job(team):
    def listen(rank, message):
        raise LookupError(message)

    def program(worker):
        worker.post("a")
        while True:
            worker.barrier()

    with pytest.raises(LookupError, match="a"):
        team.run(program, on_message=listen)
    assert team.run(lambda w: w.rank) == [0, 1]


def test_an_exception_keeps_its_type_and_tells_worker_rows_and_traceback(team):
    def fail_here(worker):
        for rows in worker.claim(10, 5, "static"):
            if rows.start == 5:
                raise ZeroDivisionError("in the middle")

    with pytest.raises(ZeroDivisionError, match="in the middle") as caught:
        team.run(fail_here)
    (note,) = caught.value.__notes__
    assert "worker 1, on rows 5:10" in note
    assert "fail_here" in note


def test_an_exception_class_of_the_callers_is_that_class(team):
    class OwnError(Exception):
        def __init__(self, a, b):
            super().__init__(a, b)
            self.b = b

    def program(worker):
        raise OwnError(1, worker.size)

    with pytest.raises(OwnError) as caught:
        team.run(program)
    assert caught.value.b == 2


def test_the_lowest_rank_that_failed_is_reported(teams):
    def program(worker):
        worker.barrier()
        raise ValueError(worker.rank)

    for team in teams.values():
        with pytest.raises(ValueError, match="0"):
            team.run(program)


def unpicklable_argument(message):
    error = ValueError(message)
    error.held = threading.Lock()  # type: ignore[attr-defined]
    return error


class NeedsTwoError(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} {b}")


@pytest.mark.parametrize(
    "make", [lambda: unpicklable_argument("why"), lambda: NeedsTwoError("why", 1)]
)
def test_an_exception_that_cannot_travel_is_a_program_error(team, make):
    def program(_worker):
        raise make()

    with pytest.raises(ProgramError, match=r"Error: why") as caught:
        team.run(program)
    assert "Traceback" in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_worker_cannot_end_the_caller(team, kind):
    def program(_worker):
        raise kind(3)

    with pytest.raises(ProgramError, match=kind.__name__):
        team.run(program)


def test_a_result_that_cannot_travel_is_an_error(team):
    with pytest.raises(TypeError, match="pickle"):
        team.run(lambda _: threading.Lock())
    assert team.run(lambda _: 1) == [1, 1]


def test_an_argument_that_cannot_travel_is_an_error_and_nothing_starts(team):
    with pytest.raises(TypeError, match="pickle"):
        team.run(lambda *_: None, threading.Lock())
    assert team.run(lambda _: 1) == [1, 1]


def test_a_closed_array_is_refused(team):
    x = arrays.zeros(3)
    x.close()
    with pytest.raises(InputError, match="closed"):
        team.run(lambda *_: None, x)


@pytest.mark.parametrize("wait", ["barrier", "lock", "semaphore", "claim"])
def test_a_failure_brings_out_those_who_wait(teams, wait):
    def program(worker, wait):
        if worker.rank == 0:
            if wait != "lock":
                raise RuntimeError("first")
            with worker.lock:
                worker.barrier()
                raise RuntimeError("first")
        if wait == "lock":
            worker.barrier()
        while True:
            if wait == "barrier":
                worker.barrier()
            elif wait == "claim":
                list(worker.claim(100, 1))
            else:
                with worker.lock if wait == "lock" else worker.semaphore(1):
                    pass

    team = teams[5]
    pids = team.pids
    with pytest.raises(RuntimeError, match="first"):
        team.run(program, wait)
    assert team.pids == pids, "nobody had to be killed"


def test_aborted_is_not_caught_by_a_programs_except_exception(team):
    assert not issubclass(Aborted, Exception)

    def program(worker):
        if worker.rank == 0:
            raise RuntimeError("first")
        while True:
            try:
                worker.barrier()
            except Exception:
                raise RuntimeError("second") from None

    with pytest.raises(RuntimeError, match="first"):
        team.run(program)


def test_barriers_separate_the_steps(teams):
    def program(worker, steps, seen):
        wrong = 0
        for step in range(1, 200):
            steps[worker.rank] = step
            worker.barrier()
            wrong += int((steps != step).any())
            worker.barrier()
        return wrong

    for size, team in teams.items():
        steps = arrays.zeros(size, "i8")
        assert team.run(program, steps, None) == [0] * size


def test_a_barrier_that_another_rank_never_reaches_is_an_error(teams):
    def program(worker):
        if worker.rank:
            worker.barrier()

    for size in (2, 5):
        with pytest.raises(RuntimeError, match="another one has returned"):
            teams[size].run(program)


def test_the_lock_makes_updates_safe(teams):
    def program(worker, total):
        for _ in range(300):
            with worker.lock:
                before = total[0]
                total[0] = before + 1

    for size, team in teams.items():
        total = arrays.zeros(1, "i8")
        team.run(program, total)
        assert total[0] == 300 * size


def test_a_semaphore_lets_in_as_many_as_it_says(teams):
    def program(worker, permits, inside, most):
        for _ in range(50):
            with worker.semaphore(permits):
                with worker.lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with worker.lock:
                    inside[0] -= 1

    for permits in (1, 3, 9):
        inside, most = arrays.zeros(1, "i8"), arrays.zeros(1, "i8")
        teams[5].run(program, permits, inside, most)
        assert inside[0] == 0
        assert 1 <= most[0] <= permits
    with pytest.raises(InputError, match="semaphore"):
        teams[5].run(lambda w: w.semaphore(0))


@pytest.mark.parametrize("schedule", ["static", "dynamic", "guided"])
@pytest.mark.parametrize(("n", "block"), [(0, 3), (1, 3), (3, 1), (100, 7), (100, None), (64, 64)])
def test_a_claim_deals_each_row_once(teams, schedule, n, block):
    def program(worker):
        return [tuple(rows) for rows in worker.claim(n, block, schedule)]

    for team in teams.values():
        blocks = sorted(rows for part in team.run(program) for rows in part)
        assert [row for a, b in blocks for row in range(a, b)] == list(range(n))
        if block:
            assert all(a % block == 0 and b - a <= block for a, b in blocks)


def test_claims_follow_each_other_even_when_begun_out_of_step(teams):
    def program(worker, seen):
        first = worker.claim(50, 1)
        second = worker.claim(40, 3, "guided")
        for k, claim in ((1, second), (0, first)):
            for rows in claim:
                seen[k, worker.rank, slice(*rows)] += 1
        for k in range(2, 200):  # more claims than words for them
            for rows in worker.claim(50, 9):
                seen[k, worker.rank, slice(*rows)] += 1

    for size, team in teams.items():
        seen = arrays.zeros((200, size, 50), "i4")
        team.run(program, seen)
        assert (seen.sum(axis=1)[0] == 1).all()
        assert (seen.sum(axis=1)[2:] == 1).all()
        assert (seen.sum(axis=1)[1] == [1] * 40 + [0] * 10).all()


def test_bad_claims_are_refused(team):
    with pytest.raises(InputError, match="static, dynamic, guided"):
        team.run(lambda w: list(w.claim(5, 1, "random")))
    with pytest.raises(InputError, match="block_rows"):
        team.run(lambda w: list(w.claim(5, 0)))


def test_workers_limit_threads():
    def threads(_worker):
        a = np.ones((64, 64))
        a @ a
        pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
        return numba.get_num_threads(), os.environ["OMP_NUM_THREADS"], set(pools)

    for count in (1, 2):
        with Team(1, threads=count) as team:
            ((of_numba, of_environment, of_pools),) = team.run(threads)
        assert of_numba == count
        assert of_environment == str(count)
        assert of_pools <= {count}


@pytest.mark.sample(1)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_every_start_method_works(method):
    x = arrays.asarray(np.arange(5.0))
    with Team(2, start_method=method) as team:
        assert team.run(lambda w, a: a.sum() + w.rank, x) == [10, 11]


def test_bad_teams_are_refused():
    for arguments in ({"workers": 0}, {"threads": 0}, {"start_method": "magic"}):
        with pytest.raises(InputError, match="expected"):
            Team(**{"workers": 1, **arguments})


def test_a_closed_team_says_so():
    team = Team(1)
    team.close()
    team.close()
    with pytest.raises(InputError, match="closed"):
        team.run(lambda _: 0)


def test_a_team_runs_one_job_at_a_time(team):
    inner = []

    def listen(rank, message):
        with pytest.raises(InputError, match="running the job"):
            team.run(lambda _: 0)
        inner.append(rank)

    team.run(lambda w: w.post(1), on_message=listen)
    assert sorted(inner) == [0, 1]


def test_idle_workers_let_go_of_freed_blocks(team):
    x = arrays.zeros(10)
    name = arrays.segment_of(x).name
    team.run(lambda *_: None, x)

    def mapped():
        return [name in Path(f"/proc/{pid}/maps").read_text() for pid in team.pids]

    assert mapped() == [True, True]
    del x
    gc.collect()
    assert eventually(lambda: mapped() == [False, False])


def test_ctrl_c_at_the_start_of_a_turn_leaves_the_team_idle(team):
    class Interrupted(Team):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "_at_work" and value is not None:
                raise KeyboardInterrupt

    team.__class__ = Interrupted
    try:
        with pytest.raises(KeyboardInterrupt):
            team.run(ranks)
    finally:
        team.__class__ = Team
    assert team.run(ranks) == list(range(team.size))


def ranks(worker):
    return int(worker.rank)


def test_a_team_that_is_closed_while_its_job_runs_says_so():
    own = Team(1)
    closing = threading.Thread(target=own.close)
    with pytest.raises(InputError, match="was closed while its job ran"):
        own.run(posts_and_sleeps, on_message=lambda *_: closing.start())
    closing.join()


def posts_and_sleeps(worker):
    worker.post(1)
    time.sleep(60)
