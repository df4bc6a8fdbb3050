"""What a plan iterates before its last pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from sharedcompute.operations.fits.declaration import Algorithm, Iterative, Rounds, Specs, Sweeps
from sharedcompute.operations.specs import Array
from sharedcompute.operations.stages import Stage

ROUNDS = 20
"""So many rounds are reckoned with, where it is to be known whether workers or memory pay."""


UPDATE_COPIES = 6
"""So many arrays as large as the model, or as the state of all rows, are there at once where the
next model is made; measured: 5 for the eigenvectors of 1500 columns."""


@dataclass(frozen=True)
class FitPart:
    """A fit and the algorithm that it is for the data at hand.

    Parameters
    ----------
    operation : Iterative
    algorithm : Rounds or Sweeps
    depth : int
        It sees the rows after so many stages.
    """

    operation: Iterative
    algorithm: Algorithm
    depth: int

    @property
    def name(self) -> str:
        """What it is called."""
        return self.operation.name

    @property
    def rounds(self) -> Rounds | None:
        """The algorithm, where it looks at all rows in each round."""
        return None if isinstance(self.algorithm, Sweeps) else self.algorithm

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """What is given for each row."""
        return self.rounds.rows if self.rounds is not None else None

    @property
    def state_nbytes(self) -> int:
        """Bytes of the state of one block."""
        return nbytes(self.rounds.state) if self.rounds is not None else 0

    @property
    def update_nbytes(self) -> int:
        """Private memory of whoever makes the next model."""
        if self.rounds is None:
            return 0
        return UPDATE_COPIES * max(nbytes(self.algorithm.model), self.state_nbytes)

    @property
    def _given(self) -> dict[str, Array]:
        """The arrays of a user's that rounds look at: the target of a regression."""
        if self.rounds is None or not is_dataclass(self.algorithm):
            return {}
        named = ((f.name, getattr(self.algorithm, f.name)) for f in fields(self.algorithm))
        return {name: value for name, value in named if isinstance(value, np.ndarray)}

    @property
    def given_nbytes(self) -> int:
        """Bytes of the arrays of a user's that rounds look at."""
        return sum(array.nbytes for array in self._given.values())

    def reached(self, share: Callable[[Array], Array]) -> FitPart:
        """The same with these arrays where workers reach them."""
        given = {name: share(array) for name, array in self._given.items()}
        algorithm: Any = self.algorithm
        return replace(self, algorithm=replace(algorithm, **given)) if given else self

    def shared_nbytes(self, blocks: int) -> int:
        """Bytes of the models and of all states."""
        copies = 2 if self.rounds is not None else 1
        return copies * nbytes(self.algorithm.model) + blocks * self.state_nbytes


def nbytes(specs: Specs) -> int:
    """Bytes of arrays."""
    return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in specs.values())
