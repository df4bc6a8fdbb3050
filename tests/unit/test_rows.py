import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedcompute.rows import (
    CONSTANT,
    Blocks,
    Rows,
    align,
    extension,
    row_runs,
    share,
    split,
    split_weighted,
)

counts = st.integers(0, 10_000)
parts = st.integers(1, 40)


def covered(ranges):
    return [row for r in ranges for row in range(r.start, r.stop)]


@given(counts, parts)
def test_a_split_has_every_row_once_and_sizes_differ_by_at_most_one(n, parts):
    ranges = split(n, parts)
    assert len(ranges) == parts
    assert covered(ranges) == list(range(n))
    sizes = [r.size for r in ranges]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == [len(a) for a in np.array_split(np.arange(n), parts)]


@given(counts, parts, st.data())
def test_a_share_is_that_part_of_the_split(n, parts, data):
    rank = data.draw(st.integers(0, parts - 1))
    assert share(n, parts, rank) == split(n, parts)[rank]


@given(st.lists(st.floats(0, 1e6), max_size=200), parts)
def test_a_weighted_split_has_every_row_once(weights, parts):
    ranges = split_weighted(weights, parts)
    assert len(ranges) == parts
    assert covered(ranges) == list(range(len(weights)))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=200), parts)
def test_a_weighted_split_is_off_by_at_most_the_heaviest_row(weights, parts):
    ideal = sum(weights) / parts
    for r in split_weighted(weights, parts):
        assert abs(sum(weights[r.start : r.stop]) - ideal) <= max(weights) + 1e-6


@given(st.integers(1, 500), parts)
def test_equal_weights_split_as_rows_do(n, parts):
    sizes = [r.size for r in split_weighted([3.0] * n, parts)]
    assert max(sizes) - min(sizes) <= 2


@given(counts, st.integers(1, 300))
def test_blocks_have_every_row_once_and_only_the_last_is_cut_short(n, rows):
    blocks = Blocks(n, rows)
    ranges = list(blocks)
    assert len(blocks) == len(ranges)
    assert covered(ranges) == list(range(n))
    assert all(r.size == rows for r in ranges[:-1])
    assert [blocks[k] for k in range(len(blocks))] == ranges


def test_a_block_past_the_end_is_an_index_error():
    for number in (-1, 3):
        with pytest.raises(IndexError):
            Blocks(10, 4)[number]


@given(st.integers(0, 10_000), st.integers(1, 500))
def test_aligned_rows_are_whole_chunks_and_enough(rows, chunk):
    aligned = align(rows, chunk)
    assert aligned % chunk == 0
    assert aligned >= max(rows, 1)
    assert aligned - chunk < max(rows, 1)


PAD = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}


@given(
    st.integers(1, 12), st.integers(0, 40), st.integers(0, 40), st.sampled_from([*PAD, "constant"])
)
def test_an_extension_is_what_numpy_pads(n, before, after, mode):
    at = extension(-before, n + after, n, mode)
    rows = np.arange(n)
    if mode == "constant":
        expected = np.pad(rows, (before, after), constant_values=CONSTANT)
    else:
        expected = np.pad(rows, (before, after), PAD[mode])
    np.testing.assert_array_equal(at, expected)


@given(
    st.integers(1, 12),
    st.integers(-30, 30),
    st.integers(0, 30),
    st.sampled_from([*PAD, "constant"]),
)
def test_runs_cover_each_row_that_is_not_constant_with_few_reads(n, start, size, mode):
    at = extension(start, start + size, n, mode)
    seen = np.full(size, CONSTANT)
    for where, rows in row_runs(at):
        assert 0 <= rows.start < rows.stop <= n
        assert rows.size <= where.stop - where.start
        assert set(at[where]) <= set(range(*rows))
        seen[where] = at[where]
    np.testing.assert_array_equal(seen, at)


def test_rows_know_their_size():
    assert Rows(3, 7).size == 4
