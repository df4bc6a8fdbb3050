"""Collectives: NumPy is the oracle, in rank order, and wrong use is an error on every rank."""

import functools
import operator
import os
import signal
import time

import numpy as np
import pytest

from sharedcompute.errors import InputError, WorkerDied
from sharedcompute.shm import arrays
from sharedcompute.sync import ProgramLeftError
from sharedcompute.team import Team

UFUNCS = {"sum": np.add, "min": np.minimum, "max": np.maximum, "prod": np.multiply}
DTYPES = ["?", "i1", "u4", "i8", "f2", "f4", "f8", "c8", "c16", ">f8"]
SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (5, 3), (40_001,)]


def sample(rank, shape, dtype):
    """What a rank has; the same in the parent and in a worker."""
    rng = np.random.default_rng([rank, *shape])
    values = rng.normal(size=shape) * 10
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=shape)
    if np.dtype(dtype).kind in "?u":
        values = abs(values)
    return np.asarray(values).astype(dtype)


def expected(op, parts):
    """((x0 + x1) + x2) + ..., in the dtype of the parts."""
    if parts[0].dtype == bool and op in ("sum", "prod"):
        parts = [part.astype("i8") for part in parts]
    return np.asarray(functools.reduce(UFUNCS[op], parts)).astype(parts[0].dtype)


def same_bits(a, b):
    assert type(a) is np.ndarray
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    assert a.tobytes() == b.tobytes()
    return True


@pytest.mark.sample(2)
@pytest.mark.parametrize("op", UFUNCS)
def test_allreduce_gives_all_ranks_the_bits_of_numpys_sum_in_rank_order(teams, op):
    cases = [(shape, dtype) for shape in SHAPES for dtype in DTYPES]

    def program(worker):
        with np.errstate(all="ignore"):
            return [worker.allreduce(sample(worker.rank, *case), op) for case in cases]

    for size, team in teams.items():
        for results in team.run(program):
            for case, result in zip(cases, results, strict=True):
                with np.errstate(all="ignore"):
                    whole = expected(op, [sample(rank, *case) for rank in range(size)])
                assert same_bits(result, whole), case


@pytest.mark.parametrize("op", UFUNCS)
def test_reduce_gives_the_root_alone_the_same_bits(teams, op):
    shapes = [(), (3,), (40_001,)]

    def program(worker, root):
        return [worker.reduce(sample(worker.rank, shape, "f4"), op, root) for shape in shapes]

    for size, team in teams.items():
        root = size - 1
        *others, results = team.run(program, root)
        assert all(result is None for other in others for result in other)
        for shape, result in zip(shapes, results, strict=True):
            assert same_bits(result, expected(op, [sample(r, shape, "f4") for r in range(size)]))


def test_large_arrays_come_out_whole(teams):
    def program(worker):
        x = np.full(1_300_000, 0.1) * (worker.rank + 1)
        return worker.allreduce(x)

    for size, team in teams.items():
        whole = functools.reduce(np.add, [np.full(1_300_000, 0.1) * (r + 1) for r in range(size)])
        for result in team.run(program):
            assert same_bits(result, whole)


@pytest.mark.parametrize("cut", [np.s_[::2], np.s_[::-3], np.s_[:, 1], np.s_[5:, ::4]])
def test_arrays_need_not_be_contiguous(team, cut):
    whole = np.arange(1200.0).reshape(30, 40)

    def program(worker):
        mine = whole * (worker.rank + 1)
        return worker.allreduce(mine[cut]), worker.allgather(np.asfortranarray(mine)[cut])

    for total, parts in team.run(program):
        assert same_bits(total, (whole + 2 * whole)[cut].copy())
        assert [p.tolist() for p in parts] == [whole[cut].tolist(), (2 * whole)[cut].tolist()]


