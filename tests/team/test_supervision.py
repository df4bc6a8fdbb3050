"""Deaths at every point of a worker's life: named, the others out, the team at work again."""

import ctypes
import errno
import os
import signal

import numba
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import Error, MemoryBudgetError, WorkerDied
from sharedcompute.shm import arrays
from sharedcompute.sync.layout import ARRIVED
from sharedcompute.team import Team
from sharedcompute.team.processes import launch

from .scripts import eventually, gone, run

SIZE, VICTIM = 3, 1

# How a worker ends, and what `WorkerDied` then says: signal, exit code.
ENDS = {"kill": (9, None), "SIGSEGV": (11, None), "exit": (None, 3)}


@pytest.fixture(scope="module")
def crew():
    """A team for killing workers of."""
    with Team(SIZE) as made:
        yield made


@pytest.fixture(autouse=True)
def the_team_works_afterwards(crew):
    yield
    assert crew.run(everything) == list(range(SIZE))
    assert not [b for b in arrays.list_blocks() if not b.alive and b.pid in crew.pids]


def everything(worker):
    """Come by every point of a job, with rows in hand."""
    worker.at((10 * worker.rank, 10 * worker.rank + 10))
    worker.barrier()
    with worker.lock, worker.semaphore(1):
        pass
    worker.post(bytes(1_000_000))
    worker.barrier()
    return worker.rank


def arm(crew, folder, script):
    """Have the worker there now fail by `script`; the one that takes its place does not."""

    def take(worker, words):
        from sharedcompute.system import faults

        if worker.rank == VICTIM:
            os.environ["SHAREDCOMPUTE_FAULTS_FOLDER"] = str(folder)
            faults.SCRIPT = words

    crew.run(take, (tuple(script.split(":")),))


