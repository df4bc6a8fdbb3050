"""The sizes of blocks and strips: from the data alone, never from workers or memory."""

from __future__ import annotations

import math

from sharedcompute.rows import Blocks, align

STRIP_BYTES = 512 * 1024
"""Half of a common L2 cache: the chain and the reductions find the strip there again."""

WIDE_STRIP_BYTES = 32 * 1024**2
"""A strip may grow to this for reductions whose state is no smaller than a row.

A strip reads and writes the whole state, so it is to be twice as large: 16 frames of a megapixel of
16 bits, 8 of single precision.
"""

LONE_STRIP_BYTES = 8 * 1024**2
"""A strip that one kernel goes over from memory to memory: nothing is found in a cache again, and
each strip costs 80 us, as its kernel has driven the interpreter out of the cache."""

BLOCK_BYTES = (256 * 1024, 256 * 1024**2)
"""Least block: claiming it costs 1 % of the time then. Greatest: progress is seen to move."""

BLOCKS = 128
"""Blocks aimed at: enough to keep many workers evenly busy."""

STATE_BYTES = 512 * 1024**2
"""The states of all blocks together: they are kept until the end of the pass."""

STATE_SHARE = 8
"""The data are so many times as large as those states: fresh shared memory is slow."""

LEAST_BLOCKS = 4
"""However large the states are, so that a few workers have something to do."""

HALO_SHARE = 4
"""A strip has this many times its halo in rows, so that little is computed twice."""


FEW_STRIPS = 8
"""Strips of chunks below which blocks do not follow them: workers would have none to do."""

FOLLOWED_BYTES = 64 * 1024**2
"""Nor do they follow strips of chunks above this: a worker holds one in its memory."""


def followed(rows: int, row_bytes: int, chunk_rows: int) -> int:
    """Return the chunk rows that strips follow; 1 where the chunks are too long for that."""
    small = chunk_rows * row_bytes <= STRIP_BYTES
    many = rows >= FEW_STRIPS * chunk_rows and chunk_rows * row_bytes <= FOLLOWED_BYTES
    return chunk_rows if small or many else 1


def lone_strip(blocks: Blocks, strip: int, row_bytes: int) -> int:
    """Return the rows of a strip that one kernel goes over from memory to memory."""
    most = min(blocks.rows, LONE_STRIP_BYTES // max(1, row_bytes))
    return max(strip, most // strip * strip)


def choose_blocks(
    rows: int,
    row_bytes: int,
    *,
    alignment: int,
    halo: int,
    state_bytes: int,
    kept_bytes: int,
    block_rows: int | None,
    strip_rows: int = 1,
) -> tuple[Blocks, int]:
    """Choose blocks and the rows of a strip.

    Parameters
    ----------
    rows, row_bytes : int
        Of the data.
    alignment : int
        Strips begin at multiples of it: the chunk rows of what is read and written.
    halo : int
        Rows needed on each side.
    state_bytes : int
        Of the reductions' state.
    kept_bytes : int
        What of it is kept for each block.
    block_rows : int or None
        The user's wish; rounded up to whole strips.
    strip_rows : int
        What a strip had better have, as far as it does not get very large by that.
    """
    row_bytes = max(1, row_bytes)
    for_state = min(2 * state_bytes, WIDE_STRIP_BYTES)
    wished = min(strip_rows, WIDE_STRIP_BYTES // row_bytes)
    strip = max(1, max(STRIP_BYTES, for_state) // row_bytes, HALO_SHARE * halo, wished)
    # Rounded down where that leaves whole chunks: a strip a little under the cache beats one over.
    strip = max(alignment, strip // alignment * alignment)
    if block_rows is not None:
        wanted = align(block_rows, alignment)
        strip = min(strip, wanted)
        return Blocks(rows, align(wanted, strip)), strip
    least, most = BLOCK_BYTES
    size = min(max(rows * row_bytes // BLOCKS, least, for_state), most)
    for_states = min(STATE_BYTES, rows * row_bytes // STATE_SHARE)
    allowed = max(LEAST_BLOCKS, for_states // max(1, kept_bytes))
    wanted = max(size // row_bytes, math.ceil(rows / allowed), 1)
    strip = min(strip, align(wanted, alignment))
    # To the nearest whole strip: rounded up, four blocks of wide rows would be three.
    return Blocks(rows, max(1, round(wanted / strip)) * strip), strip
