"""The arrays of a running fit: its models, the states of its blocks, its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.engines.units.arrived import crc_of, sample
from sharedcompute.operations.fits.declaration import RowsAt, Step
from sharedcompute.operations.reductions.tally import Allocate
from sharedcompute.operations.specs import Array, State
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.in_memory import expect_reachable
from sharedcompute.planning.passes import Pass

ROUNDS_DONE, FINISHED, CONVERGED, STOP, DROPPED = range(5)


@dataclass(frozen=True)
class Round:
    """What a block of a round looks at.

    Parameters
    ----------
    part : FitPart
    model : State
        As plain arrays; only read.
    first : bool
        It is the first round, which looks for rows that are not finite.
    """

    part: FitPart
    model: State
    first: bool


@dataclass(frozen=True)
class Loop:
    """A running fit. It pickles where its arrays are shared by all ranks.

    Parameters
    ----------
    part : FitPart
    work : Pass
        Reads the rows; nothing is kept or reduced by itself.
    models : tuple of State
        Two copies of the model; one where sweeps work in place.
    states : State
        A state for each block, fields of shape (blocks, ...).
    words : ndarray of int64
        Rounds that are done, whether they all are, whether the fit has converged, whether it is
        asked to stop, and whether the round in hand was dropped for that.
    saved : bool
        The model is saved now and then.
    """

    part: FitPart
    work: Pass
    models: tuple[State, ...]
    states: State
    words: Array
    saved: bool

    @classmethod
    def make(cls, part: FitPart, work: Pass, allocate: Allocate, *, saved: bool) -> Loop:
        """Make the arrays; `begin` and the rounds fill them in."""
        specs, rounds = part.algorithm.model, part.rounds
        models = tuple(
            {name: allocate(spec.shape, spec.dtype) for name, spec in specs.items()}
            for _ in range(1 if rounds is None else 2)
        )
        blocks = len(work.blocks)
        kept = {} if rounds is None else rounds.state
        states = {name: allocate((blocks, *spec.shape), spec.dtype) for name, spec in kept.items()}
        words = allocate((5,), np.dtype(np.int64))
        words[:] = 0
        return cls(part, work, models, states, words, saved)

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels."""
        for state in (*self.models, self.states, {"words": self.words}):
            for array in state.values():
                expect_reachable(array)
        return vars(self)

    @property
    def model(self) -> State:
        """The current model, as plain arrays."""
        return plain(self.models[int(self.words[ROUNDS_DONE]) % len(self.models)])

    @property
    def finished(self) -> bool:
        """True if no other round is needed."""
        return bool(self.words[FINISHED])

    def round(self) -> Round:
        """Return the round in hand."""
        return Round(self.part, self.model, self.words[ROUNDS_DONE] == 0)

    def state(self, block: int) -> State:
        """Return the state of a block; after `combine` that of block 0 is of all rows."""
        return {name: s[block, ...] for name, s in plain(self.states).items()}

    def go_on(self, number: int, model: State) -> None:
        """Continue from a model after so many rounds."""
        self._anew()
        self.words[ROUNDS_DONE] = number
        for name, array in self.model.items():
            array[...] = model[name]

    def begin(self, read: RowsAt) -> None:
        """Make the first model."""
        self._anew()
        for array in self.models[0].values():
            array[...] = 0
        self.part.algorithm.begin(self.model, read)

    def _anew(self) -> None:
        # The wish to stop holds still when sweeps begin again after a death.
        self.words[:STOP] = 0

    def stop(self) -> None:
        """Drop the round in hand and end with the current model."""
        self.words[STOP] = 1

    @property
    def stopping(self) -> bool:
        """True if the round in hand is to be dropped."""
        return bool(self.words[STOP]) and not self.finished

    def drop(self) -> None:
        """End with the current model."""
        self.words[[FINISHED, DROPPED]] = 1

    def left(self) -> int:
        """Return the checksum of the result of the rounds, or of a sample of it."""
        model = (part for array in self.model.values() for part in sample(array))
        return crc_of((self.words[:STOP].view(np.ndarray), *model))

    def commit(self, step: Step) -> None:
        """Make the other copy of the model the current one."""
        # In one step: a death in between must not end the fit with the model before.
        self.words[:STOP] = self.words[ROUNDS_DONE] + 1, step.done, step.converged


def plain(state: State) -> State:
    """Return the same arrays as plain ndarrays: NumPy and numba take longer for a subclass."""
    return {name: array.view(np.ndarray) for name, array in state.items()}