POINTS = {
    "job": None,  # no rows yet
    "barrier": (10, 20),
    "lock": (10, 20),
    "semaphore": (10, 20),
    "leave": (10, 20),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_in_a_job_is_named_and_the_others_come_out(crew, tmp_path, point, end):
    crew.run(everything)  # whose rows are not those of the next job
    times = 2 if point == "leave" else 1  # the job that arms it is left as well
    arm(crew, tmp_path, f"worker.{point}.{VICTIM}:{times}:{end}")
    before = crew.pids
    with pytest.raises(WorkerDied) as caught:
        crew.run(everything)
    died = caught.value
    assert (died.rank, died.pid, died.starting) == (VICTIM, before[VICTIM], False)
    assert (died.signal, died.exitcode) == ENDS[end]
    assert died.rows == POINTS[point]
    assert gone(before[VICTIM])
    assert crew.pids[::2] == before[::2], "nobody else had to be killed"


@pytest.mark.sample(1)
@pytest.mark.parametrize("end", ENDS)
def test_a_worker_that_dies_while_it_sends_is_named(crew, tmp_path, end):
    arm(crew, tmp_path, f"worker.send:1:{end}")
    heard = []
    with pytest.raises(WorkerDied) as caught:
        crew.run(everything, on_message=lambda rank, _: heard.append(rank))
    assert caught.value.rank == VICTIM
    assert VICTIM not in heard, "half a message is none"


@pytest.mark.sample(3)
@pytest.mark.parametrize("end", ENDS)
def test_a_worker_that_dies_while_idle_is_replaced(crew, tmp_path, end):
    before = crew.pids
    arm(crew, tmp_path, f"worker.idle.{VICTIM}:1:{end}")
    assert crew._supervisor.workers[VICTIM].wait(20)
    assert crew.run(everything) == list(range(SIZE))
    assert [now == then for now, then in zip(crew.pids, before, strict=True)] == [True, False, True]


def test_a_worker_killed_inside_a_barrier_is_named(crew):
    def program(worker):
        worker.at((5, 6))
        if worker.rank == 0:
            while worker._control.words[ARRIVED] < SIZE - 1:
                worker.check()
            worker.post("all the others are inside")
            while True:
                worker.check()
        worker.barrier()

    pid = crew.pids[VICTIM]
    with pytest.raises(WorkerDied) as caught:
        crew.run(program, on_message=lambda *_: os.kill(pid, signal.SIGKILL))
    died = caught.value
    assert (died.rank, died.pid, died.signal, died.rows) == (VICTIM, pid, 9, (5, 6))


def test_a_kernel_that_crashes_is_named_with_its_rows(crew):
    def crash(x, out):
        if x[0] == 60:
            ctypes.string_at(0)
        out[...] = x

    x = np.arange(100.0)
    with pytest.raises(WorkerDied) as caught:
        crew.map(crash, x, schedule="dynamic", block_rows=10)
    assert (caught.value.signal, caught.value.rows) == (11, (60, 70))


def test_a_death_between_two_blocks_does_not_mix_their_rows(crew):
    control = crew._supervisor._control
    control.words[control._row + 1] = 7
    control.at(1, 2)
    assert control.rows_of(-1) == (1, 2)
    control.words[control._row] = -1  # where `at` has it while it changes the rows
    assert control.rows_of(-1) is None


def spin(worker):
    """A loop that is not Python's, and looks at nothing."""

    @numba.njit(nogil=True)
    def forever(x):
        while x[0] == 0:
            x[0] = 0

    forever(np.ones(1))
    worker.barrier()
    if worker.rank == VICTIM:
        forever(np.zeros(1))
    raise ValueError("over")


def stop(worker):
    if worker.rank == VICTIM:
        worker.barrier()
        os.kill(os.getpid(), signal.SIGSTOP)
    worker.barrier()
    if worker.rank == 0:
        raise ValueError("over")


@pytest.mark.sample(1)
@pytest.mark.parametrize("program", [spin, stop])
def test_a_worker_that_cannot_come_out_of_an_aborted_job_is_killed(crew, program):
    before = crew.pids
    with pytest.raises(ValueError, match="over"):
        crew.run(program)
    assert gone(before[VICTIM])
    assert crew.pids[0] == before[0]


@pytest.mark.slow
def test_a_stopped_worker_does_not_hide_the_death_of_another(crew):
    def program(worker):
        if worker.rank == VICTIM:
            os.kill(os.getpid(), signal.SIGSTOP)
        if worker.rank == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        worker.barrier()

    with pytest.raises(WorkerDied) as caught:
        crew.run(program)
    assert caught.value.rank == 2


@pytest.mark.slow
def test_closing_a_team_kills_a_stopped_worker():
    team = Team(2)
    pids = team.run(lambda _: os.getpid())
    os.kill(pids[0], signal.SIGSTOP)
    team.close()
    assert all(map(gone, pids))


def test_the_same_team_goes_on_after_each_of_many_deaths(crew):
    def program(worker, victim):
        if worker.rank == victim:
            os.kill(os.getpid(), signal.SIGKILL)
        worker.barrier()

    for victim in (0, 1, 2, 0, 0):
        with pytest.raises(WorkerDied) as caught:
            crew.run(program, victim)
        assert (caught.value.rank, caught.value.rows) == (victim, None)


def server():
    return launch._server_pid()


@pytest.mark.slow
def test_a_killed_fork_server_disturbs_neither_a_job_nor_the_next_team(crew):
    def program(worker):
        worker.post(0)
        worker.barrier()
        return os.getpid()

    pids = crew.pids
    killed = server()

    def kill(rank, _):
        if rank == 0:
            os.kill(killed, signal.SIGKILL)

    assert crew.run(program, on_message=kill) == pids
    assert eventually(lambda: gone(killed))
    with Team(1) as other:
        assert other.run(lambda w: w.rank) == [0]
    assert server() != killed
    assert crew.run(program) == pids, "workers that are well are not replaced"
    # How a child of the killed one ended nobody knows. It is named all the same.
    with pytest.raises(WorkerDied, match="fork server is gone") as caught:
        crew.run(lambda w: os.kill(os.getpid(), signal.SIGKILL) if w.rank == 2 else w.barrier())
    died = caught.value
    assert (died.rank, died.pid, died.signal, died.exitcode) == (2, pids[2], None, None)


def test_a_fork_server_that_dies_again_and_again_is_an_error(crew, monkeypatch):
    context = launch.context(None)

    def die(_):
        raise EOFError  # what the parent sees of it

    monkeypatch.setattr(context.Process, "start", die)
    monkeypatch.setattr(launch, "_bury_server", lambda: None)
    with pytest.raises(Error, match="died 3 times"):
        Team(1)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE])
