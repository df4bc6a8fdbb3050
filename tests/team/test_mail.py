"""Messages from one rank to another."""

import os
import signal
import time

import numpy as np
import pytest

from sharedcompute.errors import DeadlockError, InputError, WaitTimeoutError, WorkerDied
from sharedcompute.shm import arrays
from sharedcompute.sync import ProgramLeftError
from sharedcompute.team import Team


def test_messages_of_a_pair_arrive_in_order(teams):
    def program(worker):
        for k in range(500):
            for rank in range(worker.size):
                worker.send((worker.rank, k), rank)
        return [[worker.recv(rank) for _ in range(500)] for rank in range(worker.size)]

    for size, team in teams.items():
        for received in team.run(program):
            assert received == [[(rank, k) for k in range(500)] for rank in range(size)]


@pytest.mark.sample(4)
@pytest.mark.parametrize("size", [0, 1, 900, 1000, 100_000, 5_000_000])
def test_objects_of_any_size_arrive_as_they_were(team, size):
    def program(worker):
        other = 1 - worker.rank
        for k in range(3):
            worker.send((bytes([k]) * size, np.full(size, k, "u1")), other)
            worker.send(np.full((size, 2), k, "f4")[:, 0], other)
        return [(worker.recv(other), worker.recv(other)) for _ in range(3)]

    for received in team.run(program):
        for k, ((data, array), column) in enumerate(received):
            assert data == bytes([k]) * size
            assert (array.shape, array.tobytes()) == ((size,), data)
            assert column.dtype == np.float32
            assert column.shape == (size,)
            assert (column == k).all()


def test_what_arrives_is_private_and_can_be_written(team):
    def program(worker):
        x = np.zeros(200_000)
        worker.send(x, 1 - worker.rank)
        y = worker.recv(1 - worker.rank)
        y += 1
        worker.barrier()
        return x.sum(), y.sum()

    assert team.run(program) == [(0, 200_000)] * 2


def test_a_shared_array_remains_the_same_memory(team):
    x = arrays.zeros(3)

    def program(worker, x):
        if worker.rank == 0:
            worker.send({"part": x[1:]}, 1)
        else:
            worker.recv(0)["part"][:] = 4

    team.run(program, x)
    assert x.tolist() == [0, 4, 4]


def test_messages_of_any_rank_come_with_their_sender(teams):
    def program(worker):
        if worker.rank:
            for k in range(20):
                worker.send(k, 0)
            return None
        got = [worker.recv_any() for _ in range(20 * (worker.size - 1))]
        return [[k for sender, k in got if sender == rank] for rank in range(1, worker.size)]

    assert teams[5].run(program)[0] == [list(range(20))] * 4


def test_receiving_from_one_rank_leaves_the_messages_of_others(teams):
    def program(worker):
        if worker.rank < 3:
            for k in range(5):
                worker.send((worker.rank, k), 4)
        if worker.rank == 4:
            last = [worker.recv(2) for _ in range(5)]
            rest = sorted(worker.recv_any()[1] for _ in range(10))
            return last, rest
        return None

    last, rest = teams[5].run(program)[4]
    assert last == [(2, k) for k in range(5)]
    assert rest == [(rank, k) for rank in (0, 1) for k in range(5)]


def test_ranks_that_all_send_before_they_receive_do_not_hang(teams):
    def program(worker):
        others = [rank for rank in range(worker.size) if rank != worker.rank]
        for k in range(60):
            for rank in others:
                worker.send(np.full(40_000, k), rank)
        return [[worker.recv(rank)[0] for _ in range(60)] for rank in others]

    for size, team in teams.items():
        assert np.array_equal(team.run(program), [[list(range(60))] * (size - 1)] * size)


def test_a_sender_waits_for_a_rank_that_does_not_receive(team):
    def program(worker):
        if worker.rank == 0:
            sent = 0
            try:
                while True:
                    worker.send(sent, 1, timeout=0.01)
                    sent += 1
            except WaitTimeoutError:
                worker.barrier()
                return sent
        worker.barrier()
        return None

    sent, _ = team.run(program)
    assert 1 <= sent < 1000


def test_a_wait_for_a_message_may_have_a_limit(team):
    def program(worker):
        if worker.rank == 0:
            began = time.monotonic()
            for wait in (lambda: worker.recv(1, timeout=0.05), lambda: worker.recv_any(timeout=0)):
                with pytest.raises(WaitTimeoutError, match="expected a message from"):
                    wait()
            waited = time.monotonic() - began
            worker.send("go", 1)
            return waited >= 0.05, worker.recv(1, timeout=60)
        worker.recv(0)
        worker.send("came", 0)
        return None

    assert team.run(program)[0] == (True, "came")


