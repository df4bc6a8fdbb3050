"""Forks of a process that has a team: the team stays the parent's, and the fork gets its own."""

import atexit
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
import warnings

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError, NoWorkersWarning
from sharedcompute.planning import repack
from sharedcompute.planning.budget import engines
from sharedcompute.shm import arrays

from .scripts import eventually, gone


def in_fork(f, *, leave=os._exit):
    """Call a function in a fork of this process; what it returns, or the text of its error."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there may be threads
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            answer = f()
        except BaseException:
            answer = traceback.format_exc()
        os.write(writing, pickle.dumps(answer))
        os.close(writing)
        leave(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return pickle.loads(answer)


def expect(kind, answer):
    """Fail with the text of a child's error."""
    assert isinstance(answer, kind), answer
    return answer


def leave_as_python_does(code):
    """What multiprocessing, and finalizers, do at the end of an interpreter."""
    atexit._run_exitfuncs()
    os._exit(code)


def ranks(team):
    return team.run(lambda worker: worker.rank)


def error_of(f):
    with pytest.raises(InputError) as caught:
        f()
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("leave", [os._exit, leave_as_python_does], ids=["_exit", "exit"])
def test_in_a_fork_its_parents_team_is_an_error_and_a_team_of_its_own_works(team, leave):
    x = sc.asarray(np.arange(6.0).reshape(3, 2))

    def child():
        errors = [
            error_of(lambda: ranks(team)),
            error_of(lambda: team.map(np.positive, x)),
            error_of(lambda: sc.reduce("mean", x, team=team)),
        ]
        assert repr(team).endswith(f"of process {os.getppid()}>")
        team.close()  # which is not its own
        with sc.Team(2) as own:  # a fork server of its own
            made = ranks(own), own.map(np.positive, x).tolist(), sc.reduce("mean", x).tolist()
        return errors, made

    errors, made = expect(tuple, in_fork(child, leave=leave))
    for error in errors:
        assert "expected a team of this process, got that of process" in error
    assert made == ([0, 1], x.tolist(), x.mean(axis=0).tolist())
    pids = team.pids
    assert ranks(team) == [0, 1]
    assert team.pids == pids


def test_workers_see_their_team_closed_though_a_fork_of_its_process_lives():
    # A fork server of its own: that of other tests would outlive this one's end.
    own = sc.Team(2, start_method="fork")
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    pids = own.pids
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(reading, 1)
        os._exit(0)
    try:
        # Else they would be killed at last: they are to go by themselves.
        own._supervisor._clean = False
        for worker in own._supervisor.workers:
            worker.channel.close()
        assert eventually(lambda: all(map(gone, pids)))
        assert server is None or not gone(server)
    finally:
        os.close(writing)
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        own.close()


def in_daemon(f):
    """Call a function in a daemonic process, as a worker of a pool is."""
    process = multiprocessing.current_process()
    process._config["daemon"] = True  # type: ignore[attr-defined]
    try:
        return f()
    finally:
        del process._config["daemon"]  # type: ignore[attr-defined]


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A file that is large enough for workers, as the plan sees it."""
    monkeypatch.setattr(engines, "START_SECONDS", 0)
    monkeypatch.setattr(repack, "START_SECONDS", 0)
    x = np.arange(600.0).reshape(100, 6)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(10, 6))
    return tmp_path, x


@pytest.mark.slow
def test_where_no_process_may_be_started_auto_runs_here_with_a_note(large):
    folder, x = large
    source = f"{folder}/in.h5::/x"

    def work():
        with pytest.warns(NoWorkersWarning, match="runs in it alone"):
            found = sc.reduce("mean", source, workers=2, block_rows=10)
        with pytest.warns(NoWorkersWarning):
            sc.map("scale", source, f"{folder}/map.h5", workers=2, block_rows=10)
        with pytest.warns(NoWorkersWarning):
            sc.repack(source, f"{folder}/repack.h5", filter="gzip:1", workers=2)
        sc.reduce("mean", source, engine="serial")  # without a note: it was asked for
        return found

    assert in_daemon(work).tolist() == x.mean(axis=0).tolist()
    for name in ("map", "repack"):
        with h5py.File(folder / f"{name}.h5") as file:
            assert np.array_equal(file["x"], x)


def test_where_no_process_may_be_started_a_team_that_was_asked_for_is_an_error(large):
    folder, _ = large
    why = "expected a process that may start others"
    assert why in in_daemon(lambda: error_of(lambda: sc.Team(2)))
    local = lambda: sc.reduce("mean", f"{folder}/in.h5::/x", engine="local", workers=2)  # noqa: E731
    assert why in in_daemon(lambda: error_of(local))


def test_calls_from_several_threads_wait_for_their_turn(team):
    found, sums = {}, {}

    def call(number):
        x = sc.asarray(np.full((50, 2), float(number)))
        found[number] = [team.map(np.negative, x).sum() for _ in range(5)]
        sums[number] = team.run(lambda worker, n: (worker.rank, n), number)
        found[number].append(sc.reduce("max", x, team=team)[0])

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        assert found[number] == [*[-100.0 * number] * 5, number]
        assert sums[number] == [(0, number), (1, number)]


def test_a_call_from_the_job_that_runs_is_an_error(team):
    heard = []

    def again(rank, message):
        heard.append(error_of(lambda: ranks(team)))

    team.run(lambda worker: worker.post(1) if worker.rank == 0 else None, on_message=again)
    assert heard == [heard[0]]
    assert "it is running the job that calls this" in heard[0]
    assert ranks(team) == [0, 1]


def test_the_repr_of_a_team_tells_its_size_and_state(team):
    assert repr(team) == "<Team of 2, idle>"
    own = sc.Team(1, start_method="fork")
    own.close()
    assert repr(own) == "<Team of 1, closed>"


def test_an_array_of_the_parent_is_the_same_memory_in_a_fork_and_its_team():
    x = arrays.zeros(3)

    def child():
        with sc.Team(1, start_method="fork") as own:
            own.run(lambda worker, x: x.__setitem__(0, 7), x)
        x.close()  # the parent's, so that stays

    assert in_fork(child) is None
    assert x.tolist() == [7, 0, 0]
    assert arrays.segment_of(x).name in {block.name for block in arrays.list_blocks()}
