"""What a plan iterates before its last pass."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sharedcompute.operations.base import Stage
from sharedcompute.operations.fitting import Algorithm, Fit, Rounds, Specs, Sweeps

ROUNDS = 20
"""So many rounds are reckoned with, where it is to be known whether workers or memory pay."""


@dataclass(frozen=True)
class FitPart:
    """A fit and the algorithm that it is for the data at hand.

    Parameters
    ----------
    operation : Fit
    algorithm : Rounds or Sweeps
    depth : int
        It sees the rows after so many stages.
    """

    operation: Fit
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

    def shared_nbytes(self, blocks: int) -> int:
        """Bytes of the models and of all states."""
        copies = 2 if self.rounds is not None else 1
        return copies * nbytes(self.algorithm.model) + blocks * self.state_nbytes


def nbytes(specs: Specs) -> int:
    """Bytes of arrays."""
    return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in specs.values())
