"""The control block: what the workers of a team synchronise through.

An array of 64-bit words in shared memory, worked on with atomic instructions by functions that
compile with numba, so that a barrier costs a microsecond or two and can stand inside a kernel.

Every wait spins a little, then sleeps in slices (a futex on Linux, else a short sleep), and looks
at the abort word between slices: whoever waits learns within a slice that the job is over. So
nobody hangs on a dead worker, as they would on `multiprocessing.Lock` or `Barrier`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from sharedcompute import faults
from sharedcompute.atomics import (
    EVERYONE,
    Words,
    add,
    compiled,
    exchange,
    fetch_add,
    load,
    raising,
    sleep_on,
    swap,
    wake,
)
from sharedcompute.errors import Error
from sharedcompute.rows import Rows

# The layout. Words that different workers write lie on cache lines (8 words) of their own.
ABORT = 0  # not 0: the job is over, leave
FINISHED = 8  # how many ranks have left the program
ARRIVED = 24  # at the barrier
GENERATION = 32  # of the barrier
BARRIER_SLEEPERS = 33
LOCK = 40  # 0 free, 1 held, 2 held and waited for
CLAIMS = 48  # CLAIM_SLOTS words
CLAIM_SLOTS = 64
RANKS = CLAIMS + CLAIM_SLOTS  # a line for each rank, and one more for the semaphores
LINE = 8
# In a line: the rows in hand, a semaphore (of as many permits as the line's number), and the last
# job that the rank has done with. The last is never cleared: it tells who is idle after an abort.
ROW_START, ROW_STOP, PERMITS_TAKEN, PERMIT_SLEEPERS, JOB_DONE = range(5)

_NOT_HERE = -1

OK, ABORTED, LEFT = 0, 1, 2

SPINS = 2000
"""About 5 us: longer than a barrier takes when all have a core, shorter than a sleep and wake."""
CLAIM_BITS = 36
"""A claim word holds the claim's number above and the next block below: 2**36 blocks."""


_LEFT = (
    "expected all ranks at the barrier, another one has returned from the program; "
    "call barrier the same number of times on every rank"
)


class Aborted(BaseException):
    """The job is over, another worker failed. Not an Exception: programs should not catch it."""


class ProgramLeftError(Error, RuntimeError):
    """A barrier can never open: another rank has returned from the program."""


class ControlBlock(NamedTuple):
    """One rank's view of the control block: what `barrier` takes, from Python and in nopython code.

    Attributes
    ----------
    words : ndarray of int64
        The block itself; for the functions of this module only.
    rank, size : int
        This rank's number, from 0, and how many there are.
    spins : int
        How often a wait looks before it sleeps.
    """

    words: Words
    rank: int
    size: int
    spins: int


def alone() -> ControlBlock:
    """Return a control block for a party of one, in private memory: its barrier never waits."""
    return Control(np.zeros(Control.size_for(1), np.int64), 1, 0).block


@compiled
def _wait_for_all(words: Words, size: int, spins: int) -> int:
    """Wait until `size` ranks are here; OK, ABORTED, or LEFT where one has left the program."""
    if words[ABORT] != 0:
        return ABORTED
    generation = load(words, GENERATION)
    if add(words, ARRIVED, 1) == size - 1:
        words[ARRIVED] = 0
        add(words, GENERATION, 1)
        if load(words, BARRIER_SLEEPERS) > 0:
            wake(words, GENERATION, EVERYONE)
        return OK
    for _ in range(spins):
        if load(words, GENERATION) != generation:
            return OK
    add(words, BARRIER_SLEEPERS, 1)
    status = OK
    while load(words, GENERATION) == generation:
        if load(words, ABORT) != 0:
            status = ABORTED
            break
        # Who has left came through this barrier or never will: the generation decides which.
        if load(words, FINISHED) != 0 and load(words, GENERATION) == generation:
            status = LEFT
            break
        sleep_on(words, GENERATION, generation)
    add(words, BARRIER_SLEEPERS, -1)
    return status


_leave_if = raising(Aborted)


@compiled
def barrier(control: ControlBlock) -> None:
    """Wait until all ranks are here; in Python and in nopython code.

    Raises
    ------
    Aborted
        The job is over, another worker failed.
    ProgramLeftError
        Another rank has returned from the program.
    """
    status = _wait_for_all(control.words, control.size, control.spins)
    _leave_if(status == ABORTED)
    if status == LEFT:
        raise ProgramLeftError(_LEFT)


@compiled
def acquire(words: Words, spins: int) -> int:
    """Take the lock; OK or ABORTED. The three states are Drepper's ("Futexes are tricky")."""
    if words[ABORT] != 0:
        return ABORTED
    for _ in range(spins):
        if swap(words, LOCK, 0, 1) == 0:
            return OK
    while exchange(words, LOCK, 2) != 0:
        if load(words, ABORT) != 0:
            return ABORTED
        sleep_on(words, LOCK, 2)
    return OK


@compiled
def release(words: Words) -> None:
    """Give the lock back."""
    if exchange(words, LOCK, 0) == 2:
        wake(words, LOCK, 1)


@compiled
def take_permit(words: Words, at: int, permits: int, spins: int) -> int:
    """Take one of `permits` of the semaphore at `at`; OK or ABORTED."""
    tries = 0
    while load(words, ABORT) == 0:
        taken = load(words, at)
        if taken < permits:
            if swap(words, at, taken, taken + 1) == taken:
                return OK
        elif tries < spins:
            tries += 1
        else:
            add(words, at + 1, 1)
            sleep_on(words, at, permits)
            add(words, at + 1, -1)
    return ABORTED


