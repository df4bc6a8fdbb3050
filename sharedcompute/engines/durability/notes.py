"""The notes on a section: what is done, by the events of its run, is stored and noted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from sharedcompute.engines.durability.in_order import InOrder
from sharedcompute.engines.durability.restore import restore
from sharedcompute.engines.durability.runs import understood
from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.durability.states import SavedStates
from sharedcompute.engines.engine import LastingWork
from sharedcompute.errors import MemoryBudgetError
from sharedcompute.events import (
    BlockDone,
    BlocksRestored,
    Event,
    Listener,
    StateTaken,
    WorkerReplaced,
)
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.hdf5.writing.sink import Created
from sharedcompute.operations.specs import Array


class Notes:
    """The notes on one run of units. A context manager: saves at the end what waits to be saved.

    Parameters
    ----------
    section : Section
    work : Work
    created : sequence of Created
        The datasets that its rows go to; none where they are only reduced.
    crcs : ndarray of uint32, shape (datasets, blocks), optional
        Takes the checksums of the rows.
    """

    def __init__(
        self,
        section: Section,
        work: LastingWork,
        created: Sequence[Created] = (),
        crcs: Array | None = None,
    ) -> None:
        self._section = section
        self._work = work
        self._created = created
        self._crcs = crcs
        self._order = InOrder(lambda number, chunks: created[number].store(chunks), section)
        self._states = SavedStates(section, work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._save()
        except (OSError, MemoryBudgetError):
            # The disk is full: what came last will be computed again.
            if value is None:
                raise
        finally:
            self._order.close()
            self._states.close()

    def left(self, listen: Listener) -> Sequence[int]:
        """Take over what runs before have left, and return the units that are still to be done."""
        with understood(self._section.run.folder):
            kept = restore(
                self._section, self._created, self._order, self._work.box, sparse=self._work.sparse
            )
            for block, crcs in kept.items():
                self._check_in(block, crcs)
            done = self._states.restore(set(kept) if self._created else None)
            if done and not done <= set(range(len(self._work))):
                raise ValueError(f"a block {max(done)} of {len(self._work)}")
        self._save()
        self._section.restored()
        if done:
            listen(BlocksRestored(len(done), sum(self._work.nbytes(n) for n in done)))
        return (
            [n for n in range(len(self._work)) if n not in done] if done else range(len(self._work))
        )

    def deliver(self, block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        """Take in encoded chunks; called in the parent only: one writer."""
        self._order.add(block, number, chunks)

    def watch(self, listen: Listener) -> Callable[[Event], None]:
        """Return a listener that notes what is done, before `listen` gets the event."""

        def note(event: Event) -> None:
            if isinstance(event, BlockDone) and self._created:
                self._check_in(event.block, event.checksums)
                self._order.done(event.block, event.checksums)
            elif isinstance(event, WorkerReplaced):
                self._order.restart()
            if isinstance(event, StateTaken):
                self._states.take(event)
            self._states.note(event)
            if self._states.due:
                self._save()
            listen(event)

        return note

    def _check_in(self, block: int, checksums: tuple[int, ...]) -> None:
        if self._crcs is not None and checksums:
            self._crcs[:, block] = checksums

    def _save(self) -> None:
        # Rows first: a state must not be noted of blocks whose rows are not.
        self._order.save()
        self._states.save()
