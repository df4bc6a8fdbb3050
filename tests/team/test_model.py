"""A team and its arrays against a model in NumPy: anything a user may do, in any order."""

from __future__ import annotations

import gc
import os
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sharedcompute.errors import InputError, WorkerDied
from sharedcompute.shm import arrays
from sharedcompute.team import Team

SCHEDULES = ["static", "dynamic", "guided"]


def own_blocks():
    return {block.name for block in arrays.list_blocks() if block.pid == os.getpid()}


def add(x, out, number):
    out[...] = x + number


class Model(RuleBasedStateMachine):
    """A shared array, or a view of one, goes with the private array that it must equal."""

    pairs = Bundle("pairs")

    @initialize(size=st.integers(1, 3))
    def start(self, size):
        self.team = Team(size)

    def teardown(self):
        self.close()

    @property
    def is_open(self):
        return self.team._closing.alive

    @rule(target=pairs, rows=st.integers(0, 9), seed=st.integers(0, 9))
    def make(self, rows, seed):
        values = np.random.default_rng(seed).integers(-99, 99, (rows, 2)).astype(float)
        return arrays.asarray(values), values.copy()

    @rule(target=pairs, pair=pairs, start=st.integers(0, 9), step=st.sampled_from([-2, -1, 1, 3]))
    def view(self, pair, start, step):
        shared, private = pair
        return shared[start::step], private[start::step]

    @rule(pair=consumes(pairs))
    def forget(self, pair):
        """The views of it in other pairs keep it alive."""

    @precondition(lambda self: self.is_open)
    @rule(
        target=pairs, pair=pairs, number=st.integers(-3, 3), schedule=st.sampled_from(SCHEDULES),
        block_rows=st.none() | st.integers(1, 4),
    )  # fmt: skip
    def map(self, pair, number, schedule, block_rows):
        shared, private = pair
        made = self.team.map(
            add, shared, params=(number,), schedule=schedule, block_rows=block_rows
        )
        return made, private + number

    @precondition(lambda self: self.is_open)
    @rule(pair=pairs, number=st.integers(-3, 3))
    def write(self, pair, number):
        """Workers write where the caller, and views, see it."""
        shared, private = pair

        def program(worker, array):
            rows = worker.rows(len(array))
            array[rows.start : rows.stop] += number

        self.team.run(program, shared)
        private += number

    @precondition(lambda self: self.is_open)
    @rule(pair=pairs)
    def reduce(self, pair):
        shared, private = pair

        def program(worker, array):
            total = 0.0
            for rows in worker.claim(len(array), 1):
                total += array[rows.start : rows.stop].sum()
            worker.barrier()
            return total

        assert sum(self.team.run(program, shared)) == private.sum()

    @precondition(lambda self: self.is_open)
    @rule(rank=st.integers(0, 2), waiting=st.sampled_from(["barrier", "lock", "idle"]))
    def kill(self, rank, waiting):
        victim = rank % self.team.size
        if waiting == "idle":
            worker = self.team._supervisor.workers[victim]
            if worker.alive and not worker.wait(0):  # else it is dead, and the next job replaces it
                os.kill(worker.pid, signal.SIGKILL)
                assert worker.wait(20)
            return

        def program(worker, waiting):
            worker.at((worker.rank, worker.rank + 1))
            if worker.rank == victim:
                if waiting == "lock":
                    with worker.lock:
                        os.kill(os.getpid(), signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)
            worker.barrier()

        with pytest.raises(WorkerDied) as caught:
            self.team.run(program, waiting)
        died = caught.value
        assert (died.rank, died.signal, died.rows) == (victim, 9, (victim, victim + 1))

    @precondition(lambda self: self.is_open)
    @rule(rank=st.integers(0, 2), pair=pairs)
    def fail(self, rank, pair):
        """An exception ends the job everywhere; what is shared stays as it is."""
        shared, _ = pair

        def program(worker, array):
            if worker.rank == rank % worker.size:
                raise LookupError(len(array))
            worker.barrier()

        with pytest.raises(LookupError):
            self.team.run(program, shared)

    @precondition(lambda self: self.is_open)
    @rule()
    def stop_listening(self):
        def listen(rank, message):
            raise KeyError(message)

        def program(worker):
            worker.post(worker.rank)
            worker.barrier()

        with pytest.raises(KeyError):
            self.team.run(program, on_message=listen)

    @rule()
    def close(self):
        pids = self.team.pids
        self.team.close()
        assert not any(arrays.segments.start_time(pid) for pid in pids)  # type: ignore[attr-defined]

    @precondition(lambda self: not self.is_open)
    @rule(size=st.integers(1, 3))
    def reopen(self, size):
        with pytest.raises(InputError, match="open team"):
            self.team.run(print)
        self.team = Team(size)

    @precondition(lambda self: self.is_open)
    @rule(pair=pairs)
    def close_an_array(self, pair):
        """It, and its views, are readable here and cannot be sent any more."""
        _, private = pair
        closed = arrays.asarray(private.copy())
        closed.close()
        with pytest.raises(InputError, match="closed"):
            self.team.run(print, closed)
        np.testing.assert_array_equal(closed, private)

    @rule(pair=pairs)
    def compare(self, pair):
        shared, private = pair
        np.testing.assert_array_equal(shared, private)


def go(examples, steps):
    before = own_blocks()
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            # Each step takes milliseconds: to make a failure small would take minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    gc.collect()
    assert own_blocks() <= before


@pytest.mark.slow
def test_a_team_and_its_arrays_do_what_the_model_does():
    go(examples=8, steps=25)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_team_and_its_arrays_do_what_the_model_does_for_long():
    go(examples=150, steps=60)
