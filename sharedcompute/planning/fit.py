"""The part of a plan that is iterated before its last pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from sharedcompute.operations.fits.declaration import Algorithm, Iterative, Rounds, Specs, Sweeps
from sharedcompute.operations.specs import Array
from sharedcompute.operations.stages import Stage
from sharedcompute.planning.passes import Pass, Reading

ROUNDS = 20
"""Rounds to reckon with where workers or memory are chosen: how many there will be is unknown."""

UPDATE_COPIES = 6
"""Arrays as large as the model, or as the state of all rows, that exist at once where the next
model is computed; measured: 5 for the eigenvectors of 1500 columns."""


@dataclass(frozen=True)
class FitPart:
    """A fit and its algorithm for these data.

    Parameters
    ----------
    operation : Iterative
    algorithm : Rounds or Sweeps
    value : int
        The value of its pass that are the rows it sees.
    """

    operation: Iterative
    algorithm: Algorithm
    value: int = 0

    @property
    def name(self) -> str:
        """The name of the fit."""
        return self.operation.name

    @property
    def rounds(self) -> Rounds | None:
        """The algorithm, where it reads all rows in each round."""
        return None if isinstance(self.algorithm, Sweeps) else self.algorithm

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """The result that has a row for each row: its name, and the stage that computes it."""
        return self.rounds.rows if self.rounds is not None else None

    @property
    def state_nbytes(self) -> int:
        """Bytes of the state of one block."""
        return nbytes(self.rounds.state) if self.rounds is not None else 0

    @property
    def update_nbytes(self) -> int:
        """Private memory of the process that computes the next model."""
        if self.rounds is None:
            return 0
        return UPDATE_COPIES * max(nbytes(self.algorithm.model), self.state_nbytes)

    @property
    def _given(self) -> dict[str, Array]:
        """The user's arrays that rounds read: the target of a regression."""
        if self.rounds is None or not is_dataclass(self.algorithm):
            return {}
        named = ((f.name, getattr(self.algorithm, f.name)) for f in fields(self.algorithm))
        return {name: value for name, value in named if isinstance(value, np.ndarray)}

    @property
    def given_nbytes(self) -> int:
        """Bytes of the user's arrays that rounds read."""
        return sum(array.nbytes for array in self._given.values())

    def reached(self, share: Callable[[Array], Array]) -> FitPart:
        """Put these arrays where workers reach them."""
        given = {name: share(array) for name, array in self._given.items()}
        algorithm: Any = self.algorithm
        return replace(self, algorithm=replace(algorithm, **given)) if given else self

    def shared_nbytes(self, blocks: int) -> int:
        """Return the bytes of the models and of all states."""
        copies = 2 if self.rounds is not None else 1
        return copies * nbytes(self.algorithm.model) + blocks * self.state_nbytes


@dataclass(frozen=True)
class Iterate:
    """The rounds of a fit.

    Parameters
    ----------
    part : FitPart
    work : Pass
        Reads the rows that the fit sees; nothing is stored or reduced by it.
    models : mapping of str to str
        The arrays of the model that passes after it take, by the keys of their nodes.
    """

    part: FitPart
    work: Pass
    models: Mapping[str, str]

    section = "0"  # passes count from 1

    @property
    def purpose(self) -> str:
        """The name of the fit."""
        return self.part.name

    @property
    def reads(self) -> Reading:
        """Rows and bytes of a round."""
        return self.work.reads


def nbytes(specs: Specs) -> int:
    """Return the bytes of arrays."""
    return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in specs.values())
