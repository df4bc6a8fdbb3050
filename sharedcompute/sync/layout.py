"""Where things stand in the control block: an array of 64-bit words in shared memory.

Words that different ranks write lie on cache lines (8 words) of their own. Compiled code has these
numbers in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sharedcompute.sync.atomics import Words

LINE = 8

LOCKS_IN_ALL, EVENTS_IN_ALL, COUNTERS_IN_ALL = 16, 16, 64
CLAIM_SLOTS = 64

ABORT = 0  # not 0: the job is over, leave
SHORT_SLEEPS = 1  # not 0: no futex, sleep a little and look again. Settled when the team is made
FINISHED = LINE  # how many ranks have left the program
ARRIVED = 2 * LINE  # at the barrier
GENERATION = 3 * LINE  # of the barrier
BARRIER_SLEEPERS = GENERATION + 1
BROKEN = GENERATION + 2  # not 0: a rank gave up waiting at the barrier, so it can never open
CLAIMS = 4 * LINE  # CLAIM_SLOTS words
LOCKS = CLAIMS + CLAIM_SLOTS  # a line for each
EVENTS = LOCKS + LINE * LOCKS_IN_ALL  # a line for each: is it set, how many sleep
COUNTERS = EVENTS + LINE * EVENTS_IN_ALL  # a line for each
RANKS = COUNTERS + LINE * COUNTERS_IN_ALL

# What each rank has. Its line: the rows in hand; what it waits for, see `waiting`, and the last job
# that it has done with, which is never cleared: it tells who is idle after an abort.
ROW_START, ROW_STOP, JOB_DONE, WAITS_FOR, WAIT_NUMBER, WAITS, LOOKS = range(7)
NOTE = LINE  # a line of text: what it waits for
SEMAPHORE = 2 * LINE  # of as many permits as the rank's number + 1: how many are taken, who sleep
SHARES = 3 * LINE  # CLAIM_SLOTS words: its share of claims from which others steal
RANK_WORDS = SHARES + CLAIM_SLOTS

# Behind the ranks, for each of the CLAIM_SLOTS: what all have to claim. See `claims.agree`.
PLAN_WORDS = 4


class _Fields(NamedTuple):
    words: int
    rank: int
    size: int
    spins: int


class ControlBlock(_Fields):
    """One rank's view of the control block: the first argument of all that synchronises.

    In Python and in nopython code alike.

    Attributes
    ----------
    words : int
        The address of the block; for the functions of this package only.
    rank, size : int
        This rank's number, from 0, and how many there are.
    spins : int
        How often a wait looks before it sleeps; 0 where there are more ranks than cores.
    held : ndarray
        The block, so that it lives as long as this. Unknown to nopython code.
    """

    held: Words

    @classmethod
    def of(cls, words: Words, rank: int, size: int, spins: int) -> ControlBlock:
        """One rank's view of a block."""
        made = cls(words.ctypes.data, rank, size, spins)
        made.held = words
        return made


def words_for(size: int) -> int:
    """How many words a party of `size` needs."""
    return plans_at(size) + PLAN_WORDS * CLAIM_SLOTS


def plans_at(size: int) -> int:
    """Where the plans of claims begin."""
    return RANKS + RANK_WORDS * size


def lines_of(words: Words) -> Words:
    """The words of a block that ranks have, a row for each."""
    return words[RANKS : -PLAN_WORDS * CLAIM_SLOTS].reshape(-1, RANK_WORDS)


def alone() -> ControlBlock:
    """Return a control block for a party of one, in private memory: its barrier never waits."""
    return ControlBlock.of(np.zeros(words_for(1), np.int64), 0, 1, 0)
