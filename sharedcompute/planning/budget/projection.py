"""The bytes that a plan will take at its peak, and whether they are there."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.errors import MemoryBudgetError
from sharedcompute.system.machine import (
    SHM,
    check_process_limits,
    format_size,
    memory_available,
    shm_free,
)
from sharedcompute.traits import IN_PROCESS, Traits, traits_of
from sharedcompute.wording import option

PARENT_BYTES = 100_000_000
"""Private memory of the process that runs the job, with its libraries; measured 80 to 95 MB."""

SERVER_BYTES = 88_000_000
"""The same of the server that forks workers, the janitor and the tracker: measured 81 to 84 MB."""

WORKER_BYTES = 28_000_000
"""What a worker has for itself beside the pages that it shares with the server: measured 20 to 26
MB."""


@dataclass(frozen=True)
class Projection:
    """Bytes that a plan will take at its peak.

    Parameters
    ----------
    engine : str
    workers : int
    scratch : int
        Private buffers of one worker.
    parent : int
        Private buffers of the process that runs the job: results, chunks that wait for their turn.
    shared : int
        What exists once: states of reductions, results and chunks that stay in memory, files
        without names where those are memory. In shared blocks, where workers share memory.
    mapped : int
        Files that each process maps. They take address space only.
    disk, disk_needed : int
        What the output takes if no filter makes it smaller; and what of it has no filter, with the
        files without names.
    compiling : int
        What compiling takes in all processes, where something was not compiled before.
    """

    engine: str
    workers: int
    scratch: int
    parent: int
    shared: int
    mapped: int
    disk: int
    disk_needed: int
    compiling: int = 0

    @property
    def traits(self) -> Traits:
        """Those of the engine."""
        return traits_of(self.engine)

    @property
    def processes(self) -> int:
        """Interpreters and libraries; beside the workers there is what starts them."""
        team = SERVER_BYTES + self.workers * WORKER_BYTES if self.traits.processes else 0
        return PARENT_BYTES + team

    @property
    def buffers(self) -> int:
        """Private buffers of all workers, and of the parent."""
        return self.workers * self.scratch + self.parent

    @property
    def memory(self) -> int:
        """All memory."""
        return self.processes + self.compiling + self.buffers + self.shared

    def fits(self, budget: int | None) -> bool:
        """Return whether the memory given, or available, suffices, and that for shared blocks."""
        return min(self.left(budget)) >= 0

    def left(self, budget: int | None) -> tuple[int, int]:
        """Return the bytes that this leaves of the memory given, and of that for shared blocks."""
        have = memory_available() if budget is None else budget
        shared_room = shm_free() if self.traits.segments else have
        return have - self.memory, shared_room - self.shared

    def check(self, budget: int | None, available: int | None = None) -> None:
        """Refuse what would not fit.

        Parameters
        ----------
        budget : int or None
            The memory given.
        available : int, optional
            What was available before, where no memory was given: to find it out takes a while.

        Raises
        ------
        MemoryBudgetError
            With need and have.
        """
        found = memory_available() if budget is None and available is None else available
        have = found if budget is None else budget
        assert have is not None
        if self.memory > have:
            given = "is available" if budget is None else "was given"
            raise MemoryBudgetError(
                f"the job needs {format_size(self.memory)} of memory and {format_size(have)} "
                f"{given}: use fewer workers ({option('workers')}), or give more "
                f"({option('memory')})"
            )
        if self.traits.segments and self.shared > shm_free():
            raise MemoryBudgetError(
                f"the job needs {format_size(self.shared)} of shared memory and "
                f"{format_size(shm_free())} is free in {SHM}: make it larger (docker run "
                f"--shm-size), or use {option('engine', IN_PROCESS)}"
            )
        # Units in this process: all buffers are its own. Without blocks, so is what exists once.
        parent = self.parent + (0 if self.traits.segments else self.shared)
        here = not self.traits.processes
        own = self.scratch + parent if here else max(self.scratch, parent)
        shared = self.shared if self.traits.segments else 0
        check_process_limits(own, own + self.mapped + shared)
