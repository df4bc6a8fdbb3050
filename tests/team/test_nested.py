"""Teams in children of all kinds: every way to start a process, every start method of a team."""

import itertools
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError, ProgramError
from sharedcompute.shm import arrays
from sharedcompute.team import Team
from sharedcompute.team.messaging import pickling

SCRIPT = Path(__file__).with_name("everywhere.py")
WAYS = ("spawn", "fork", "forkserver", "pool", "os.fork")
METHODS = ("forkserver", "spawn", "fork")
QUICK = {("spawn", "forkserver")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("nested")
    x = np.random.default_rng(0).standard_normal((200, 20))
    with h5py.File(made / "in.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(50, 7), compression=1)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "method"),
    [
        pytest.param(*pair, marks=() if pair in QUICK else pytest.mark.faults, id="-".join(pair))
        for pair in itertools.product(WAYS, METHODS)
    ],
)
def test_a_child_of_any_kind_gets_right_results_from_a_team_of_any_kind(folder, how, method):
    ran = subprocess.run(
        [sys.executable, SCRIPT, how, method, folder], capture_output=True, text=True, check=False
    )
    assert (ran.stdout.strip(), ran.stderr) == ("as it must be", "")


def test_a_team_in_a_worker_is_refused_and_the_outer_one_goes_on(team):
    def program(worker):
        with Team(1):
            return worker.rank

    with pytest.raises(InputError, match="expected a process that may start others, got a worker"):
        team.run(program)
    assert team.run(lambda worker: worker.rank) == list(range(team.size))


@pytest.fixture
def lost(monkeypatch):
    """Shared arrays reach workers as copies, as they once did in children of multiprocessing."""

    def shared(array, *_):
        if arrays.segment_of(array) is None:
            return None
        return "value", np.array(array, subok=False)

    monkeypatch.setattr(pickling, "_shared", shared)


@pytest.mark.sample(1)
@pytest.mark.usefixtures("lost")
@pytest.mark.parametrize(
    "call",
    [
        lambda team, x, source, out: team.map(np.positive, x),
        lambda team, x, source, out: sc.reduce("mean", x, team=team),
        lambda team, x, source, out: sc.reduce(["max", "count"], source, team=team),
        lambda team, x, source, out: sc.scan("cumsum", x, team=team),
        lambda team, x, source, out: sc.fit("lstsq", source, y=x[:, 0], team=team),
        lambda team, x, source, out: sc.map(
            "gaussian", source, out, sigma=1.0, chunks="contiguous", team=team
        ),
        lambda team, x, source, out: sc.map("scale", source, out, filter="gzip:1", team=team),
        lambda team, x, source, out: sc.repack(source, out, filter="gzip:1", team=team),
    ],
    ids=["team.map", "reduce", "exact", "scan", "fit", "loaded", "map", "repack"],
)
def test_a_buffer_lost_between_a_worker_and_the_writer_is_an_error(folder, tmp_path, team, call):
    x = np.random.default_rng(1).standard_normal((200, 20))
    out = tmp_path / "out.h5"
    with pytest.raises(ProgramError, match="shared memory"):
        call(team, x, f"{folder}/in.h5::/x", f"{out}")
    assert not out.exists()


def test_a_shared_array_that_is_sent_by_itself_is_the_same_memory(team):
    x = arrays.zeros(4)

    def program(worker, x):
        queue = worker.queue(1)
        if worker.rank == 0:
            worker.send(x[:2], 1)
            queue.put(x[2:])
        else:
            worker.recv(0)[:] = 1
            queue.get()[:] = 2

    team.run(program, x)
    assert x.tolist() == [1, 1, 2, 2]


def test_what_a_rank_has_made_cannot_be_written_by_who_gets_a_copy_of_it(team):
    def program(worker):
        own = arrays.zeros(3)
        got = worker.broadcast((own,))[0]
        if worker.rank:
            got[0] = 1  # lost, if it were done

    with pytest.raises(ValueError, match="read-only"):
        team.run(program)


def test_a_masked_array_in_shared_memory_is_refused_as_its_mask_would_be_lost(team):
    x = arrays.zeros(3)
    with pytest.raises(InputError, match="got a MaskedArray over it"):
        team.run(lambda worker, x: None, np.ma.array(x, mask=[0, 1, 0], copy=False))
