"""Running a fit: its rounds on an engine, until it has converged or is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from sharedcompute.engines.durability.checkpoint import Checkpoints
from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.engine import Engine, undeliverable
from sharedcompute.engines.fits.contribution import check_finite
from sharedcompute.engines.fits.loop import CONVERGED, DROPPED, ROUNDS_DONE, Loop
from sharedcompute.engines.fits.rounds import Iteration, drive
from sharedcompute.engines.units.block import BlockRunner
from sharedcompute.events import Event, Listener, RoundDone
from sharedcompute.operations.fits.declaration import RowsAt, Sweeps
from sharedcompute.operations.specs import Array, State
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.passes import Pass
from sharedcompute.rows import Rows

Values = list[list[float]]
"""The values of each round, in the order of the names that the fit watches."""

OWN_NBYTES = 1 << 20
"""Results up to here are copied: a model that is kept is not to keep a shared block each."""


@dataclass(frozen=True)
class FitOutcome:
    """The result of a fit.

    Parameters
    ----------
    results : mapping of str to ndarray
    history : mapping of str to ndarray, shape (rounds,)
        The values of each round.
    converged : bool
    stopped : bool
        It was asked to stop: this is the best so far.
    model : State
        What the stage after the fit takes.
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


def run_fit(
    part: FitPart, work: Pass, engine: Engine, listen: Listener, section: Section | None
) -> FitOutcome:
    """Do the rounds of a fit.

    Parameters
    ----------
    work : Pass
        Gives the rows that the fit sees; bound.
    listen : callable
        Raises StopIteration to stop the fit: the current model is its result then.
    section : Section or None
        Takes the notes of what is saved, and has those of an earlier run.
    """
    import threadpoolctl  # noqa: PLC0415 - only fits need it

    part = part.reached(engine.share)
    loop = Loop.make(part, work, engine.allocate, saved=section is not None)
    checkpoints = Checkpoints(section, part.algorithm.model) if section is not None else None
    reached = checkpoints.restore() if checkpoints is not None else None
    watch = _Watch(loop, listen, checkpoints.save if checkpoints is not None else _unsaved)
    # Bits must not depend on the threads of a BLAS: threads do blocks of their own.
    with _reading(part, work) as read, threadpoolctl.threadpool_limits(1):

        def begin() -> None:
            latest = checkpoints.latest() if checkpoints is not None else None
            if latest is None:
                loop.begin(read)
            else:
                loop.go_on(*latest)

        watch.history = [] if reached is None else [list(row) for row in reached.values]
        begin()
        _iterate(loop, engine, watch, begin)
        results = _results(loop)
    # Sweeps that began again after a death may have been stopped before they got as far.
    reported = watch.history[: int(loop.words[ROUNDS_DONE])]
    table = np.array(reported, np.float64).reshape(-1, len(part.operation.watched))
    history = dict(zip(part.operation.watched, table.T, strict=True))
    converged = bool(loop.words[CONVERGED])
    # Not whether it was asked to: it may have ended in that very round.
    stopped = bool(loop.words[DROPPED])
    return FitOutcome(results, history, converged, stopped, loop.model)


def _iterate(loop: Loop, engine: Engine, listen: Listener, begin: Callable[[], None]) -> None:
    """Do the rounds as the engine can.

    Sweeps work in place with barriers: an engine without these does them in this process.
    """
    rounds = loop.part.rounds
    if rounds is not None and not engine.traits.steps_together:
        drive(loop, rounds, engine, listen)
        return

    def again() -> None:
        # Rounds go on from the last model. Nobody knows what a dead worker's sweep left.
        if rounds is None and not loop.finished:
            begin()

    engine.together(Iteration(loop), listen, again)


class _Watch:
    """Hears of the rounds in the parent, and passes each on once, with the history.

    Parameters
    ----------
    listen : callable
        Stops the loop by raising StopIteration.
    save : callable
        Saves a model and the history up to it.
    """

    def __init__(
        self, loop: Loop, listen: Callable[[Event], None], save: Callable[[State, Values], None]
    ) -> None:
        self._loop = loop
        self._listen = listen
        self._save = save
        self.history: Values = []

    def __call__(self, event: Event) -> None:
        """Note an event, and pass it on."""
        if isinstance(event, RoundDone):
            # Published again where its process died before the commit, or sweeps began anew.
            if event.number <= len(self.history):
                return
            watched = self._loop.part.operation.watched
            self.history.append([float(event.values[name]) for name in watched])
            if event.model is not None:
                self._save(dict(event.model), self.history)
                event = replace(event, model=None)
        try:
            self._listen(event)
        except StopIteration:
            self._loop.stop()


def _unsaved(_model: State, _values: Values) -> None:
    """Refuse a model: without an output nothing is saved."""
    raise AssertionError("no output, nothing to be saved beside it")


def _results(loop: Loop) -> dict[str, Array]:
    """Return the results of the fit; small ones in memory of their own."""
    algorithm = loop.part.algorithm
    if isinstance(algorithm, Sweeps):
        found = algorithm.results(loop.model)
    else:
        found = algorithm.results(loop.model, loop.state(0) if algorithm.needs_last else None)
    return {
        name: np.asarray(values) if np.asarray(values).nbytes > OWN_NBYTES else np.array(values)
        for name, values in found.items()
    }


@contextmanager
def _reading(part: FitPart, work: Pass) -> Iterator[RowsAt]:
    """Open the source here, for an algorithm's `begin`."""
    runner = BlockRunner(work, (), undeliverable)

    def read(start: int, stop: int) -> Array:
        rows = runner.rows_at(part.value, Rows(start, stop))
        check_finite(rows, start, part.name)
        return rows.copy()

    try:
        yield read
    finally:
        runner.close()
