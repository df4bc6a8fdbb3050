"""`Team.map`: a function over row ranges."""

import numba
import numpy as np
import pytest
from scipy import ndimage

from sharedcompute.errors import InputError
from sharedcompute.rows import MODES, SCHEDULES
from sharedcompute.shm import arrays
from sharedcompute.shm.shared_array import SharedArray


@numba.njit
def twice(x, out, add):
    for i in range(len(x)):
        out[i] = 2 * x[i] + add


@numba.njit("void(f8[:], f8[:])")
def with_signature(x, out):
    for i in range(len(x)):
        out[i] = x[i] + 1


def add_up(x, out, halo):
    for i in range(len(out)):
        out[i] = x[i : i + 2 * halo + 1].sum(axis=0)


@pytest.mark.sample(2)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000])
def test_compiled_functions_see_every_row_once(teams, schedule, n):
    x = arrays.asarray(np.arange(float(n)))
    for team in teams.values():
        out = arrays.full(n, -1.0)
        assert team.map(twice, x, out=out, params=(1.0,), schedule=schedule) is out
        np.testing.assert_array_equal(out, 2 * np.arange(n) + 1)


def test_plain_functions_lambdas_and_ufuncs_work(team):
    x = np.arange(10.0)

    def plain(rows, out):
        out[:] = rows + 1

    np.testing.assert_array_equal(team.map(plain, x), x + 1)
    np.testing.assert_array_equal(team.map(lambda a, b: np.multiply(a, 3, out=b), x), 3 * x)
    np.testing.assert_array_equal(team.map(np.sqrt, x), np.sqrt(x))
    np.testing.assert_array_equal(team.map(numba.njit(lambda a, b: twice(a, b, 1)), x), 2 * x + 1)


def test_a_function_with_a_fixed_signature_is_accepted(team):
    np.testing.assert_array_equal(team.map(with_signature, np.arange(5.0)), np.arange(1, 6))


@pytest.mark.slow
def test_out_is_made_like_x_in_shared_memory(team):
    out = team.map(twice, np.arange(6, dtype="f4").reshape(3, 2), params=(0,))
    assert type(out) is SharedArray
    assert out.dtype == np.float32
    assert out.tolist() == [[0, 2], [4, 6], [8, 10]]


def test_a_private_out_is_filled(team):
    out = np.zeros(5)
    assert team.map(twice, np.arange(5), out=out, params=(0,)) is out
    assert out.tolist() == [0, 2, 4, 6, 8]


def test_views_of_shared_arrays_are_used_in_place(team):
    both = arrays.asarray(np.arange(20.0).reshape(10, 2))
    team.map(twice, both[:, 0], out=both[:, 1], params=(0,))
    np.testing.assert_array_equal(both[:, 1], 2 * both[:, 0])


def test_in_place_without_halo_is_fine(team):
    x = arrays.asarray(np.arange(5.0))
    team.map(twice, x, out=x, params=(0,))
    assert x.tolist() == [0, 2, 4, 6, 8]


def test_the_rows_given_are_read_only(team):
    def write(x, out):
        x[:] = 0

    for halo in (0, 1):
        with pytest.raises(ValueError, match="read-only"):
            team.map(write, np.arange(10.0), halo=halo)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("n", "halo"), [(1, 1), (2, 3), (3, 2), (12, 1), (12, 5), (40, 3)])
def test_a_halo_extends_the_ends_as_scipy_does(teams, mode, n, halo):
    x = np.random.default_rng(0).integers(0, 100, (n, 2)).astype(float)
    expected = ndimage.correlate1d(x, np.ones(2 * halo + 1), axis=0, mode=mode)
    for team in teams.values():
        for schedule, block in (("static", None), ("dynamic", 3)):
            out = team.map(
                add_up, x, params=(halo,), halo=halo, mode=mode, schedule=schedule, block_rows=block
            )
            np.testing.assert_array_equal(out, expected)


def test_inner_rows_come_with_their_halo_uncopied(team):
    x = arrays.asarray(np.zeros((1000, 3)))

    def look(rows, out):
        out[:] = rows.base is not None
        assert len(rows) == len(out) + 4

    seen = team.map(look, x, halo=2)
    assert (seen[2:-2] == 1).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"f": 3}, "function"),
        ({"x": 5.0}, "rows"),
        ({"schedule": "x"}, "schedule"),
        ({"mode": "x"}, "mode"),
        ({"halo": -1}, "halo"),
        ({"block_rows": 0}, "block_rows"),
        ({"out": np.zeros(3)}, "4 rows"),
        ({"out": [0]}, "out"),
        ({"x": ["a", None]}, "dtype"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(team, arguments, said):
    with pytest.raises(InputError, match=said):
        team.map(**{"f": twice, "x": np.arange(4.0), "params": (0,), **arguments})


def test_in_place_with_a_halo_is_refused(team):
    x = arrays.zeros(10)
    with pytest.raises(InputError, match="share memory"):
        team.map(add_up, x, out=x[:], params=(1,), halo=1)


def test_a_cached_kernel_goes_by_name_and_workers_load_it(team):
    from sharedcompute.sync.atomics import wake  # any module-level function that numba caches

    def loaded(_worker, f):
        return f.__module__, type(f._cache).__name__

    assert team.run(loaded, wake) == [("sharedcompute.sync.atomics", "CheckedCache")] * 2


def test_a_kernel_without_a_name_is_sent_once(team):
    kernel = numba.njit(lambda x, out: twice(x, out, 1))
    team.map(kernel, np.arange(3.0))

    def compiled(_worker, f):
        return id(f), len(f.signatures)

    before = team.run(compiled, kernel)
    team.map(kernel, np.arange(5.0))
    assert team.run(compiled, kernel) == before
    assert {count for _, count in before} == {1}


@pytest.mark.sample(1)
def test_a_repeated_call_sees_what_changed_since(team):
    x, out = arrays.asarray(np.arange(6.0)), arrays.zeros(6)
    for add in (1, 1, 1.5, True, 1):
        for _ in range(2):
            team.map(twice, x, out=out, params=(add,))
            np.testing.assert_array_equal(out, 2 * x + add)
            x += 1
    x.shape = out.shape = (3, 2)
    team.map(twice, x, out=out, params=(1,))
    np.testing.assert_array_equal(out, 2 * x + 1)
    out.flags.writeable = False
    with pytest.raises((TypeError, numba.TypingError)):
        team.map(twice, x, out=out, params=(1,))
    x.close()
    with pytest.raises(InputError, match="closed"):
        team.map(twice, x, params=(1,))


def test_a_repeated_call_of_a_plain_function_sees_its_globals_change(team):
    x, out, add = arrays.asarray(np.arange(3.0)), arrays.zeros(3), [1]

    def f(rows, out_rows):
        out_rows[:] = rows + add[0]
        add[0] += 100  # in the worker's copy only

    for expected in (1, 1, 2):
        add[0] = expected
        team.map(f, x, out=out)
        np.testing.assert_array_equal(out, np.arange(3) + expected)


@pytest.mark.slow
def test_a_repeated_call_after_a_worker_was_replaced(team):
    kernel = numba.njit(lambda x, out: twice(x, out, 1))
    x, out = arrays.asarray(np.arange(4.0)), arrays.zeros(4)
    team.map(kernel, x, out=out)
    process = team._supervisor.workers[1].process
    process.kill()
    process.join()
    out[:] = 0
    team.map(kernel, x, out=out)
    np.testing.assert_array_equal(out, [1, 3, 5, 7])
