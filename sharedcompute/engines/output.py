"""The output file of a plan while its phases run: made first, filled, and finished at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sharedcompute.engines.durability.durable_output import DurableOutput
from sharedcompute.engines.durability.notes import Notes
from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.engine import LastingWork
from sharedcompute.engines.fits.run import FitOutcome
from sharedcompute.hdf5.writing.row_writer import RowTarget
from sharedcompute.hdf5.writing.sink import Created
from sharedcompute.operations.specs import Array
from sharedcompute.planning.fit import Iterate
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.phases import Copy, Encode, Phase
from sharedcompute.planning.plan import Plan, Small
from sharedcompute.planning.recode import Recoding


@dataclass(frozen=True)
class Reduced:
    """The value of a result that does not have rows."""

    small: Small
    values: Array


@dataclass
class Found:
    """The results of the phases that have run.

    Attributes
    ----------
    reduced : list of Reduced
        The results that do not have rows, in the order of the plan.
    arrays : dict of (int, str) to ndarray
        Rows that are kept in memory, by step and name.
    fitted : FitOutcome or None
    """

    reduced: list[Reduced] = field(default_factory=list)
    arrays: dict[tuple[int, str], Array] = field(default_factory=dict)
    fitted: FitOutcome | None = None


class PlanOutput(ABC):
    """The output of a plan. A context manager: what is not finished is undone."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._durable = DurableOutput.of(plan)
        self._file = self._durable.file
        # Of the rows of each store, by block.
        self._crcs: Array | None = None

    def __enter__(self) -> Self:
        self._durable.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._durable.__exit__(kind, value, traceback)

    def nothing_to_do(self) -> bool:
        """Return whether a resumed job has nothing left to do."""
        return self._durable.nothing_to_do()

    @abstractmethod
    def finished(self) -> Found:
        """Return the results of a job with nothing left to do."""

    @abstractmethod
    def make(self) -> None:
        """Make all datasets, unless a stopped job has."""

    @abstractmethod
    def in_order(self) -> Sequence[Phase]:
        """Return the phases of the plan in the order in which they run."""

    @abstractmethod
    def datasets(self, phase: Pass | Encode | Copy) -> Sequence[Created]:
        """Return the datasets whose rows a phase writes."""

    def target(self, number: int) -> RowTarget:
        """Return where workers write the rows of a store of the last pass."""
        return self.datasets(self._plan.passes[-1])[number].target

    def path(self, at: int, made: Recoding) -> str:
        """Return where a dataset stored in another way lies in the output."""
        del at
        return made.source.path

    def lent(self) -> AbstractContextManager[Path]:
        """Close the file for others, for as long as the context lasts."""
        return self._file.lent()

    def notes(
        self, phase: Pass | Encode | Copy, work: LastingWork, datasets: Sequence[Created]
    ) -> Notes:
        """Return the notes on a phase that writes the rows of some datasets."""
        crcs = self._crcs if isinstance(phase, Pass) and datasets else None
        return Notes(self.section(phase, len(work)), work, datasets, crcs)

    def section(self, phase: Pass | Iterate | Encode | Copy, units: int) -> Section:
        """Return what takes the notes on a phase."""
        lasts = not isinstance(phase, Pass) or phase.lasts
        return self._durable.progress.section(phase.section, units, noted=lasts)

    @abstractmethod
    def filled(self, phase: Encode | Copy) -> None:
        """Add what a dataset needs once it has all its rows."""

    @abstractmethod
    def finish(self, found: Found, published: Callable[[], None]) -> None:
        """Write what is small, move the file to its place, and report that."""

    @property
    @abstractmethod
    def warnings(self) -> tuple[str, ...]:
        """What a reader may miss in the finished file, a line each."""