def test_scalars_come_back_as_what_they_are(teams):
    def program(worker):
        r = worker.rank
        return (
            worker.allreduce(r + 1),
            worker.allreduce(2**80 + r, "max"),
            worker.allreduce(0.5),
            worker.allreduce(1j),
            worker.allreduce(np.float32(r), "min"),
            worker.allreduce(r == 0, "max"),
            worker.allreduce(True),
            worker.reduce(np.int64(r), "max"),
            worker.allreduce([r, 1], "prod").tolist(),
        )

    for size, team in teams.items():
        first, *others = team.run(program)
        top = size - 1
        assert first == (
            sum(range(1, size + 1)), 2**80 + top, size / 2, 1j * size, 0, True, size, top,
            [0, 1],
        )  # fmt: skip
        kinds = [type(value) for value in first]
        assert kinds == [int, int, float, complex, np.float32, bool, int, np.int64, list]
        assert all(other[:7] == first[:7] and other[7] is None for other in others)


def test_nan_goes_through(team):
    def program(worker):
        x = np.array([1.0, np.nan]) if worker.rank else np.array([np.nan, 2.0])
        return [worker.allreduce(x, op) for op in UFUNCS]

    assert np.isnan(team.run(program)).all()


def test_a_users_function_combines_in_rank_order(teams):
    def matrix(rank):
        return np.array([[1.0, rank + 1], [0.0, 2.0]])

    def program(worker):
        return (
            worker.allreduce(matrix(worker.rank), np.matmul),
            worker.allreduce(str(worker.rank), operator.add),
            worker.reduce({worker.rank}, lambda a, b: a | b),
        )

    for size, team in teams.items():
        results = team.run(program)
        for product, text, _ in results:
            assert same_bits(product, functools.reduce(np.matmul, map(matrix, range(size))))
            assert text == "".join(map(str, range(size)))
        assert [union for *_, union in results] == [set(range(size))] + [None] * (size - 1)


def test_out_receives_the_result_and_may_be_the_argument(teams):
    def program(worker):
        x = np.arange(50_000.0)
        strided = np.zeros((2, 50_000)).T[:, 0]
        assert worker.allreduce(x, out=strided) is strided
        assert worker.allreduce(x, out=x) is x
        other = np.zeros(50_000) if worker.rank == 0 else None
        assert worker.reduce(np.ones(50_000), out=other) is other
        return strided, x, other

    for size, team in teams.items():
        for rank, (strided, x, other) in enumerate(team.run(program)):
            assert same_bits(strided.copy(), np.arange(50_000.0) * size)
            assert same_bits(x, np.arange(50_000.0) * size)
            assert rank != 0 or (other == size).all()


OBJECTS = [None, 3, "text", b"x" * 100_000, {"a": np.arange(9)}, np.float32(2), [], (1, [2])]


def test_any_object_is_broadcast_from_any_root(teams):
    def program(worker):
        got = []
        for root in range(worker.size):
            got += [worker.broadcast(o if worker.rank == root else "?", root) for o in OBJECTS]
        return got

    for size, team in teams.items():
        for results in team.run(program):
            assert repr(results) == repr(OBJECTS * size)


@pytest.mark.sample(5)
@pytest.mark.parametrize("dtype", [*DTYPES, "U5", "M8[s]", [("a", "i4"), ("b", "f8", 3)]])
def test_arrays_are_broadcast_and_gathered_as_copies_that_can_be_written(teams, dtype):
    def program(worker):
        x = np.zeros((worker.rank + 2, 3), dtype)
        x.flags.writeable = False
        first, parts = worker.broadcast(x), worker.allgather(x)
        if worker.rank:
            first[0] = first[1]
        parts[0][0] = parts[0][1]
        return first, parts

    for size, team in teams.items():
        for first, parts in team.run(program):
            assert (first.shape, first.dtype) == ((2, 3), np.dtype(dtype))
            assert [part.shape for part in parts] == [(rank + 2, 3) for rank in range(size)]
            assert all(type(part) is np.ndarray and part.dtype == dtype for part in parts)


def test_gather_gives_a_list_by_rank_to_the_root(teams):
    def program(worker, root):
        return worker.gather((worker.rank, np.full(worker.rank, 7)), root)

    for size, team in teams.items():
        *others, got = team.run(program, size - 1)
        assert others == [None] * (size - 1)
        assert [(rank, part.tolist()) for rank, part in got] == [(r, [7] * r) for r in range(size)]


