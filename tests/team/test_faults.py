"""Deaths, interrupts and ends of all kinds: a clear error, a team that works on, nothing left."""

import os
import signal
import time

import pytest

from sharedcompute.errors import WorkerDied
from sharedcompute.shm import arrays
from sharedcompute.team import Team

from .scripts import Script, eventually, gone, run


@pytest.fixture(scope="module")
def crew():
    """A team for killing workers of."""
    with Team(3) as made:
        yield made


@pytest.fixture(autouse=True)
def the_team_works_afterwards(crew):
    yield
    assert crew.run(lambda w: (w.rank, os.getpid())) == list(enumerate(crew.pids))


def kill(rank, pid):
    os.kill(pid, signal.SIGKILL)


@pytest.mark.sample(3)
@pytest.mark.parametrize("waiting_in", ["python", "barrier", "lock", "kernel"])
def test_a_killed_worker_is_named_with_its_signal_and_rows(crew, waiting_in):
    def program(worker, waiting_in):
        import numba

        @numba.njit(nogil=True)
        def spin(x):
            while x[0] == 0:
                x[0] = 0

        worker.at((10, 20))
        if worker.rank != 1:
            while True:
                worker.barrier()
        with worker.lock:
            worker.post(os.getpid())
            while waiting_in == "barrier":
                worker.barrier()
            if waiting_in == "kernel":
                import numpy

                spin(numpy.zeros(1))
            time.sleep(60)

    pid = crew.pids[1]
    with pytest.raises(WorkerDied) as caught:
        crew.run(program, waiting_in, on_message=kill)
    died = caught.value
    assert (died.rank, died.pid, died.signal, died.rows) == (1, pid, 9, (10, 20))
    assert gone(pid)


def test_a_killed_worker_brings_out_those_who_wait_for_its_lock(crew):
    def program(worker):
        if worker.rank == 1:
            with worker.lock:
                worker.barrier()
                worker.post(0)
                time.sleep(60)
        worker.barrier()
        with worker.lock:
            pass

    pids = crew.pids
    with pytest.raises(WorkerDied):
        crew.run(program, on_message=lambda rank, _: kill(rank, pids[rank]))
    assert (crew.pids[0], crew.pids[2]) == (pids[0], pids[2]), "nobody else had to be killed"


def test_a_worker_that_exits_is_named_with_its_code(crew):
    def program(worker):
        if worker.rank == 2:
            os._exit(3)
        worker.barrier()

    with pytest.raises(WorkerDied, match="exited with code 3") as caught:
        crew.run(program)
    assert (caught.value.rank, caught.value.signal, caught.value.exitcode) == (2, None, 3)


def test_a_worker_killed_while_idle_is_replaced(crew):
    before = crew.pids
    process = crew._supervisor.workers[0].process
    process.kill()
    process.join()
    assert crew.run(lambda _: os.getpid()) == [crew.pids[0], *before[1:]]
    assert crew.pids[0] != before[0]


def test_all_workers_killed_at_once(crew):
    def program(worker):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerDied):
        crew.run(program)


def test_blocks_that_a_killed_worker_made_are_removed(crew):
    def program(worker):
        from sharedcompute import zeros

        kept = zeros(1000)
        worker.post(arrays.segment_of(kept).name)
        time.sleep(60)

    pids, names = crew.pids, []

    def note(rank, name):
        names.append(name)
        if len(names) == len(pids):
            os.kill(pids[rank], signal.SIGKILL)

    with pytest.raises(WorkerDied):
        crew.run(program, on_message=note)
    left = {block.name for block in arrays.list_blocks()}
    assert not left & set(names)


def test_a_worker_that_will_not_stop_is_killed_and_replaced(crew):
    def program(worker):
        if worker.rank == 0:
            raise ValueError("over")
        time.sleep(600)

    before = crew.pids
    with pytest.raises(ValueError, match="over"):
        crew.run(program)
    assert all(gone(pid) for pid in before[1:])


