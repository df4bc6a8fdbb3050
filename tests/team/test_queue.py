"""The queue between ranks: what goes in comes out once, and nobody waits for ever."""

import os
import signal
import time

import numpy as np
import pytest

from sharedcompute.errors import InputError, QueueClosedError, WaitTimeoutError, WorkerDied
from sharedcompute.shm import arrays
from sharedcompute.sync import ProgramLeftError
from sharedcompute.team import Team


@pytest.mark.parametrize("maxsize", [1, 2, 7, 1000])
def test_one_producer_and_one_consumer_keep_the_order(team, maxsize):
    def program(worker):
        queue = worker.queue(maxsize)
        if worker.rank == 1:
            return list(queue)
        for k in range(700):
            queue.put(k)
        queue.close()
        return None

    assert team.run(program)[1] == list(range(700))


@pytest.mark.parametrize("producers", [1, 2, 4])
def test_each_object_goes_to_one_of_several_consumers(teams, producers):
    def program(worker):
        queue = worker.queue(5, producers=producers)
        if worker.rank >= producers:
            return list(queue)
        for k in range(200):
            queue.put((worker.rank, k))
        queue.close()
        queue.close()
        return []

    got = teams[5].run(program)
    whole = [(rank, k) for rank in range(producers) for k in range(200)]
    assert sorted(entry for part in got for entry in part) == whole
    for part in got:
        for rank in range(producers):
            mine = [k for sender, k in part if sender == rank]
            assert mine == sorted(mine), "each consumer sees each producer's order"


def test_objects_of_any_size_go_through_even_where_nobody_takes_them_out_yet(team):
    def program(worker):
        queue = worker.queue(4)
        if worker.rank == 0:
            for n in (0, 1000, 3_000_000):
                queue.put({"x": np.arange(n)})
            queue.close()
        worker.barrier()
        return [box["x"] for box in queue] if worker.rank else None

    _, got = team.run(program)
    assert [len(x) for x in got] == [0, 1000, 3_000_000]
    assert all((x == np.arange(len(x))).all() for x in got)


def test_queues_are_told_apart_by_the_order_of_the_calls(team):
    def program(worker):
        first, second = worker.queue(3), worker.queue(3)
        if worker.rank:
            return second.get(), first.get()
        first.put("first")
        second.put("second")
        return None

    assert team.run(program)[1] == ("second", "first")


def test_a_team_of_one_has_queues_too(teams):
    def program(worker):
        queue = worker.queue(3)
        for k in range(3):
            queue.put(k)
        queue.close()
        return list(queue)

    assert teams[1].run(program) == [[0, 1, 2]]


def test_a_full_queue_makes_producers_wait(team):
    def program(worker):
        queue = worker.queue(2)
        worker.barrier()
        if worker.rank == 0:
            queue.put(1)
            queue.put(2)
            with pytest.raises(WaitTimeoutError, match="expected room in the queue, none came"):
                queue.put(3, timeout=0.03)
            worker.barrier()
            queue.close()
        else:
            worker.barrier()
            return list(queue)
        return None

    assert team.run(program)[1] == [1, 2]


def test_an_empty_queue_makes_consumers_wait(team):
    def program(worker):
        queue = worker.queue(2)
        with pytest.raises(WaitTimeoutError, match="expected an object in the queue, none"):
            queue.get(timeout=0.03)
        worker.barrier()
        if worker.rank:
            return queue.get(timeout=60)
        time.sleep(0.05)
        queue.put("late")
        return None

    assert team.run(program)[1] == "late"


def test_a_closed_queue_takes_nothing_and_gives_what_it_has(team):
    def program(worker):
        queue = worker.queue(2)
        if worker.rank == 0:
            queue.put(1)
            queue.close()
        worker.barrier()
        with pytest.raises(QueueClosedError, match="expected an open queue"):
            queue.put(2)
        worker.barrier()
        got = queue.get() if worker.rank else None
        worker.barrier()
        with pytest.raises(QueueClosedError, match="it is closed and empty"):
            queue.get()
        return got

    assert team.run(program) == [None, 1]


ALONE = {
    "empty": (lambda queue: queue.get(), "expected an object in the queue, all other ranks"),
    "full": (lambda queue: [queue.put(k) for k in range(9)], "expected room in the queue, all"),
}


@pytest.mark.parametrize("name", ALONE)
def test_whoever_is_left_alone_with_a_queue_is_told(teams, name):
    wait, said = ALONE[name]

    def program(worker):
        queue = worker.queue(3)
        if worker.rank == 2:
            wait(queue)

    with pytest.raises(ProgramLeftError, match=said):
        teams[5].run(program)
    assert teams[5].run(lambda w: w.allreduce(1)) == [5] * 5


def test_a_program_that_raises_ends_the_waits_at_its_queues(team):
    def program(worker):
        queue = worker.queue(3)
        if worker.rank:
            raise LookupError
        queue.get()

    with pytest.raises(LookupError):
        team.run(program)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_producer_or_consumer_ends_the_job_and_leaves_no_block(victim):
    def program(worker):
        queue = worker.queue(3)
        for k in range(1000):
            if worker.rank == victim and k == 300:
                os.kill(os.getpid(), signal.SIGKILL)
            queue.get() if worker.rank else queue.put(np.full(9000, k))

    with Team(2) as team:
        team.run(lambda w: w.allgather(0))  # has a block for each
        pids = team.pids
        began = time.monotonic()
        with pytest.raises(WorkerDied) as caught:
            team.run(program)
        assert caught.value.rank == victim
        assert time.monotonic() - began < 30
        assert [b for b in arrays.list_blocks() if b.pid == pids[victim]] == []
        survivor = pids[1 - victim]
        assert team.pids[1 - victim] == survivor, "who waited came out by itself"
        team.run(lambda w: None)
        kept = [b.nbytes for b in arrays.list_blocks() if b.pid in team.pids]
        assert len(kept) <= 4, "those for collectives, two for each"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "expected maxsize as a whole number from 1 up, got 0"),
        (("3",), "expected maxsize as a whole number from 1 up, got '3'"),
        ((3, 0), "expected producers as a whole number from 1 to 2, got 0"),
        ((3, 3), "expected producers as a whole number from 1 to 2, got 3"),
    ],
)
def test_bad_arguments_are_named(team, arguments, said):
    with pytest.raises(InputError, match=said):
        team.run(lambda w: w.queue(*arguments))
