"""Blocks and strips follow the data alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sharedcompute.plan.blocks import BLOCKS, STATE_BYTES, choose_blocks

rows = st.integers(0, 10**9)
sizes = st.integers(0, 10**8)
few = st.integers(1, 500)
halos = st.integers(0, 100)


@given(rows, sizes, few, halos, sizes, st.none() | st.integers(1, 10**6))
def test_blocks_are_whole_strips_and_strips_are_whole_chunks(
    n: int, row_bytes: int, alignment: int, halo: int, state: int, wanted: int | None
) -> None:
    blocks, strip = choose_blocks(
        n, row_bytes, alignment=alignment, halo=halo, state_bytes=state, block_rows=wanted
    )
    assert strip >= 1
    assert strip % alignment == 0
    assert blocks.rows % strip == 0
    assert blocks.n == n


@given(rows, st.integers(1, 10**6), sizes)
def test_the_states_of_all_blocks_stay_small(n: int, row_bytes: int, state: int) -> None:
    blocks, _ = choose_blocks(n, row_bytes, alignment=1, halo=0, state_bytes=state, block_rows=None)
    assert len(blocks) * state <= max(STATE_BYTES, 17 * state)


def test_large_data_have_enough_blocks_for_many_workers() -> None:
    blocks, strip = choose_blocks(
        125_000, 8000, alignment=1, halo=0, state_bytes=0, block_rows=None
    )
    assert BLOCKS / 2 <= len(blocks) <= 2 * BLOCKS
    assert strip * 8000 <= 512 * 1024


def test_a_wish_for_block_rows_is_rounded_up_to_whole_chunks() -> None:
    blocks, strip = choose_blocks(1000, 8, alignment=10, halo=0, state_bytes=0, block_rows=25)
    assert (blocks.rows, strip) == (30, 30)
