"""The blocks of a round: what each contributes to the state of all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sharedcompute.engines.engine import Deliver, Left
from sharedcompute.engines.fits.loop import Loop, Round
from sharedcompute.engines.units.block import BlockRunner
from sharedcompute.errors import InputError
from sharedcompute.kernels.elementwise import all_finite
from sharedcompute.operations.fits.declaration import Rounds
from sharedcompute.operations.specs import Array, State
from sharedcompute.operations.stages import is_ours
from sharedcompute.planning.passes import Pass
from sharedcompute.rows import Rows


class Contribution:
    """Takes the rows of blocks and adds them to their states: the port of a round.

    Parameters
    ----------
    algorithm : Rounds
    round_of : callable
        Gives the round in hand, once for each block.
    state_of : callable
        Gives the memory for the state of a block.
    in_place : bool
        That is where the parent looks for it.
    """

    exact = False

    def __init__(
        self,
        algorithm: Rounds,
        round_of: Callable[[], Round],
        state_of: Callable[[int], State],
        *,
        in_place: bool,
    ) -> None:
        self.in_place = in_place
        self._algorithm = algorithm
        self._round_of = round_of
        self._state_of = state_of
        self._block = 0
        self._round: Round | None = None
        self._state: State = {}

    def begin(self, block: int) -> None:
        """Begin a block."""
        self._block = block
        self._state, self._round = self._state_of(block), self._round_of()
        self._algorithm.reset(self._state)

    def add(self, x: Array, start: int) -> None:
        """Add rows from row `start` on."""
        assert self._round is not None
        part = self._round.part
        if self._round.first and not part.operation.shows_nan:
            check_finite(x, start, part.name)
        self._algorithm.add(x, start, self._block, self._round.model, self._state)

    def end(self) -> None:
        """Finish a block: nothing is left to do."""

    def left(self) -> State | None:
        """Return the state of the block, if it has to travel."""
        return None if self.in_place else self._state

    def take(self) -> State:
        """Refuse: each block has a state of its own."""
        raise AssertionError("each block of a round has a state of its own")

    def finish(self) -> None:
        """Finish after the last block: nothing is left to do."""


def contributing(loop: Loop, algorithm: Rounds, rank: int, deliver: Deliver) -> BlockRunner:
    """Return a runner that leaves the states of blocks where all ranks have them."""
    port = Contribution(algorithm, loop.round, loop.state, in_place=True)
    return BlockRunner(loop.work, [(loop.part.value, port)], deliver, rank)


def threads_of(work: Pass, algorithm: Rounds) -> bool:
    """Return whether threads of one process may run blocks of a round side by side.

    A user's own algorithm may start threads itself.
    """
    return work.side_by_side and is_ours(type(algorithm))


@dataclass(frozen=True)
class RoundWork:
    """The blocks of one round as units of work, where workers cannot wait for each other.

    Parameters
    ----------
    work : Pass
        Reads the rows.
    round : Round
    loop : Loop or None
        Takes the states; None where it lies in another process.
    """

    work: Pass
    round: Round
    loop: Loop | None

    ordered = False
    taken = False
    reduced = ()

    @property
    def algorithm(self) -> Rounds:
        """The algorithm."""
        assert self.round.part.rounds is not None
        return self.round.part.rounds

    @property
    def side_by_side(self) -> bool:
        """True if nothing in it may start threads of its own."""
        return threads_of(self.work, self.algorithm)

    def __len__(self) -> int:
        return len(self.work.blocks)

    def rows(self, number: int) -> Rows:
        """Return the rows of a block."""
        return self.work.blocks[number]

    def nbytes(self, number: int) -> int:
        """Return the bytes of a block in the source."""
        return self.work.block_nbytes(number)

    def warm_up(self) -> None:
        """Compile nothing: the fit has, before its first round."""

    def detached(self) -> Self:
        """Return the round without the loop: the states of its blocks travel."""
        return replace(self, loop=None)

    def open(self, rank: int, deliver: Deliver) -> BlockRunner:
        """Open the source."""
        if self.loop is not None:
            return contributing(self.loop, self.algorithm, rank, deliver)
        port = Contribution(self.algorithm, lambda: self.round, self._fresh, in_place=False)
        return BlockRunner(self.work, [(self.round.part.value, port)], deliver, rank)

    def _fresh(self, _block: int) -> State:
        specs = self.algorithm.state
        return {name: np.empty(spec.shape, spec.dtype) for name, spec in specs.items()}

    def accept(self, left: Left) -> None:
        """Put the state of a block in its place."""
        assert self.loop is not None
        for state in left.states:
            for name, values in (state or {}).items():
                self.loop.states[name][left.event.block] = values

    def fold(self, states: Sequence[State]) -> None:
        """Add nothing: each block has a state of its own."""

    def left(self) -> int | None:
        """Return None: the model that is made of the states has a checksum."""
        return None


def check_finite(x: Array, start: int, name: str) -> None:
    """Refuse rows with NaN or infinity: all that is worked out from them would be NaN."""
    if x.dtype.kind != "f" or all_finite(x.reshape(-1)):
        return
    bad: Any = np.argwhere(~np.isfinite(x.reshape(len(x), -1)))[0]
    raise InputError(
        f"{name} needs finite numbers, got {x.reshape(len(x), -1)[tuple(bad)]} in row "
        f"{start + bad[0]}: leave such rows out, or fill them in"
    )
