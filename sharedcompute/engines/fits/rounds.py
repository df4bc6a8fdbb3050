"""Iterating: the rounds of a fit, in one process or by all workers in step.

Every rank runs `iterate`. In a round the ranks take blocks until all are done; then, with barriers
between, they combine the blocks' states in a fixed binary tree, and rank 0 makes the next model.
The model is kept twice: a round writes to the copy that nobody reads, and ends by saying that this
one holds. So the last model is whole at any moment, whatever dies, and the next run goes on there.
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from sharedcompute.engines.fits.loop import DROPPED, ROUNDS_DONE, Loop, plain
from sharedcompute.engines.units.block import BlockRunner
from sharedcompute.engines.units.threads import Claims, side_by_side
from sharedcompute.engines.units.work import undeliverable
from sharedcompute.errors import InputError
from sharedcompute.events import Event, RoundDone
from sharedcompute.kernels.elementwise import all_finite
from sharedcompute.operations.fits.declaration import Algorithm, Rounds, Step, Sweeps
from sharedcompute.operations.specs import Array, State
from sharedcompute.operations.stages import is_ours
from sharedcompute.rows import Blocks
from sharedcompute.system import faults

SAVE_SECONDS = 1.0
"""How often the model is handed over to be saved: what came after the last time is lost in a
death."""

SAVE_SHARE = 10
"""The fit takes this many times as long as to hand over its model, however large that is."""


class Party(Protocol):
    """One rank of those that iterate together."""

    @property
    def rank(self) -> int:
        """Its number."""

    @property
    def size(self) -> int:
        """How many there are."""

    @property
    def control(self) -> Any:
        """What `sharedcompute.sync.barrier` takes."""

    @property
    def threads(self) -> int:
        """Blocks that it may do at a time."""

    def barrier(self) -> None:
        """Wait for all ranks."""

    def claims(self, blocks: Blocks) -> Claims:
        """The blocks of a round that fall to this rank."""

    def tell(self, event: Event) -> None:
        """Tell whoever watches; what is told was received before the next barrier opens."""


def iterate(party: Party, loop: Loop) -> None:
    """Do rounds until the fit is done, and what is wanted behind them."""
    with _quiet(loop.part.algorithm):
        if isinstance(loop.part.algorithm, Sweeps):
            _sweep(party, loop, loop.part.algorithm)
        else:
            _rounds(party, loop, loop.part.algorithm)


def _quiet(algorithm: Algorithm) -> AbstractContextManager[Any]:
    """What ours come to beyond the range of numbers they refuse themselves, in one error.

    NumPy keeps what it warns of by thread.
    """
    ours = is_ours(type(algorithm))
    return np.errstate(over="ignore", invalid="ignore") if ours else nullcontext()


def _rounds(party: Party, loop: Loop, algorithm: Rounds) -> None:
    # A user's own may start threads itself.
    ours = loop.work.side_by_side and is_ours(type(algorithm))
    runners = [
        BlockRunner(
            loop.work, [(loop.part.depth, Contribution(loop, algorithm))], undeliverable, party.rank
        )
        for _ in range(party.threads if ours else 1)
    ]
    saves = _Saves(loop)
    try:
        while not loop.finished:
            if not _look_at_all(party, loop, algorithm, runners):
                break
            if party.rank == 0:
                _check_state(loop, runners[0])
                old, new = loop.model, loop.models[(int(loop.words[ROUNDS_DONE]) + 1) % 2]
                for name, array in new.items():
                    array[...] = old[name]
                step = algorithm.update(plain(new), loop.state(0))
                _told(party, loop, step, saves, plain(new))
            party.barrier()
        if algorithm.needs_last:
            _look_at_all(party, loop, algorithm, runners)
    finally:
        for runner in runners:
            runner.close()


def _sweep(party: Party, loop: Loop, algorithm: Sweeps) -> None:
    saves = _Saves(loop)
    while not loop.finished:
        algorithm.sweep(party.control, loop.model)
        party.barrier()
        if party.rank == 0:
            _told(party, loop, algorithm.update(loop.model), saves, loop.model)
            if loop.stopping:
                loop.drop()
        party.barrier()


class _Saves:
    """When the model is handed over to be saved."""

    def __init__(self, loop: Loop) -> None:
        self._wanted = loop.saved
        self._due = time.monotonic() + SAVE_SECONDS

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._wanted and time.monotonic() >= self._due

    def took(self, seconds: float) -> None:
        """Note how long it took to hand the model over."""
        self._due = time.monotonic() + max(SAVE_SECONDS, SAVE_SHARE * seconds)


def _told(party: Party, loop: Loop, step: Step, saves: _Saves, model: State) -> None:
    """Tell of a round, then let it hold: should this process die between, it is told again."""
    number = int(loop.words[ROUNDS_DONE]) + 1
    # Not the last one: who finds a model goes on from it with another round.
    due, began = saves.due and not step.done, time.monotonic()
    held = {name: array.copy() for name, array in model.items()} if due else None
    party.tell(RoundDone(number, dict(step.values), step.done, step.converged, held))
    if due:
        saves.took(time.monotonic() - began)
    faults.point("round", number)
    loop.commit(step)


def _look_at_all(party: Party, loop: Loop, algorithm: Rounds, runners: list[BlockRunner]) -> bool:
    """Run all blocks and combine what they come to; the state of block 0 is of all rows then.

    Gives False where the round was dropped, on all ranks.
    """
    blocks, last = loop.work.blocks, loop.finished
    claims, lock = party.claims(blocks), threading.Lock()

    def body(thread: int) -> None:
        for number in claims.of(thread):
            try:
                with _quiet(algorithm):
                    done = runners[thread].run(number)
            except Exception:
                claims.blame(thread)
                raise
            with lock:
                party.tell(done)
            if loop.stopping:
                claims.stop()

    side_by_side(len(runners), body, claims.stop)
    party.barrier()
    # Whoever broke off had seen the word before this barrier, so rank 0 sees it behind.
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


class Contribution:
    """What the blocks of a round come to, block by block: what a `BlockRunner` adds rows to."""

    exact = False

    def __init__(self, loop: Loop, algorithm: Rounds) -> None:
        self._loop = loop
        self._algorithm = algorithm
        self._block = 0
        self._state: State = {}
        self._model: State = {}

    def begin(self, block: int) -> None:
        """Begin a block."""
        self._block = block
        self._state, self._model = self._loop.state(block), self._loop.model
        self._algorithm.reset(self._state)

    def add(self, x: Array, start: int) -> None:
        """Add rows from row `start` on."""
        if self._loop.words[ROUNDS_DONE] == 0 and not self._loop.part.operation.shows_nan:
            check_finite(x, start, self._loop.part.name)
        self._algorithm.add(x, start, self._block, self._model, self._state)

    def end(self) -> None:
        """Nothing is left to do at the end of a block."""

    def finish(self) -> None:
        """Nor after the last one."""


def _check_state(loop: Loop, runner: BlockRunner) -> None:
    """Look for rows that are not finite where the state of the first round says that there are."""
    state = loop.state(0).values()
    if loop.words[ROUNDS_DONE] or all(np.isfinite(s).all() for s in state):
        return
    for rows in loop.work.blocks if loop.part.operation.shows_nan else ():
        check_finite(runner.rows_at(loop.part.depth, rows), rows.start, loop.part.name)


def check_finite(x: Array, start: int, name: str) -> None:
    """Refuse rows with NaN or infinity: all that is worked out from them would be NaN."""
    if x.dtype.kind != "f" or all_finite(x.reshape(-1)):
        return
    bad = np.argwhere(~np.isfinite(x.reshape(len(x), -1)))[0]
    raise InputError(
        f"{name} needs finite numbers, got {x.reshape(len(x), -1)[tuple(bad)]} in row "
        f"{start + bad[0]}: leave such rows out, or fill them in"
    )


def warm_up(loop: Loop) -> None:
    """Compile here what all workers will call: they then find it in numba's cache.

    On one made-up row; what it comes to is thrown away.
    """
    algorithm = loop.part.rounds
    if algorithm is None:
        return
    spec = loop.work.spec(loop.part.depth)
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
