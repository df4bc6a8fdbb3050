"""How large blocks and strips are: from the data alone, never from workers or memory."""

from __future__ import annotations

import math

from sharedcompute.rows import Blocks, align

STRIP_BYTES = 512 * 1024
"""Half of a common L2 cache: the chain and the reductions find the strip there again."""

BLOCK_BYTES = (256 * 1024, 256 * 1024**2)
"""Least block: claiming it costs 1 % of the time then. Greatest: progress is seen to move."""

BLOCKS = 128
"""Blocks aimed at: enough to keep many workers evenly busy."""

STATE_BYTES = 256 * 1024**2
"""The states of all blocks together: they are kept until the end of the pass."""

HALO_SHARE = 4
"""A strip has this many times its halo in rows, so that little is computed twice."""


FEW_STRIPS = 8
"""Strips of chunks below which blocks do not follow them: workers would have none to do."""

FOLLOWED_BYTES = 64 * 1024**2
"""Nor do they follow strips of chunks above this: a worker holds one in its memory."""


def followed(rows: int, row_bytes: int, chunk_rows: int) -> int:
    """The chunk rows that strips follow; 1 where the chunks are too long for that."""
    small = chunk_rows * row_bytes <= STRIP_BYTES
    many = rows >= FEW_STRIPS * chunk_rows and chunk_rows * row_bytes <= FOLLOWED_BYTES
    return chunk_rows if small or many else 1


def choose_blocks(
    rows: int,
    row_bytes: int,
    *,
    alignment: int,
    halo: int,
    state_bytes: int,
    block_rows: int | None,
) -> tuple[Blocks, int]:
    """Blocks and the rows of a strip.

    Parameters
    ----------
    rows, row_bytes : int
        Of the data.
    alignment : int
        Strips begin at multiples of it: the chunk rows of what is read and written.
    halo : int
        Rows needed on each side.
    state_bytes : int
        Of the reductions' state of one block.
    block_rows : int or None
        The user's wish; rounded up to whole strips.
    """
    row_bytes = max(1, row_bytes)
    strip = max(1, STRIP_BYTES // row_bytes, HALO_SHARE * halo)
    # Rounded down where that leaves whole chunks: a strip a little under the cache beats one over.
    strip = max(alignment, strip // alignment * alignment)
    if block_rows is not None:
        wanted = align(block_rows, alignment)
        strip = min(strip, wanted)
        return Blocks(rows, align(wanted, strip)), strip
    least, most = BLOCK_BYTES
    size = min(max(rows * row_bytes // BLOCKS, least), most)
    allowed = max(16, STATE_BYTES // max(1, state_bytes))
    wanted = max(size // row_bytes, math.ceil(rows / allowed), 1)
    strip = min(strip, align(wanted, alignment))
    return Blocks(rows, align(wanted, strip)), strip