LEFT = {
    "from one": (lambda w: w.recv(1), "expected a message from rank 1, rank 1 has returned"),
    "from any": (lambda w: w.recv_any(), "from any rank, all other ranks have returned"),
    "from itself": (lambda w: w.recv(0), "from rank 0, it is this rank itself"),
    "to one": (lambda w: [w.send(0, 1) for _ in range(100)], "expected rank 1 to receive, it has"),
}


@pytest.mark.parametrize("name", LEFT)
def test_a_rank_that_has_returned_is_an_error_for_who_waits_for_it(team, name):
    program, said = LEFT[name]
    with pytest.raises(ProgramLeftError, match=said):
        team.run(lambda w: program(w) if w.rank == 0 else None)
    assert team.run(lambda w: w.allreduce(1)) == [2, 2]


def test_what_a_rank_sent_before_it_returned_arrives(team):
    def program(worker):
        if worker.rank == 1:
            return [worker.send(np.full(30_000, k), 0) for k in range(5)] and None
        time.sleep(0.05)
        return [worker.recv(1)[0] for _ in range(5)]

    assert team.run(program)[0] == [0, 1, 2, 3, 4]


def test_messages_of_a_job_never_reach_a_later_one(team):
    def stopped(worker):
        for k in range(10):
            worker.send(("old", k, bytes(5000)), 1 - worker.rank)
        worker.barrier()
        if worker.rank:
            raise LookupError

    def unread(worker):
        worker.send("old", 1 - worker.rank)

    def program(worker):
        worker.send("new", 1 - worker.rank)
        return worker.recv(1 - worker.rank)

    for _ in range(3):
        with pytest.raises(LookupError):
            team.run(stopped)
        assert team.run(program) == ["new", "new"]
        team.run(unread)
        assert team.run(program) == ["new", "new"]


def test_the_end_of_a_job_ends_waits(team):
    def program(worker):
        if worker.rank == 0:
            worker.recv(1)
        raise LookupError

    began = time.monotonic()
    with pytest.raises(LookupError):
        team.run(program)
    assert time.monotonic() - began < 10


BAD = {
    "rank": (lambda w: w.send(1, 2), "expected a rank as a whole number from 0 to 1, got 2"),
    "no rank": (lambda w: w.recv(None), "expected a rank as a whole number from 0 to 1, got None"),
    "timeout": (lambda w: w.recv_any(timeout=-1), "expected a timeout of 0 seconds or more"),
    "nan": (lambda w: w.recv(0, timeout=float("nan")), "expected a timeout of 0 seconds or more"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named(team, name):
    program, said = BAD[name]
    with pytest.raises(InputError, match=said):
        team.run(program)


def test_a_killed_sender_is_an_error_and_leaves_no_block():
    def program(worker):
        if worker.rank == 1:
            worker.send(np.ones(100_000), 0)
            os.kill(os.getpid(), signal.SIGKILL)
        return [worker.recv(1) for _ in range(2)]

    with Team(2) as team:
        pids = team.pids
        with pytest.raises(WorkerDied):
            team.run(program)
        assert [b for b in arrays.list_blocks() if b.pid == pids[1]] == []
        assert team.run(lambda w: w.send(w.rank, 1 - w.rank) or w.recv(1 - w.rank)) == [1, 0]


def test_blocks_of_long_messages_are_used_again(team):
    def program(worker):
        pid, most = os.getpid(), 0
        for _ in range(15):
            worker.send(np.ones(50_000), 1 - worker.rank)
            worker.recv(1 - worker.rank)
            most = max(most, sum(b.pid == pid for b in arrays.list_blocks()))
        return most

    few = team.run(lambda w: sum(b.pid == os.getpid() for b in arrays.list_blocks()))
    assert max(np.subtract(team.run(program), few)) <= 4


STUCK = {
    "both receive": (
        lambda w: w.recv(1 - w.rank),
        "rank 0 waits for a message from rank 1; rank 1 waits for a message from rank 0",
    ),
    "one comes to a collective": (
        lambda w: w.recv_any() if w.rank else w.allreduce(1),
        "rank 0 waits for the barrier; rank 1 waits for a message from any rank",
    ),
    "one sends more than there is room for": (
        lambda w: (w.rank or [w.send(k, 1) for k in range(99)], w.barrier()),
        "rank 0 waits for room for a message to rank 1; rank 1 waits for the barrier",
    ),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", STUCK)
def test_ranks_that_wait_for_each_other_are_told_what_each_waits_for(team, name):
    program, said = STUCK[name]
    with pytest.raises(DeadlockError, match=said):
        team.run(program)
    assert team.run(lambda w: w.allreduce(1)) == [2, 2]


def test_a_wait_with_a_limit_is_no_deadlock(team):
    def program(worker):
        if worker.rank:
            return worker.recv(0)
        with pytest.raises(WaitTimeoutError):
            worker.recv(1, timeout=1.0)
        worker.send("at last", 1)
        return None

    assert team.run(program)[1] == "at last"