def test_scatter_deals_out_rows_or_objects_and_gather_undoes_it(teams):
    def program(worker, root):
        table = np.arange(33.0).reshape(11, 3)
        names = [f"for {rank}" for rank in range(worker.size)]
        mine = worker.rank == root
        rows = worker.scatter(table if mine else None, root)
        name = worker.scatter(names if mine else None, root)
        return (
            rows.tolist() == table[slice(*worker.rows(11))].tolist(),
            name,
            worker.allgather(rows),
        )

    for size, team in teams.items():
        for rank, (right, name, back) in enumerate(team.run(program, size // 2)):
            assert right
            assert name == f"for {rank}"
            assert same_bits(np.concatenate(back), np.arange(33.0).reshape(11, 3))


def test_a_shared_array_inside_an_object_remains_the_same_memory(team):
    x = arrays.zeros(4)

    def program(worker, x):
        box, copy = worker.broadcast({"x": x}), worker.allgather(x)[0]
        if worker.rank == 1:
            box["x"][1] = 5
            copy[2] = 7

    team.run(program, x)
    assert x.tolist() == [0, 5, 0, 0]


@pytest.mark.slow
def test_a_thousand_calls_of_all_kinds_in_one_program(teams):
    def program(worker):
        rng = np.random.default_rng(5)  # the same on all ranks
        for _ in range(1000):
            kind, root, n = rng.integers(7), int(rng.integers(worker.size)), int(rng.integers(2000))
            x = np.full(n, float(worker.rank))
            total = worker.size * (worker.size - 1) / 2
            if kind == 0:
                assert (worker.allreduce(x) == total).all()
            elif kind == 1:
                got = worker.reduce(x, "max", root)
                assert got is None or (got == worker.size - 1).all()
            elif kind == 2:
                assert worker.broadcast(n + worker.rank, root) == n + root
            elif kind == 3:
                assert [len(part) for part in worker.allgather(x)] == [n] * worker.size
            elif kind == 4:
                worker.barrier()
            elif kind == 5:
                got = worker.gather(worker.rank, root)
                assert got is None or got == list(range(worker.size))
            else:
                got = worker.scatter(list(range(worker.size)) if worker.rank == root else 0, root)
                assert got == worker.rank

    for team in teams.values():
        team.run(program)


# What ranks 0 and 1 call, and what the error says of them.
MISMATCHES = {
    "shape": (
        lambda w: w.allreduce(np.ones(3 + w.rank)),
        "allreduce(sum) of float64 (3,) on rank 0 and allreduce(sum) of float64 (4,) on rank 1",
    ),
    "dtype": (lambda w: w.allreduce(np.ones(2, ["f4", "f8"][w.rank])), "of float32 (2,) on rank 0"),
    "op": (lambda w: w.allreduce(1.0, ["min", "max"][w.rank]), "allreduce(max) of float64 ()"),
    "root": (lambda w: w.broadcast(1, w.rank), "broadcast(root=1) on rank 1"),
    "kind": (
        lambda w: w.allgather(1) if w.rank else w.gather(1),
        "gather(root=0) on rank 0 and allgather on rank 1",
    ),
    "barrier": (
        lambda w: w.barrier() if w.rank else w.allreduce(np.ones(3, "f4")),
        "allreduce(sum) of float32 (3,) on rank 0 and barrier on rank 1",
    ),
    "barrier, then the same": (
        lambda w: (w.rank and w.barrier(), w.allreduce(1)),
        "allreduce(sum) of int on rank 0 and barrier on rank 1",
    ),
    "queue": (lambda w: w.queue(3 + w.rank), "queue(4, producers=1) on rank 1"),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_ranks_that_call_different_things_are_told_what_each_called(team, name):
    program, said = MISMATCHES[name]
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(InputError) as caught:
            team.run(lambda w: (w.barrier(), program(w)))
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - began < 10
        assert team.run(lambda w: w.allreduce(1)) == [2, 2]


def test_every_rank_gets_the_error_of_a_mismatch(teams):
    def program(worker):
        try:
            worker.allreduce(np.ones(worker.rank // 3))
        except InputError as error:
            return str(error), worker.allreduce(1)

    first, *others = teams[5].run(program)
    assert "(0,) on ranks 0, 1, 2 and allreduce(sum) of float64 (1,) on ranks 3, 4" in first[0]
    assert others == [first] * 4


def test_long_dtypes_that_differ_at_their_ends_are_told_apart(team):
    def program(worker):
        fields = [(f"field{k}", "f8") for k in range(40)] + [("end", ["f4", "f8"][worker.rank])]
        return worker.allreduce(np.zeros(1, fields), lambda a, b: a)

    with pytest.raises(InputError, match="expected all ranks in the same call"):
        team.run(program)


def test_a_rank_that_has_returned_is_an_error_for_those_who_call(teams):
    with pytest.raises(ProgramLeftError, match=r"in allreduce\(sum\) of int, another one has ret"):
        teams[5].run(lambda w: w.allreduce(1) if w.rank != 3 else None)
    assert teams[5].run(lambda w: w.allreduce(1)) == [5] * 5


BAD = {
    "an unknown op": (lambda w: w.allreduce(1, "summ"), "did you mean 'sum'?"),
    "no op": (lambda w: w.allreduce(1, 3), "expected op to be"),
    "a root too large": (
        lambda w: w.reduce(1, root=2),
        "expected a rank as a whole number from 0 to 1, got 2",
    ),
    "a negative root": (lambda w: w.broadcast(1, -1), "from 0 to 1, got -1"),
    "a root of text": (lambda w: w.gather(1, "0"), "from 0 to 1, got '0'"),
    "objects": (lambda w: w.allreduce(np.array([None])), "expected numbers for sum, got object"),
    "text": (lambda w: w.allreduce("a"), "expected numbers"),
    "out of another dtype": (
        lambda w: w.allreduce(1.0, out=np.zeros((), "f4")),
        r"expected out to be an array of float64 \(\), got float32 \(\)",
    ),
    "an out of no kind": (lambda w: w.allreduce(np.ones(2), out=[1, 2]), "got list"),
    "out with a function": (lambda w: w.allreduce(1.0, max, out=np.zeros(())), "expected no out"),
    "a function without result": (lambda w: w.allreduce(1, lambda a, b: None), "return it"),
    "too few to scatter": (lambda w: w.scatter([1]), "a sequence of 2 objects to scatter, got 1"),
    "nothing to scatter": (lambda w: w.scatter(), "to scatter, got NoneType"),
}


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named(team, name):
    program, said = BAD[name]
    with pytest.raises(InputError, match=said):
        team.run(program)
    assert team.run(lambda w: w.allreduce(1)) == [2, 2]


def test_what_cannot_be_pickled_ends_the_program(team):
    with pytest.raises(TypeError, match="pickle"):
        team.run(lambda w: w.broadcast(x for x in "ab"))
    assert team.run(lambda w: w.allreduce(1)) == [2, 2]


def test_the_exception_of_a_users_function_ends_the_program(teams):
    with pytest.raises(ZeroDivisionError):
        teams[5].run(lambda w: w.allreduce(1, lambda a, b: a // 0))
    assert teams[5].run(lambda w: w.allreduce(1)) == [5] * 5


def test_a_worker_killed_between_calls_or_inside_of_one_leaves_no_block():
    def die(a, b):
        os.kill(os.getpid(), signal.SIGKILL)

    def between(worker):
        for turn in range(100):
            worker.allreduce(np.ones(50_000))
            if worker.rank == 1 and turn == 50:
                os.kill(os.getpid(), signal.SIGKILL)

    def inside(worker):
        worker.allreduce(np.ones(50_000), die)

    with Team(3) as team:
        for program, rank in ((between, 1), (inside, 0)):
            pids = team.pids
            with pytest.raises(WorkerDied) as caught:
                team.run(program)
            assert caught.value.rank == rank
            assert [b for b in arrays.list_blocks() if b.pid == pids[rank]] == []
            # The new worker and the others find each other.
            for result in team.run(lambda w: w.allreduce(np.full(60_000, 2.0 * w.rank))):
                assert (result == 6).all()
        pids = team.pids
        assert [b for b in arrays.list_blocks() if b.pid in pids]
    assert [b for b in arrays.list_blocks() if b.pid in pids] == []