@compiled
def give_permit(words: Words, at: int) -> None:
    """Give a semaphore's permit back."""
    add(words, at, -1)
    if load(words, at + 1) > 0:
        wake(words, at, 1)


@compiled
def claim(words: Words, number: int, blocks: int, parts: int) -> tuple[int, int]:
    """Take the next blocks of claim `number`: ``(first, end)``, empty at the end or after an abort.

    With `parts` 0 one block at a time, else half of a fair share (guided). Claims share a few
    words: a word of a later claim means that this one was used up.
    """
    at = CLAIMS + number % CLAIM_SLOTS
    while load(words, ABORT) == 0:
        seen = load(words, at)
        owner = seen >> CLAIM_BITS
        first = seen & ((1 << CLAIM_BITS) - 1) if owner == number else 0
        if owner > number or first >= blocks:
            break
        # `rows.guided_claim` again: a cached function does not notice edits of another file.
        count = max(1, (blocks - first) // (2 * parts)) if parts else 1
        if swap(words, at, seen, (number << CLAIM_BITS) + first + count) == seen:
            return first, first + count
    return 0, 0


class Control:
    """One rank's hold on the control block of its team. The parent's rank is -1.

    Parameters
    ----------
    words : ndarray of int64, shape (`Control.size_for(size)`,)
        The block, in shared memory.
    size, rank, cores : int
        With more ranks than cores nobody spins: the one waited for needs the core.
    """

    def __init__(self, words: Words, size: int, rank: int = -1, cores: int = 1) -> None:
        self.words = words.view(np.ndarray)
        self.size = size
        self.spins = SPINS if size <= cores else 0
        self.block = ControlBlock(self.words, rank, size, self.spins)
        self._rank = rank
        self._row = RANKS + LINE * rank

    @staticmethod
    def size_for(size: int) -> int:
        """How many words a team of `size` needs."""
        return RANKS + LINE * (size + 1)

    @property
    def generation(self) -> int:
        """How often all ranks were at the barrier, in this job."""
        return int(self.words[GENERATION])

    def reset(self) -> None:
        """Make ready for a job. Only while every rank is idle."""
        self.words[:RANKS] = 0  # claims count from 1: a cleared word belongs to none of them
        lines = self.words[RANKS:].reshape(-1, LINE)
        lines[:, :JOB_DONE] = -1, -1, 0, 0

    def abort(self) -> None:
        """End the job: whoever waits, or comes to wait, raises `Aborted`.

        Sleepers look within a slice. To wake them at once the parent would need compiled code,
        which takes numba 0.4 s to set up in a process.
        """
        self.words[ABORT] = 1

    def check(self) -> None:
        """Raise `Aborted` where the job is over."""
        if self.words[ABORT]:
            raise Aborted

    def at(self, start: int, stop: int) -> None:
        """Note the rows that this rank has in hand."""
        self.words[self._row] = -1  # a death in between must not leave the ends of two ranges
        self.words[self._row + ROW_STOP] = stop
        self.words[self._row] = start

    def rows_of(self, rank: int) -> Rows | None:
        """Return the rows that a rank noted."""
        start, stop = self.words[RANKS + LINE * rank :][:2].tolist()
        return Rows(start, stop) if start >= 0 else None

    def leave(self) -> bool:
        """Note that this rank is out of the program; whether it was the last one."""
        return int(fetch_add(self.words, FINISHED, 1)) == self.size - 1

    def done(self, job: int) -> None:
        """Note that this rank will touch nothing of `job` any more."""
        self.words[self._row + JOB_DONE] = job

    def vacate(self, rank: int) -> None:
        """Note that a process is only about to begin as `rank`."""
        self.words[RANKS + LINE * rank + JOB_DONE] = _NOT_HERE

    def begin(self) -> None:
        """Note that this rank is ready for jobs."""
        self.done(0)

    def has_begun(self, rank: int) -> bool:
        """Whether a rank has been ready for jobs."""
        return bool(self.words[RANKS + LINE * rank + JOB_DONE] != _NOT_HERE)

    def is_done(self, rank: int, job: int) -> bool:
        """Whether a rank is done with `job`."""
        return bool(self.words[RANKS + LINE * rank + JOB_DONE] == job)

    def barrier(self) -> None:
        """Wait for all ranks."""
        faults.point("worker.barrier", self._rank)
        barrier(self.block)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the team's one lock."""
        _raise_if(acquire(self.words, self.spins))
        try:
            faults.point("worker.lock", self._rank)
            yield
        finally:
            release(self.words)

    @contextmanager
    def semaphore(self, permits: int) -> Iterator[None]:
        """Hold one of `permits`, from 1 up. Equal numbers mean the same semaphore."""
        # More permits than ranks never block.
        at = RANKS + LINE * min(permits, self.size) + PERMITS_TAKEN
        _raise_if(take_permit(self.words, at, permits, self.spins))
        try:
            faults.point("worker.semaphore", self._rank)
            yield
        finally:
            give_permit(self.words, at)

    def claim(self, number: int, blocks: int, guided: bool) -> tuple[int, int]:
        """Take blocks of claim `number` (from 1 up): ``(first, end)``, empty at the end."""
        first, end = claim(self.words, number, blocks, self.size if guided else 0)
        if first == end:
            self.check()
        return int(first), int(end)


def _raise_if(status: int) -> None:
    if status != OK:
        raise Aborted
