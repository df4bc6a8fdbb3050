"""The control block for Python code: used by each worker and by the parent."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.rows import SCHEDULES, Rows
from sharedcompute.sync.atomics import Words
from sharedcompute.sync.barriers import barrier, leave
from sharedcompute.sync.claims import agree, claim, claim_or_steal, claim_up_to
from sharedcompute.sync.failures import Aborted
from sharedcompute.sync.layout import (
    ABORT,
    CLAIM_SLOTS,
    FINISHED,
    GENERATION,
    JOB_DONE,
    LINE,
    LOOKS,
    NOTE,
    PLAN_WORDS,
    RANK_WORDS,
    RANKS,
    ROW_STOP,
    SHORT_SLEEPS,
    ControlBlock,
    lines_of,
    plans_at,
    words_for,
)
from sharedcompute.sync.waiting import NOTED, SPINS, begin_wait, end_wait
from sharedcompute.system import faults

_NOT_HERE = -1
_BLOCK_ROWS: dict[Any, Any] = {None: 0, "auto": -1}
"""The codes of claims without a number of rows in a block."""
_LONGEST = 1e9
"""Seconds of the longest wait: 30 years."""


class Control:
    """One rank's access to the control block of its team. The parent's rank is -1.

    Parameters
    ----------
    words : ndarray of int64, shape (`Control.size_for(size)`,)
        The block, in shared memory.
    size, rank, cores : int
        With more ranks than cores nobody spins: the awaited rank needs the core.
    """

    def __init__(self, words: Words, size: int, rank: int = -1, cores: int = 1) -> None:
        self.words = words.view(np.ndarray)
        self.size = size
        self.spins = SPINS if size <= cores else 0
        self.block = ControlBlock.of(self.words, rank, size, self.spins)
        self._rank = rank
        self._row = _line(rank)

    @staticmethod
    def size_for(size: int) -> int:
        """Return the number of words for a team of `size`."""
        return words_for(size)

    def settle(self) -> None:
        """Set how waits sleep: ``SHAREDCOMPUTE_WAIT=sleep`` is for systems without a futex."""
        self.words[SHORT_SLEEPS] = os.environ.get("SHAREDCOMPUTE_WAIT") == "sleep"

    @property
    def generation(self) -> int:
        """The number of completed barriers in this job."""
        return int(self.words[GENERATION])

    def reset(self) -> None:
        """Prepare for a job. Only while every rank is idle."""
        self.words[ABORT] = 0
        self.words[FINISHED:RANKS] = 0  # claims count from 1: 0 belongs to none of them
        self.words[plans_at(self.size) :] = 0
        lines = lines_of(self.words)
        lines[:, :JOB_DONE] = -1
        lines[:, JOB_DONE + 1 :] = 0

    def abort(self) -> None:
        """End the job: every wait raises `Aborted` from now on.

        Sleepers check within a slice. To wake them at once the parent would need compiled code,
        which takes numba 0.4 s to set up in a process.
        """
        self.words[ABORT] = 1

    def check(self) -> None:
        """Raise `Aborted` if the job is over."""
        if self.words[ABORT]:
            raise Aborted

    def at(self, start: int, stop: int) -> None:
        """Record the rows that this rank works on."""
        self.words[self._row] = -1  # a death in between must not mix two ranges
        self.words[self._row + ROW_STOP] = stop
        self.words[self._row] = start

    def rows_of(self, rank: int) -> Rows | None:
        """Return the rows that a rank has recorded."""
        start, stop = self.words[_line(rank) :][:2].tolist()
        return Rows(start, stop) if start >= 0 else None

    def leave(self) -> bool:
        """Record that this rank has left the program; return whether it was the last one."""
        return int(leave(self.block)) == self.size - 1

    def done(self, job: int) -> None:
        """Record that this rank will not touch anything of `job` any more."""
        self.words[self._row + JOB_DONE] = job

    def vacate(self, rank: int) -> None:
        """Record that the process of `rank` is only about to start."""
        self.words[_line(rank) + JOB_DONE] = _NOT_HERE

    def begin(self) -> None:
        """Record that this rank is ready for jobs."""
        self.done(0)

    def has_begun(self, rank: int) -> bool:
        """Return whether a rank has been ready for jobs."""
        return bool(self.words[_line(rank) + JOB_DONE] != _NOT_HERE)

    def is_done(self, rank: int, job: int) -> bool:
        """Return whether a rank is done with `job`."""
        return bool(self.words[_line(rank) + JOB_DONE] == job)

    def barrier(self, timeout: float | None = None) -> None:
        """Wait for all ranks."""
        faults.point("worker.barrier", self._rank)
        barrier(self.block, no_limit(timeout))

    @contextmanager
    def waiting(self, what: str) -> Iterator[Callable[[], None]]:
        """Record that this rank waits, in a wait outside of this package.

        Parameters
        ----------
        what : str
            What is waited for, as in "waits for ...": ``"an object from rank 2"``.

        Yields
        ------
        callable
            To call again and again, some ten times a second, each time after an unsuccessful
            attempt. It raises `Aborted` if the job is over. When all ranks that still run wait like
            that the job ends with a `DeadlockError` that says what each waits for. So only another
            rank may be able to end the wait.
        """
        note = self.words[self._row + NOTE :][:LINE].view(np.uint8)
        text = what.encode()[: note.size].ljust(note.size, b"\0")
        note[:] = np.frombuffer(text, np.uint8)
        begin_wait(self.block, NOTED, 0, -1.0)
        try:
            yield self._look
        finally:
            end_wait(self.block)

    def _look(self) -> None:
        self.check()
        self.words[self._row + LOOKS] += 1

    def agree(self, number: int, n: int, block_rows: int | str | None, schedule: str) -> None:
        """Agree with the other ranks on claim `number`, from 1 up.

        Raises
        ------
        InputError
            Another rank claims other rows, in other blocks or by another schedule.
        """
        plan = n, _BLOCK_ROWS.get(block_rows, block_rows), SCHEDULES.index(schedule)
        code = _code(plan)
        at = plans_at(self.size) + PLAN_WORDS * (number % CLAIM_SLOTS)
        seen = agree(self.block, number, code)
        if seen < 0:
            self.words[at + 1 : at + 1 + len(plan)] = plan
        elif seen != code:
            other = self._plan_of(at, seen)
            raise InputError(
                f"expected all ranks to make the same claims, got claim {number} with "
                f"{_say(plan)} on rank {self._rank} and {other} on another one; make the same "
                "claims in the same order on every rank"
            )

    def _plan_of(self, at: int, code: int) -> str:
        """Describe the claim of the rank that was first, which may still be about to write it."""
        for _ in range(100):
            plan = tuple(self.words[at + 1 : at + PLAN_WORDS].tolist())
            if _code(plan) == code:
                return _say(plan)
            time.sleep(0.001)
        return "another one"

    def claim(self, number: int, blocks: int, guided: bool) -> tuple[int, int]:
        """Take blocks of claim `number`, from 1 up: ``(first, end)``, empty at the end."""
        return self._checked(claim(self.block, number, blocks, self.size if guided else 0))

    def claim_up_to(self, number: int, blocks: int, most: int) -> tuple[int, int]:
        """Take up to `most` blocks of claim `number`, and no more than half of a fair share."""
        return self._checked(claim_up_to(self.block, number, blocks, most, self.size))

    def claim_or_steal(self, number: int, blocks: int) -> tuple[int, int]:
        """Take a block of claim `number` with stealing; these are counted separately."""
        return self._checked(claim_or_steal(self.block, number, blocks))

    def _checked(self, claimed: tuple[int, int]) -> tuple[int, int]:
        first, end = claimed
        if first == end:
            self.check()
        return first, end


def _line(rank: int) -> int:
    return RANKS + RANK_WORDS * rank


def _code(plan: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(plan).encode())


def _say(plan: tuple[Any, ...]) -> str:
    n, rows, schedule = plan
    block_rows = next((given for given, code in _BLOCK_ROWS.items() if code == rows), rows)
    return f"n={n}, block_rows={block_rows!r}, schedule={SCHEDULES[schedule]!r}"


def check_timeout(timeout: float | None) -> None:
    """Check that a timeout is None or a number of seconds."""
    try:
        fits = timeout is None or timeout >= 0
    except TypeError:
        fits = False
    if not fits:
        raise InputError(f"expected a timeout of 0 seconds or more, or None, got {timeout!r}")


def no_limit(timeout: float | None) -> float:
    """Return a timeout for compiled code, which knows no None: -1 for no limit."""
    check_timeout(timeout)
    return -1.0 if timeout is None else float(min(timeout, _LONGEST))
