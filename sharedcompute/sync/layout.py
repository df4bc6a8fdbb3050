"""The layout of the control block: an array of 64-bit words in shared memory.

Words that different ranks write have cache lines (8 words) of their own. Compiled code contains
these numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sharedcompute.sync.atomics import Words

LINE = 8

LOCKS_IN_ALL, EVENTS_IN_ALL, COUNTERS_IN_ALL = 16, 16, 64
CLAIM_SLOTS = 64

ABORT = 0  # not 0: the job is over
SHORT_SLEEPS = 1  # not 0: no futex, sleep a little and check again. Set when the team is created
FINISHED = LINE  # how many ranks have left the program
ARRIVED = 2 * LINE  # at the barrier
GENERATION = 3 * LINE  # of the barrier
BARRIER_SLEEPERS = GENERATION + 1
BROKEN = GENERATION + 2  # not 0: the wait of a rank at the barrier timed out, it can never open
CLAIMS = 4 * LINE  # CLAIM_SLOTS words
LOCKS = CLAIMS + CLAIM_SLOTS  # a line for each
EVENTS = LOCKS + LINE * LOCKS_IN_ALL  # a line for each: whether it is set, how many sleep
COUNTERS = EVENTS + LINE * EVENTS_IN_ALL  # a line for each
RANKS = COUNTERS + LINE * COUNTERS_IN_ALL

# The words of each rank. In the first line: the rows that it works on; what it waits for, see
# `waiting`; and the last job that it is done with, which is never cleared: it shows who is idle
# after an abort.
ROW_START, ROW_STOP, JOB_DONE, WAITS_FOR, WAIT_NUMBER, WAITS, LOOKS = range(7)
NOTE = LINE  # a line of text: what it waits for
SEMAPHORE = 2 * LINE  # of rank + 1 permits: how many are taken, how many ranks sleep
SHARES = 3 * LINE  # CLAIM_SLOTS words: its share of claims with stealing
RANK_WORDS = SHARES + CLAIM_SLOTS

# After the ranks, for each of the CLAIM_SLOTS: the claim that all have to make. See `claims.agree`.
PLAN_WORDS = 4


class _Fields(NamedTuple):
    words: int
    rank: int
    size: int
    spins: int


class ControlBlock(_Fields):
    """One rank's view of the control block: the first argument of all functions of `sync`.

    In Python and in nopython code.

    Attributes
    ----------
    words : int
        The address of the block; for the functions of this package only.
    rank, size : int
        The rank, from 0, and the number of ranks.
    spins : int
        How often a wait checks before it sleeps; 0 if there are more ranks than cores.
    held : ndarray
        The block, so that it lives as long as this. Not visible in nopython code.
    """

    held: Words

    @classmethod
    def of(cls, words: Words, rank: int, size: int, spins: int) -> ControlBlock:
        """Create the view of a rank."""
        made = cls(words.ctypes.data, rank, size, spins)
        made.held = words
        return made


def words_for(size: int) -> int:
    """Return the number of words for `size` ranks."""
    return plans_at(size) + PLAN_WORDS * CLAIM_SLOTS


def plans_at(size: int) -> int:
    """Return the index where the plans of claims begin."""
    return RANKS + RANK_WORDS * size


def lines_of(words: Words) -> Words:
    """Return the words of the ranks, a row for each."""
    return words[RANKS : -PLAN_WORDS * CLAIM_SLOTS].reshape(-1, RANK_WORDS)


def alone() -> ControlBlock:
    """Return a control block for one rank, in private memory: its barrier never waits.

    Returns
    -------
    ControlBlock
    """
    return ControlBlock.of(np.zeros(words_for(1), np.int64), 0, 1, 0)