def test_no_room_for_a_process_is_one_line_and_leaves_nothing(crew, monkeypatch, number):
    context, started = launch.context(None), []
    start = context.Process.start

    def full(process):
        if started:
            raise OSError(number, os.strerror(number))
        start(process)
        started.append(process.pid)

    monkeypatch.setattr(context.Process, "start", full)
    with pytest.raises(
        MemoryBudgetError, match=r"expected to start worker 1, got .*; use fewer workers"
    ):
        Team(2)
    assert all(map(gone, started))


@pytest.mark.slow
def test_too_few_descriptors_are_refused_before_anything_starts(tmp_path):
    code, out, err = run(
        tmp_path,
        """
    import resource
    import sharedcompute as sc

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        sc.Team(40)
    except sc.MemoryBudgetError as error:
        print(error)
    with sc.Team(2) as team:
        print(team.run(lambda w: w.rank))
    """,
    )
    assert (code, err) == (0, "")
    refused, ranks = out.splitlines()
    assert "expected 176 file descriptors for a team of 40" in refused
    assert "of the limit of 64" in refused
    assert ranks == "[0, 1]"


# The worker of rank 1 fails whenever it is started, each time otherwise; the eighth one lives.
BEGINNINGS = """
    import os
    import sharedcompute as sc

    os.environ["SHAREDCOMPUTE_FAULTS"] = " ".join([
        "worker.start.1:1:kill worker.start.1:2:SIGSEGV worker.start.1:3:exit",
        "worker.attach.1:1:kill worker.attach.1:2:SIGSEGV worker.attach.1:3:exit",
        "worker.attach.1:4:ENOMEM",
    ])
    os.environ["SHAREDCOMPUTE_FAULTS_FOLDER"] = "."
    team = sc.Team(2)
    while True:
        try:
            print(team.run(lambda w: w.barrier() or w.rank))
            break
        except sc.WorkerDied as died:
            assert (died.pid, died.starting, died.rows) == (team.pids[1], True, None), died
            print(died.rank, died.signal, died.exitcode)
        except sc.Error as error:
            print(error)
    team.close()
"""


@pytest.mark.slow
def test_a_worker_that_dies_while_it_starts_is_named_until_one_lives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(tmp_path, BEGINNINGS)
    assert (code, err) == (0, "")
    *deaths, unfit, result = out.splitlines()
    assert deaths == 2 * ["1 9 None", "1 11 None", "1 None 3"]
    assert unfit.startswith("expected worker 1 to start, got OSError: [Errno 12]")
    assert result == "[0, 1]"


@pytest.mark.slow
def test_workers_that_never_start_are_an_error_each_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHAREDCOMPUTE_FAULTS", "worker.start:*:exit")
    monkeypatch.setenv("SHAREDCOMPUTE_FAULTS_FOLDER", str(tmp_path))
    code, out, err = run(
        tmp_path,
        """
    import sharedcompute as sc

    with sc.Team(2) as team:
        for _ in range(3):
            try:
                team.run(print)
            except sc.WorkerDied as died:
                print(died)
    """,
    )
    assert (code, err) == (0, "")
    said = out.splitlines()
    assert len(said) == 3
    assert all("exited with code 3 while starting; run" in line for line in said)


def test_an_error_about_a_worker_survives_pickling():
    import pickle

    died = WorkerDied(1, 2, None, (3, 4), None, True)
    again = pickle.loads(pickle.dumps(died))
    assert (str(again), again.__dict__) == (str(died), died.__dict__)
    assert isinstance(again, sc.Error)
