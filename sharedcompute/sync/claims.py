"""Dynamic schedules: ranks claim blocks of rows, each by one atomic operation.

Every rank makes the same claims in the same order, which numbers them from 1. Claims share a few
words: a word of a later claim means that the earlier one is exhausted.
"""

from __future__ import annotations

from sharedcompute.errors import InputError
from sharedcompute.sync.atomics import compiled, load, swap
from sharedcompute.sync.layout import (
    ABORT,
    CLAIM_SLOTS,
    CLAIMS,
    PLAN_WORDS,
    RANK_WORDS,
    RANKS,
    SHARES,
    ControlBlock,
)

CLAIM_BITS = 36
"""A claim word has the next block in its low bits, up to 2**36, and the claim's number above."""
MOST_BLOCKS = (1 << CLAIM_BITS) - 1
"""Blocks in a claim."""

SHARE_BITS = 22
"""A share word has the number of uses of its slot, then the first block and the end."""
MOST_SHARED = (1 << SHARE_BITS) - 1
"""Blocks in a claim with stealing."""
MOST_CLAIMS = (CLAIM_SLOTS << (63 - 2 * SHARE_BITS)) - 2 * CLAIM_SLOTS
"""Claims with stealing in a program."""


@compiled
def agree(control: ControlBlock, number: int, code: int) -> int:
    """Agree on claim `number`; return the code of the rank that was first, -1 for this one.

    Parameters
    ----------
    control : ControlBlock
    number : int
        From 1 up.
    code : int
        A hash of rows, blocks and schedule, of 32 bits. If the words serve a later claim already it
        counts as agreed on: others are done with this one.
    """
    words = control.words
    at = RANKS + RANK_WORDS * control.size + PLAN_WORDS * (number % CLAIM_SLOTS)
    while True:
        seen = load(words, at)
        if seen >> 32 > number:
            return code
        if seen >> 32 == number:
            return seen & 0xFFFFFFFF
        if swap(words, at, seen, (number << 32) + code) == seen:
            return -1


@compiled
def claim(control: ControlBlock, number: int, blocks: int, parts: int) -> tuple[int, int]:
    """Take the next blocks of claim `number`: ``(first, end)``, empty at the end or after an abort.

    One block at a time if `parts` is 0, else half of a fair share (guided).
    """
    return claim_up_to(control, number, blocks, blocks if parts else 1, parts)


@compiled
def claim_up_to(
    control: ControlBlock, number: int, blocks: int, most: int, parts: int
) -> tuple[int, int]:
    """Take up to `most` blocks, and up to half of a fair share unless `parts` is 0."""
    words, at = control.words, CLAIMS + number % CLAIM_SLOTS
    while load(words, ABORT) == 0:
        seen = load(words, at)
        owner = seen >> CLAIM_BITS
        first = seen & ((1 << CLAIM_BITS) - 1) if owner == number else 0
        if owner > number or first >= blocks:
            break
        left = blocks - first
        count = max(1, min(most, left // (2 * parts))) if parts else min(most, left)
        if swap(words, at, seen, (number << CLAIM_BITS) + first + count) == seen:
            return first, first + count
    return 0, 0


@compiled
def claim_or_steal(control: ControlBlock, number: int, blocks: int) -> tuple[int, int]:
    """Take the next block of the own share of claim `number`, or steal from the largest share.

    Parameters
    ----------
    control : ControlBlock
    number : int
        From 1 to `MOST_CLAIMS`; counts the claims with stealing only.
    blocks : int
        Up to `MOST_SHARED`. At first each rank has its static share of them.

    Returns
    -------
    first, end : int
        Empty at the end or after an abort.

    Notes
    -----
    A share shrinks and never grows: so a rank that found all empty has seen the end of the claim,
    and the words can serve a later one. The owner takes from the front, thieves from the back.

    References
    ----------
    R. Blumofe and C. Leiserson, "Scheduling multithreaded computations by work stealing", J. ACM 46
    (1999); there the victim is random.
    """
    while load(control.words, ABORT) == 0:
        victim = control.rank
        first, end, seen = _share(control, victim, number, blocks)
        for rank in range(control.size) if first == end else range(0):
            a, b, word = _share(control, rank, number, blocks)
            if b - a > end - first:
                victim, first, end, seen = rank, a, b, word
        if first == end:
            break
        mine = victim == control.rank
        block = first if mine else end - 1
        if _set_share(control, victim, number, seen, first + mine, end - (not mine)):
            return block, block + 1
    return 0, 0


@compiled
def _share(control: ControlBlock, rank: int, number: int, blocks: int) -> tuple[int, int, int]:
    """Return the remaining share of a rank, ``first, end``, and its word.

    With the word of an earlier claim the share is untouched.
    """
    at = RANKS + RANK_WORDS * rank + SHARES + number % CLAIM_SLOTS
    seen = load(control.words, at)
    owner, tag = seen >> (2 * SHARE_BITS), number // CLAIM_SLOTS + 1
    if owner == tag:
        return (seen >> SHARE_BITS) & MOST_SHARED, seen & MOST_SHARED, seen
    if owner > tag:
        return 0, 0, seen
    # `rows.share` again: a cached function does not notice edits of another file.
    size, larger = blocks // control.size, blocks % control.size
    first = rank * size + min(rank, larger)
    return first, first + size + (1 if rank < larger else 0), seen


@compiled
def _set_share(
    control: ControlBlock, rank: int, number: int, seen: int, first: int, end: int
) -> bool:
    at = RANKS + RANK_WORDS * rank + SHARES + number % CLAIM_SLOTS
    tag = number // CLAIM_SLOTS + 1
    word = (((tag << SHARE_BITS) + first) << SHARE_BITS) + end
    return swap(control.words, at, seen, word) == seen


def check_blocks(blocks: int) -> None:
    """Check that a claim word holds the number of blocks.

    Raises
    ------
    InputError
    """
    if blocks > MOST_BLOCKS:
        raise InputError(
            f"expected up to {MOST_BLOCKS} blocks in a claim, got {blocks}; use more rows in a "
            "block, or a static schedule"
        )


def check_steal(number: int, blocks: int) -> None:
    """Check that the words hold the number of a claim with stealing, and its blocks.

    Raises
    ------
    InputError
    """
    if blocks > MOST_SHARED or number > MOST_CLAIMS:
        raise InputError(
            f"expected up to {MOST_SHARED} blocks and {MOST_CLAIMS} claims to steal from, got "
            f"{blocks} and {number}; use more rows in a block, or a dynamic schedule"
        )
