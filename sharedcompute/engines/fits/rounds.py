"""Iterating: the rounds of a fit, in one process or by all workers in step.

Every rank runs `iterate`. In a round the ranks take blocks until all are done; then, with barriers
between, they combine the blocks' states in a fixed binary tree, and rank 0 makes the next model.
The model is kept twice: a round writes to the copy that nobody reads, and ends by making that the
current one. So the last model is whole at any moment, whatever dies, and the next run goes on
there.

Where workers cannot wait for each other, `drive` does the same in the parent: the blocks of each
round are units of work whose states travel, and the tree and the next model are made here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.engines.alone import Alone
from sharedcompute.engines.engine import Engine, Party, undeliverable
from sharedcompute.engines.fits.contribution import (
    RoundWork,
    check_finite,
    contributing,
    threads_of,
)
from sharedcompute.engines.fits.loop import DROPPED, ROUNDS_DONE, Loop, plain
from sharedcompute.engines.units.block import BlockRunner
from sharedcompute.events import Listener, RoundDone
from sharedcompute.operations.fits.declaration import Algorithm, Rounds, Step, Sweeps
from sharedcompute.operations.specs import State
from sharedcompute.operations.stages import is_ours
from sharedcompute.system import faults
from sharedcompute.system.threads import side_by_side

SAVE_SECONDS = 1.0
"""How often the model is sent to be saved: what came after the last time is lost in a death."""

SAVE_SHARE = 10
"""The fit takes this many times as long as to send its model, however large that is."""


@dataclass(frozen=True)
class Iteration:
    """A program: the rounds of a fit, by all ranks in step.

    Parameters
    ----------
    loop : Loop
    """

    loop: Loop

    def warm_up(self) -> None:
        """Compile here what all ranks will call."""
        warm_up(self.loop)

    def run(self, party: Party) -> None:
        """Do the rounds of one rank; for its BLAS see `run_fit`."""
        import threadpoolctl  # noqa: PLC0415 - only fits need it

        # To look for the libraries takes 2 ms, and a worker of one thread has them limited already.
        with nullcontext() if party.threads == 1 else threadpoolctl.threadpool_limits(1):
            iterate(party, self.loop)

    def left(self) -> int:
        """Return the checksum of the last model."""
        return self.loop.left()


def iterate(party: Party, loop: Loop) -> None:
    """Do rounds until the fit is done, and the one after them that its results may need."""
    with _quiet(loop.part.algorithm):
        if isinstance(loop.part.algorithm, Sweeps):
            _sweep(party, loop, loop.part.algorithm)
        else:
            with closing(_Blocks(party, loop, loop.part.algorithm)) as blocks:
                _rounds(party, loop, loop.part.algorithm, blocks.look)


def drive(loop: Loop, algorithm: Rounds, engine: Engine, listen: Listener) -> None:
    """Do rounds in this process, the blocks of each as units of work on an engine."""
    warm_up(loop)

    def look() -> None:
        engine.run(RoundWork(loop.work, loop.round(), loop), undeliverable, listen)

    with _quiet(algorithm):
        _rounds(Alone(1, listen), loop, algorithm, look)


def _quiet(algorithm: Algorithm) -> AbstractContextManager[Any]:
    """Silence warnings of overflow: our own algorithms refuse such numbers in one error.

    NumPy keeps what it warns of by thread.
    """
    ours = is_ours(type(algorithm))
    return np.errstate(over="ignore", invalid="ignore") if ours else nullcontext()


class _Blocks:
    """The blocks of a round that fall to one rank, run by its threads."""

    def __init__(self, party: Party, loop: Loop, algorithm: Rounds) -> None:
        self._party = party
        self._loop = loop
        self._algorithm = algorithm
        threads = party.threads if threads_of(loop.work, algorithm) else 1
        self._runners = [
            contributing(loop, algorithm, party.rank, undeliverable) for _ in range(threads)
        ]

    def look(self) -> None:
        """Run blocks until all are taken, or the round is to be dropped."""
        party, loop = self._party, self._loop
        claims, lock = party.claims(loop.work.blocks), threading.Lock()

        def body(thread: int) -> None:
            for number in claims.of(thread):
                try:
                    with _quiet(self._algorithm):
                        done = self._runners[thread].run(number)
                except Exception:
                    claims.blame(thread)
                    raise
                with lock:
                    party.report(done.event)
                if loop.stopping:
                    claims.stop()

        side_by_side(len(self._runners), body, claims.stop)

    def close(self) -> None:
        """Close all runners."""
        for runner in self._runners:
            runner.close()


def _rounds(party: Party, loop: Loop, algorithm: Rounds, look: Callable[[], None]) -> None:
    saves = _Saves(loop)
    while not loop.finished:
        if not _look_at_all(party, loop, algorithm, look):
            break
        if party.rank == 0:
            _check_state(loop)
            old, new = loop.model, loop.models[(int(loop.words[ROUNDS_DONE]) + 1) % 2]
            for name, array in new.items():
                array[...] = old[name]
            step = algorithm.update(plain(new), loop.state(0))
            _publish(party, loop, step, saves, plain(new))
        party.barrier()
    if algorithm.needs_last:
        _look_at_all(party, loop, algorithm, look)


def _sweep(party: Party, loop: Loop, algorithm: Sweeps) -> None:
    saves = _Saves(loop)
    while not loop.finished:
        algorithm.sweep(party.control, loop.model)
        party.barrier()
        if party.rank == 0:
            _publish(party, loop, algorithm.update(loop.model), saves, loop.model)
            if loop.stopping:
                loop.drop()
        party.barrier()


class _Saves:
    """Decides when the model is sent to be saved."""

    def __init__(self, loop: Loop) -> None:
        self._wanted = loop.saved
        self._due = time.monotonic() + SAVE_SECONDS

    @property
    def due(self) -> bool:
        """True if it is time."""
        return self._wanted and time.monotonic() >= self._due

    def took(self, seconds: float) -> None:
        """Note how long it took to send the model."""
        self._due = time.monotonic() + max(SAVE_SECONDS, SAVE_SHARE * seconds)


def _publish(party: Party, loop: Loop, step: Step, saves: _Saves, model: State) -> None:
    """Publish a round, then commit it: a crash in between publishes it again."""
    number = int(loop.words[ROUNDS_DONE]) + 1
    # Not the last one: a run that finds a model goes on from it with another round.
    due, began = saves.due and not step.done, time.monotonic()
    held = {name: array.copy() for name, array in model.items()} if due else None
    party.report(RoundDone(number, dict(step.values), step.done, step.converged, held))
    if due:
        saves.took(time.monotonic() - began)
    faults.point("round", number)
    loop.commit(step)


def _look_at_all(party: Party, loop: Loop, algorithm: Rounds, look: Callable[[], None]) -> bool:
    """Run all blocks and combine their states; the state of block 0 is of all rows then.

    Returns False where the round was dropped, on all ranks.
    """
    blocks, last = loop.work.blocks, loop.finished
    look()
    party.barrier()
    # A rank that broke off had seen the word before this barrier, so rank 0 sees it after.
    if party.rank == 0 and loop.stopping:
        loop.drop()
    party.barrier()
    # Not whether it is finished: rank 0 may be past the next model by now.
    if loop.words[DROPPED] and not last:
        return False
    step = 1
    while step < len(blocks):
        for at in range(2 * step * party.rank, len(blocks) - step, 2 * step * party.size):
            algorithm.combine(loop.state(at), loop.state(at + step))
        step *= 2
        party.barrier()
    return True


def _check_state(loop: Loop) -> None:
    """Look for rows that are not finite where the state of the first round shows some."""
    state = loop.state(0).values()
    if loop.words[ROUNDS_DONE] or all(np.isfinite(s).all() for s in state):
        return
    with closing(BlockRunner(loop.work, (), undeliverable)) as runner:
        for rows in loop.work.blocks if loop.part.operation.shows_nan else ():
            check_finite(runner.rows_at(loop.part.value, rows), rows.start, loop.part.name)


def warm_up(loop: Loop) -> None:
    """Compile here what all workers will call: they then find it in numba's cache.

    On one made-up row, whose state is thrown away.
    """
    algorithm = loop.part.rounds
    if algorithm is None:
        return
    spec = loop.work.spec(loop.part.value)
    x = np.zeros((1, *spec.shape[1:]), spec.dtype)
    x.flags.writeable = False
    state = {name: s.copy() for name, s in loop.state(0).items()}
    model = {name: array.copy() for name, array in loop.model.items()}
    check_finite(x, 0, loop.part.name)
    try:
        algorithm.reset(state)
        algorithm.add(x, 0, 0, model, state)
        algorithm.combine(state, {name: s.copy() for name, s in state.items()})
    except Exception:  # noqa: BLE001 - the made-up row need not make sense to it
        return
