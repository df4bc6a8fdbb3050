"""Running a fit: its rounds on an engine, until it has converged or is told to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sharedcompute.engines.block import BlockRunner
from sharedcompute.engines.rounds import CONVERGED, Loop, Watch
from sharedcompute.engines.work import Engine, undeliverable
from sharedcompute.events import Listener
from sharedcompute.operations.base import Array, State
from sharedcompute.operations.fitting import RowsAt, Sweeps
from sharedcompute.plan.fit import FitPart
from sharedcompute.plan.passes import Pass
from sharedcompute.rows import Rows


@dataclass(frozen=True)
class FitOutcome:
    """What a fit came to.

    Parameters
    ----------
    results : mapping of str to ndarray
    history : mapping of str to ndarray, shape (rounds,)
        What each round said of itself.
    converged : bool
    stopped : bool
        Somebody stopped it: this is the best so far.
    model : State
        What the stage behind the fit takes.
    """

    results: Mapping[str, Array]
    history: Mapping[str, Array]
    converged: bool
    stopped: bool
    model: State

    @property
    def datasets(self) -> dict[str, Array]:
        """All that is saved, by its path in the group."""
        return {**self.results, **{f"history/{name}": v for name, v in self.history.items()}}


def run_fit(part: FitPart, work: Pass, engine: Engine, listen: Listener) -> FitOutcome:
    """Do the rounds of a fit.

    Parameters
    ----------
    work : Pass
        Gives the rows that the fit sees; bound.
    listen : callable
        Raises StopIteration to stop the fit: what it has come to then is its result.
    """
    loop = Loop.make(part, work, engine.allocate)
    watch = Watch(loop, listen)
    with _reading(part, work) as read:
        loop.begin(read)
        engine.iterate(loop, lambda: loop.begin(read), watch)
    history = {name: watch.column(name) for name in part.operation.watched}
    converged = bool(loop.words[CONVERGED])
    stopped = watch.stopped and not converged
    return FitOutcome(_results(loop), history, converged, stopped, loop.model)


def _results(loop: Loop) -> dict[str, Array]:
    """What the fit gives, in memory of its own."""
    algorithm = loop.part.algorithm
    if isinstance(algorithm, Sweeps):
        found = algorithm.results(loop.model)
    else:
        found = algorithm.results(loop.model, loop.state(0) if algorithm.needs_last else None)
    return {name: np.array(values) for name, values in found.items()}


@contextmanager
def _reading(part: FitPart, work: Pass) -> Iterator[RowsAt]:
    """What gives rows to an algorithm's `begin`, here."""
    runner = BlockRunner(work, (), undeliverable)

    def read(start: int, stop: int) -> Array:
        return runner.rows_at(part.depth, Rows(start, stop)).copy()

    try:
        yield read
    finally:
        runner.close()
