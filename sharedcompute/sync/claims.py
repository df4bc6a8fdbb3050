"""Who takes which rows of a dynamic schedule: one atomic step a claim.

Every rank makes the same claims in the same order, which numbers them from 1. Claims share a few
words: a word of a later claim means that an earlier one was used up.
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
"""A claim word holds the claim's number above and the next block below: 2**36 blocks."""
MOST_BLOCKS = (1 << CLAIM_BITS) - 1
"""Blocks in a claim."""

SHARE_BITS = 22
"""A share word holds how often its slot was used, then the first block and the end."""
MOST_SHARED = (1 << SHARE_BITS) - 1
"""Blocks in a claim from which others steal."""
MOST_CLAIMS = (CLAIM_SLOTS << (63 - 2 * SHARE_BITS)) - 2 * CLAIM_SLOTS
"""Claims from which others steal, in a program."""


@compiled
def agree(control: ControlBlock, number: int, code: int) -> int:
    """Settle what all ranks claim as claim `number`; gives the code of who came first, or -1.

    Parameters
    ----------
    control : ControlBlock
    number : int
        From 1 up.
    code : int
        Of 32 bits, for rows, blocks and schedule. Where the words serve a later claim already it
        counts as agreed on: others have done with this one.
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

    With `parts` 0 one block at a time, else half of a fair share (guided).
    """
    return claim_up_to(control, number, blocks, blocks if parts else 1, parts)


@compiled
def claim_up_to(
    control: ControlBlock, number: int, blocks: int, most: int, parts: int
) -> tuple[int, int]:
    """Take the next blocks, up to `most`, and up to half of a fair share where `parts` is not 0."""
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
    """Take the next block of the own share of claim `number`, or from the rank that has most left.

    Parameters
    ----------
    control : ControlBlock
    number : int
        From 1 to `MOST_CLAIMS`; of the claims from which others steal.
    blocks : int
        Up to `MOST_SHARED`. At first each rank has its static share of them.

    Returns
    -------
    first, end : int
        Empty at the end or after an abort.

    Notes
    -----
    A share shrinks and never grows: so a rank that found all empty has seen the end of the claim,
    and the words can serve a later one. The owner takes from the front, others from the back.

    References
    ----------
    R. Blumofe and C. Leiserson, "Scheduling multithreaded computations by work stealing", J. ACM 46
    (1999); there the rank stolen from is chosen by chance.
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
    """What a rank has left of a claim, and its word. One of an earlier claim: nobody took yet."""
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
    found: int = swap(control.words, at, seen, word)
    return found == seen


def check_blocks(blocks: int) -> None:
    """Refuse more blocks than a claim word holds.

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
    """Refuse what the words cannot hold.

    Raises
    ------
    InputError
    """
    if blocks > MOST_SHARED or number > MOST_CLAIMS:
        raise InputError(
            f"expected up to {MOST_SHARED} blocks and {MOST_CLAIMS} claims to steal from, got "
            f"{blocks} and {number}; use more rows in a block, or a dynamic schedule"
        )
