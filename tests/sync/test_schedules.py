"""Who gets which rows: each once, whatever the schedule, and what is cheap does not wait long."""

import itertools

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError
from sharedcompute.rows import SCHEDULES, split_weighted
from sharedcompute.sync import alone
from sharedcompute.sync.claims import MOST_CLAIMS, MOST_SHARED, check_steal, claim_or_steal
from sharedcompute.sync.layout import ControlBlock, words_for


def claimed(worker, n, *how):
    return [tuple(rows) for rows in worker.claim(n, *how)]


def assert_covered(parts, n):
    blocks = sorted(rows for part in parts for rows in part)
    assert [row for a, b in blocks for row in range(a, b)] == list(range(n))
    return blocks


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
@pytest.mark.parametrize("block", [None, 1, 6, 1000, "auto"])
def test_each_row_is_dealt_once(party, n, block):
    schedules = ["dynamic"] if block == "auto" else SCHEDULES
    for schedule in schedules:
        assert_covered(party.run(claimed, n, block, schedule), n)


def test_blocks_do_not_depend_on_the_schedule(party):
    found = [assert_covered(party.run(claimed, 1000, 7, how), 1000) for how in SCHEDULES]
    assert all(blocks == found[0] for blocks in found)


def test_a_rank_with_no_work_left_steals_from_the_back_of_the_fullest_share(four):
    def program(worker):
        # Rank 2 stays at its first block until the others have done all else.
        taken = []
        if worker.rank != 2:
            worker.event(0).wait()
        for rows in worker.claim(40, 1, "stealing"):
            taken.append(rows.start)
            if worker.rank == 2:
                worker.event(0).set()
                while worker.counter(0).load() < 39:
                    worker.check()
            else:
                worker.counter(0).fetch_add()
        return taken

    taken = four.run(program)
    assert taken[2] == [20], "it began its share at the front"
    assert sorted(itertools.chain(*taken)) == list(range(40))
    assert set(range(21, 30)) <= set(taken[0] + taken[1] + taken[3])


def test_shares_are_stolen_block_by_block_from_who_has_most():
    words = np.zeros(words_for(3), np.int64)
    first, second, third = (ControlBlock.of(words, rank, 3, 0) for rank in range(3))
    assert [claim_or_steal(first, 1, 9)[0] for _ in range(4)] == [0, 1, 2, 5]
    assert claim_or_steal(first, 1, 9) == (8, 9), "who has most is the third now"
    assert claim_or_steal(second, 1, 9) == (3, 4)
    assert [claim_or_steal(third, 1, 9)[0] for _ in range(3)] == [6, 7, 4]
    for rank in (first, second, third):
        first_block, end = claim_or_steal(rank, 1, 9)
        assert first_block == end


def test_claims_that_use_the_same_words_again_deal_each_row_once(four):
    def program(worker):
        taken = [0] * 200
        for number in range(200):  # more than there are words
            for rows in worker.claim(5, 1, "stealing"):
                taken[number] += 10**rows.start
        return taken

    parts = np.array(four.run(program))
    assert parts.sum(axis=0).tolist() == [11111] * 200


def test_claims_of_all_kinds_may_be_open_together(pair):
    def program(worker):
        open_ = [worker.claim(30, 2, how) for how in SCHEDULES] + [worker.claim(30, "auto")]
        if worker.rank:
            open_.reverse()
        found = [[tuple(rows) for rows in claim] for claim in open_]
        return found[::-1] if worker.rank else found

    for parts in zip(*pair.run(program), strict=True):
        assert_covered(parts, 30)


def test_measured_blocks_grow_where_rows_are_cheap_and_shrink_towards_the_end(parties):
    def program(worker):
        return [rows.stop - rows.start for rows in worker.claim(100_000, "auto")]

    sizes = parties[1].run(program)[0]
    assert sizes[0] == 100_000 // 64
    assert sizes[1] > sizes[0]
    assert sizes[-1] == 1
    assert sum(sizes) == 100_000


@pytest.mark.slow
def test_measured_blocks_of_costly_rows_are_small(parties):
    def program(worker):
        import time

        sizes = []
        for rows in worker.claim(256, "auto"):
            sizes.append(rows.stop - rows.start)
            time.sleep(0.005 * sizes[-1])
        return sizes

    sizes = parties[1].run(program)[0]
    assert sizes[0] == 4
    assert set(sizes[1:]) == {1}


def test_results_do_not_depend_on_the_block_size_or_the_schedule(party):
    x, out = sc.asarray(np.arange(5000.0)), sc.zeros(5000)

    def program(worker, x, out, *how):
        for a, b in worker.claim(len(x), *how):
            out[a:b] = np.sqrt(x[a:b])

    for how in (("auto",), (None, "stealing"), (3, "stealing"), (3, "guided")):
        out[:] = -1
        party.run(program, x, out, *how)
        assert np.array_equal(out, np.sqrt(x))


@pytest.mark.parametrize("how", ["map", "reduce"])
def test_stealing_gives_the_same_bits_as_static(pair, how):
    x = sc.asarray(np.random.default_rng(0).normal(size=(3000, 5)))
    if how == "reduce":
        one, other = (sc.reduce("mean", x, team=pair, schedule=s) for s in ("static", "stealing"))
    else:
        one, other = (pair.map(double, x, schedule=s, block_rows=7) for s in ("static", "stealing"))
    assert np.array_equal(one, other)


def double(x, out):
    out[:] = 2 * x


def test_rows_of_uneven_cost_are_shared_by_their_cost(party):
    weights = np.arange(100.0)
    shares = party.run(lambda w: w.rows(100, weights))
    assert shares == split_weighted(weights, party.size)


REFUSED = {
    "a number for guided, got 'auto'": lambda w: w.claim(5, "auto", "guided"),
    r"or 'auto'\) as a whole number from 1 up, got 'large'": lambda w: w.claim(5, "large"),
    "a schedule out of static, dynamic, guided, stealing": lambda w: w.claim(5, 1, "fair"),
    "weight for each of 5 rows, got int64 of shape": lambda w: w.rows(5, [1, 2]),
    "blocks and .* claims to steal from": lambda w: w.claim(MOST_SHARED + 1, 1, "stealing"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused(pair, message):
    with pytest.raises(InputError, match=message):
        pair.run(REFUSED[message])


def test_the_words_hold_as_many_blocks_and_claims_as_they_say():
    control = alone()
    check_steal(MOST_CLAIMS, MOST_SHARED)
    assert claim_or_steal(control, MOST_CLAIMS, MOST_SHARED) == (0, 1)
    assert claim_or_steal(control, MOST_CLAIMS, MOST_SHARED) == (1, 2)
    assert claim_or_steal(control, MOST_CLAIMS - 64, MOST_SHARED) == (0, 0), "used up"
    with pytest.raises(InputError):
        check_steal(MOST_CLAIMS + 1, 1)