def test_an_interrupt_while_waiting_ends_the_job(crew):
    def program(worker):
        worker.post(0)
        time.sleep(600)

    def interrupt(_rank, _message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crew.run(program, on_message=interrupt)


def test_late_words_of_a_stopped_job_are_not_taken_for_the_next_one(crew):
    def chatter(worker):
        while True:
            worker.post(bytes(300_000))
            worker.check()

    def stop(_rank, _message):
        raise LookupError

    for _ in range(3):
        with pytest.raises(LookupError):
            crew.run(chatter, on_message=stop)
        got = []
        crew.run(lambda w: w.post(w.rank), on_message=lambda _, message: got.append(message))
        assert sorted(got) == [0, 1, 2]


HEAD = """
    import gc, os, signal, sys, time
    import numba, numpy as np
    from sharedcompute.shm import arrays
    from sharedcompute.team import Team
"""


def left_of(pid):
    return [block.name for block in arrays.list_blocks() if block.pid == pid]


@pytest.mark.slow
def test_a_script_without_a_main_guard_runs_once_with_its_own_kernels(tmp_path):
    code, out, err = run(
        tmp_path,
        HEAD
        + """
    print("once")
    BIAS = 1

    @numba.njit
    def kernel(x, out):
        for i in range(len(x)):
            out[i] = x[i] + BIAS

    class Point:
        def __init__(self, a):
            self.a = a

    def program(worker):
        return Point(worker.rank + BIAS)

    with Team(2) as team:
        print(team.map(kernel, np.arange(3.0)).tolist())
        print(team.map(lambda a, b: np.add(a, BIAS, out=b), [1, 2]).tolist())
        points = team.run(program)
        print([p.a for p in points], type(points[0]) is Point)
    """,
    )
    assert (code, err) == (0, "")
    assert out.splitlines() == ["once", "[1.0, 2.0, 3.0]", "[2, 3]", "[1, 2] True"]


@pytest.mark.parametrize("ending", ["pass", "sys.exit(5)", "raise LookupError('x')", "del x, team"])
@pytest.mark.sample(1)
def test_a_script_that_ends_leaves_no_process_and_no_block(tmp_path, ending):
    code, out, err = run(
        tmp_path,
        HEAD
        + f"""
    x = arrays.asarray(np.arange(1000.0))
    kept = x[5:]
    team = Team(2)
    print(os.getpid(), *team.run(lambda w, a: os.getpid(), x))
    {ending}
    """,
    )
    assert code == {"sys.exit(5)": 5, "raise LookupError('x')": 1}.get(ending, 0)
    assert ("LookupError" in err) == ("LookupError" in ending)
    assert "leaked" not in err
    pid, *workers = map(int, out.split())
    assert left_of(pid) == []
    assert eventually(lambda: all(map(gone, workers)))


KERNEL = """
    @numba.njit({options})
    def forever(x):
        while x[0] == 0:
            x[0] = 0

    def kernel(worker):
        forever(np.ones(1))
        worker.post(0)
        forever(np.zeros(1))

    def say(rank, _):
        if rank == 0:
            print("now", flush=True)

    x = arrays.zeros(4)
    team = Team(2)
    print(os.getpid(), *team.run(lambda w: os.getpid()), flush=True)
    team.map(lambda a, b: b.fill(1), x)
    {job}
"""

JOBS = {
    "kernel": "team.run(kernel, on_message=say)",
    "python": "team.run(lambda w: (w.post(0), time.sleep(600)), on_message=say)",
    "barrier": "team.run(lambda w: [w.post(w.barrier()), *iter(w.barrier, 1)], on_message=say)",
    "idle": "say(0, 0); time.sleep(600)",
}


@pytest.fixture
def script(tmp_path):
    """Start a script at work; gives it, its pid and its workers'."""
    started = []

    def start(job, options=""):
        made = Script(tmp_path, HEAD + KERNEL.format(job=JOBS[job], options=options))
        started.append(made)
        pid, *workers = map(int, made.line().split())
        assert made.line() == "now"
        return made, pid, workers

    yield start
    for made in started:
        made.kill_group()


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.sample(1)
def test_control_c_ends_a_script_soon_and_leaves_nothing(script, job):
    made, pid, workers = script(job)
    os.killpg(pid, signal.SIGINT)  # as a terminal does
    begun = time.monotonic()
    _, _, err = made.end()
    assert time.monotonic() - begun < 10, "promised are 2 s; this machine may be busy"
    assert err.count("Traceback") == 1
    assert err.endswith("KeyboardInterrupt")
    assert eventually(lambda: all(map(gone, workers)))
    assert left_of(pid) == []


@pytest.mark.parametrize(
    ("job", "options"),
    [("kernel", "nogil=True"), ("kernel", ""), ("python", ""), ("barrier", ""), ("idle", "")],
)
@pytest.mark.sample(1)
def test_a_killed_parent_leaves_no_process_and_no_block(script, job, options):
    made, pid, workers = script(job, options)
    made.process.kill()
    made.process.wait()
    assert eventually(lambda: all(map(gone, workers)))
    assert eventually(lambda: not left_of(pid))


@pytest.mark.slow
def test_a_fork_of_the_parent_may_end(tmp_path):
    code, out, err = run(
        tmp_path,
        HEAD
        + """
    x = arrays.asarray(np.arange(3.0))
    team = Team(1)
    team.run(lambda w: 0)
    pid = os.fork()
    if pid == 0:
        del team, x
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    print(team.run(lambda w, a: a.sum(), x))
    """,
    )
    assert (code, out, err) == (0, "[np.float64(3.0)]", "")
