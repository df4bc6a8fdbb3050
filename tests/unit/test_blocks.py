"""Blocks and strips follow the data alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sharedcompute.planning.budget.blocks import (
    BLOCKS,
    LEAST_BLOCKS,
    STATE_BYTES,
    STATE_SHARE,
    WIDE_STRIP_BYTES,
    choose_blocks,
)
from sharedcompute.rows import Blocks

rows = st.integers(0, 10**9)
sizes = st.integers(0, 10**8)
few = st.integers(1, 500)
halos = st.integers(0, 100)


def choose(n: int, row_bytes: int, state: int, kept: int) -> tuple[Blocks, int]:
    return choose_blocks(
        n,
        row_bytes,
        alignment=1,
        halo=0,
        state_bytes=state,
        kept_bytes=kept,
        block_rows=None,
    )


@given(rows, sizes, few, halos, sizes, st.none() | st.integers(1, 10**6))
def test_blocks_are_whole_strips_and_strips_are_whole_chunks(
    n: int, row_bytes: int, alignment: int, halo: int, state: int, wanted: int | None
) -> None:
    blocks, strip = choose_blocks(
        n,
        row_bytes,
        alignment=alignment,
        halo=halo,
        state_bytes=state,
        kept_bytes=state,
        block_rows=wanted,
    )
    assert strip >= 1
    assert strip % alignment == 0
    assert blocks.rows % strip == 0
    assert blocks.n == n


@given(rows, st.integers(1, 10**6), sizes)
def test_the_states_of_all_blocks_stay_small(n: int, row_bytes: int, state: int) -> None:
    blocks, _ = choose(n, row_bytes, state, state)
    # A block may be rounded down to whole strips, by a third at most.
    allowed = min(STATE_BYTES, n * row_bytes / STATE_SHARE)
    assert len(blocks) * state <= 1.5 * max(allowed, LEAST_BLOCKS * state) + state


def test_large_data_have_enough_blocks_for_many_workers() -> None:
    blocks, strip = choose(125_000, 8000, state=32_000, kept=32_000)
    assert BLOCKS / 2 <= len(blocks) <= 2 * BLOCKS
    assert strip * 8000 <= 512 * 1024


def test_strips_of_wide_rows_are_larger_than_the_state_they_go_through() -> None:
    megapixel = 1024**2
    blocks, strip = choose(200, 2 * megapixel, state=16 * megapixel, kept=0)
    assert strip * 2 * megapixel == 32 * megapixel
    assert blocks.rows == strip
    _, strip = choose(200, 64 * megapixel, state=1024 * megapixel, kept=0)
    assert strip * 64 * megapixel <= max(WIDE_STRIP_BYTES, 64 * megapixel)


def test_states_that_are_kept_for_each_block_make_fewer_blocks() -> None:
    megapixel = 1024**2
    shared, _ = choose(4000, 4 * megapixel, state=16 * megapixel, kept=0)
    kept, _ = choose(4000, 4 * megapixel, state=16 * megapixel, kept=16 * megapixel)
    assert len(shared) > 100
    assert 24 <= len(kept) <= 40


def test_a_wish_for_block_rows_is_rounded_up_to_whole_chunks() -> None:
    blocks, strip = choose_blocks(
        1000, 8, alignment=10, halo=0, state_bytes=0, kept_bytes=0, block_rows=25
    )
    assert (blocks.rows, strip) == (30, 30)
