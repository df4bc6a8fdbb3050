"""`Team.map` with several inputs and outputs, and with functions that return their rows."""

import functools
import warnings

import numba
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from sharedcompute.errors import InputError
from sharedcompute.rows import MODES, SCHEDULES
from sharedcompute.shm import arrays
from sharedcompute.shm.shared_array import SharedArray

U = np.random.default_rng(0).normal(size=(23, 4))
V = np.random.default_rng(1).normal(size=(23, 4)).astype("f4")


@numba.njit
def polar(u, v, speed, direction, factor):
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            speed[i, j] = factor * np.hypot(u[i, j], v[i, j])
            direction[i, j] = u[i, j] > v[i, j]


@numba.njit
def numbered(x, out, first):
    for i in range(len(x)):
        out[i] = first + i


def difference(x, y, out):
    np.subtract(x, y, out=out)


def same(ours, theirs):
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.sample(2)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("n", [0, 1, 2, 7, 23])
def test_a_compiled_function_fills_several_outputs_from_several_inputs(teams, schedule, n):
    u, v = U[:n], arrays.asarray(V[:n])
    for team in teams.values():
        speed, direction = np.empty((n, 4), "f4"), arrays.empty((n, 4), bool)
        out = (speed, direction)
        made = team.map(polar, (u, v), out=out, params=(2.0,), schedule=schedule)
        assert made[0] is speed
        assert made[1] is direction
        same(speed, (2 * np.hypot(u, v)).astype("f4"))
        same(np.asarray(direction), u > v)


def test_outputs_have_rows_of_their_own_shape(team):
    def f(x, mean, both):
        mean[:] = x.mean(axis=1)
        both[:, 0], both[:, 1] = x.min(axis=1), x.max(axis=1)

    mean, both = team.map(f, U, out=[np.empty(23), np.empty((23, 2), "f4")])
    same(mean, U.mean(axis=1))
    same(both, np.stack([U.min(axis=1), U.max(axis=1)], axis=1).astype("f4"))


def test_an_output_keeps_what_is_not_written(team):
    total = np.ones(23)

    def add(x, y, out):
        out += x[:, 0] + y[:, 0]

    for _ in range(2):
        team.map(add, (U, V), out=total)
    np.testing.assert_allclose(total, 1 + 2 * (U[:, 0] + V[:, 0]))


def test_without_out_a_function_with_a_parameter_for_it_fills_one_like_the_first_input(team):
    made = team.map(difference, (U, V))
    assert type(made) is SharedArray
    same(np.asarray(made), U - V)


def test_a_function_without_parameters_for_outputs_returns_its_rows(teams):
    for team in teams.values():
        for f, expected in (
            (lambda x: x * 2, U * 2),
            (lambda x: x > 0, U > 0),
            (lambda x: x.mean(axis=1), U.mean(axis=1)),
            (lambda x: np.stack([x, x], axis=-1).astype("f4"), np.stack([U, U], -1).astype("f4")),
            (lambda x: [row.sum() for row in x], U.sum(axis=1)),
            (numba.njit(lambda x: x * 1j), U * 1j),
            (functools.partial(lambda a, x: a + x, 3), U + 3),
        ):
            made = team.map(f, U)
            assert type(made) is SharedArray
            same(np.asarray(made), expected)


def test_a_tuple_that_is_returned_is_several_results(team):
    made = team.map(lambda x, y, k: (x + y, x[:, 0] > k), (U, V), params=(0.5,))
    assert type(made) is tuple
    same(np.asarray(made[0]), U + V)
    same(np.asarray(made[1]), U[:, 0] > 0.5)


def test_what_is_returned_can_go_to_a_given_output(team):
    a, b = np.empty((23, 4), "f4"), arrays.empty(23)
    assert team.map(lambda x: x * 2, U, out=a) is a
    same(a, (U * 2).astype("f4"))
    team.map(lambda x, y: (x - y, x[:, 0]), (U, V), out=(a, b))
    same(a, (U - V).astype("f4"))
    same(np.asarray(b), U[:, 0])


def test_ufuncs_of_several_inputs_return_what_numpy_returns(team):
    same(np.asarray(team.map(np.hypot, (V, U))), np.hypot(V, U))
    same(np.asarray(team.map(np.less, (U, V))), np.less(U, V))
    same(np.asarray(team.map(np.power, abs(U), params=(2,))), abs(U) ** 2)
    fraction, whole = team.map(np.modf, U)
    same(np.asarray(fraction), np.modf(U)[0])
    same(np.asarray(whole), np.modf(U)[1])
    out = np.empty((23, 4), "f4")
    team.map(np.hypot, (U, V), out=out)
    same(out, np.hypot(U, V).astype("f4"))


def test_ufuncs_of_one_input_and_output_fill_an_array_like_it(team):
    """That they have always done."""
    doubled = numba.vectorize(lambda x: x * 2.0)
    same(np.asarray(team.map(doubled, V)), V * 2)
    same(np.asarray(team.map(np.isnan, U)), np.zeros(U.shape))
    summed = numba.vectorize(lambda x, y: x + y)
    same(np.asarray(team.map(summed, (V, U))), V + U)


@pytest.mark.parametrize("n", [1, 2])
def test_few_rows_and_rows_of_one_element_keep_their_shape(teams, n):
    x = U[:n, :1]
    for team in teams.values():
        same(np.asarray(team.map(lambda x: x + 1, x)), x + 1)


def test_without_rows_there_is_the_dtype_that_a_function_returns(team):
    empty = np.empty((0, 4), "f4")
    made = team.map(lambda x, y: ((x > y), (x + 1j)[:, 0]), (empty, empty))
    same(np.asarray(made[0]), np.empty((0, 4), bool))
    same(np.asarray(made[1]), np.empty(0, "c8"))
    assert team.map(lambda x: x[1:-1] * 2, empty, halo=1).shape == (0, 4)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_function_may_ask_for_the_number_of_its_first_row(teams, schedule):
    for team in teams.values():
        for f, out in ((numbered, np.empty(23, int)), (lambda x, i: i + np.arange(len(x)), None)):
            made = team.map(f, U[:, 0], out=out, rows=True, schedule=schedule, block_rows=4)
            same(np.asarray(made), np.arange(23))


def test_the_row_number_comes_behind_the_parameters(team):
    def f(x, y, a, b, k, first):
        a[:] = k * (first + np.arange(len(x)))
        b[:] = x[:, 0] + y[:, 0]

    a, b = np.empty(23), np.empty(23)
    team.map(f, (U, V), out=(a, b), params=(3,), rows=True, block_rows=5, schedule="dynamic")
    same(a, 3.0 * np.arange(23))
    same(b, U[:, 0] + V[:, 0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("halo", [1, 30])
def test_all_inputs_come_with_their_halo(teams, mode, halo):
    weights = np.ones(2 * halo + 1)
    x, y = np.round(U * 8), np.round(V * 8).astype(float)
    expected = ndimage.correlate1d(x - y, weights, axis=0, mode=mode)

    def summed(a, b):
        windows = np.lib.stride_tricks.sliding_window_view(a - b, 2 * halo + 1, axis=0)
        return windows.sum(axis=-1)

    def inner(a, b, first):
        assert first + len(a) - 2 * halo <= 23
        return summed(a, b)

    for team in teams.values():
        for f, rows in ((summed, False), (inner, True)):
            options = {"halo": halo, "mode": mode, "rows": rows, "block_rows": 3}
            made = team.map(f, (x, y), schedule="dynamic", **options)
            np.testing.assert_array_equal(made, expected)


def test_other_kinds_of_arrays_are_inputs_too(team):
    given = xr.DataArray(U, dims=("time", "lat"))
    same(np.asarray(team.map(lambda x, y: x - y, [given, V.astype(">f4")])), U - V)


def test_lists_of_numbers_are_one_input(team):
    assert team.map(lambda x: x + 1, [1, 2, 3]).tolist() == [2, 3, 4]
    assert team.map(lambda x: x + 1, ([1, 2], [3, 4])).tolist() == [[2, 3], [4, 5]]
    assert team.map(lambda x: x + 1, [np.float32(1), np.float32(2)]).tolist() == [2, 3]


def test_in_place_without_halo_is_fine(team):
    x, y = arrays.asarray(U), arrays.asarray(V)

    def swap(a, b, a_out, b_out):
        b_out[:], a_out[:] = a.copy(), b.copy()

    team.map(swap, (x, y), out=(x, y))
    np.testing.assert_array_equal(x, V)
    np.testing.assert_array_equal(y, U.astype("f4"))


def test_columns_of_one_array_are_outputs(team):
    both = arrays.zeros((23, 2))

    def f(x, a, b):
        a[:], b[:] = x[:, 0], x[:, 1]

    team.map(f, U, out=(both[:, 1], both[:, 0]))
    np.testing.assert_array_equal(both, U[:, 1::-1])


def test_inputs_are_read_only(team):
    def write(x, y, out):
        y[:] = 0

    with pytest.raises(ValueError, match="read-only"):
        team.map(write, (U, V))


def test_trying_a_function_warns_of_nothing(team):
    zeros = np.zeros((23, 4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = team.map(lambda x, y: x / y, (U, zeros + 1))
        with np.errstate(all="ignore"):
            team.map(lambda x, y: x / y, (U, zeros))
    assert not caught
    same(np.asarray(made), U)


@pytest.mark.parametrize(
    ("f", "x", "said"),
    [
        (3, (U, V), "expected a function of rows"),
        (lambda x: x.sum(), U, "returned a single value: expected 2 rows"),
        (lambda x: x[1:], U, "returned 1: expected 2 rows"),
        (lambda x: x.sum(axis=0), U, "returned 4: expected 2 rows"),
        (lambda x: None, U, "returned None: expected 2 rows"),
        (lambda x: (), U, "returned no result"),
        (lambda x: x.astype(str).astype(object), U, "dtype of fixed size"),
        (lambda x: np.ma.masked_less(x, 0), U, "without a mask"),
        (lambda x: x[: 2 + (len(x) == 2)], U, "returned 2: expected 1[12] rows"),
        (lambda x: x[:, : 2 * len(x) - 1], U, r"shape \(4,\) .* expected \(3,\)"),
        (lambda x: x if len(x) > 2 else x > 0, U, "dtype float64 .* expected .* bool"),
        (lambda x: (x, x)[: 1 + (len(x) == 2)], U, "returned 1 results: expected 2"),
        (lambda x, y, out: x - y, (U, V), "returned a value: expected a function that writes"),
        (lambda x, y, out: None, (U, V), "wrote nothing to out"),
        (lambda x, y: x, (U, V[1:]), "same number of rows, got 23 and 22"),
        (lambda x, y: x, (U, np.array(3.0)), "expected"),
    ],
)
def test_functions_that_do_not_fit_are_refused(team, f, x, said):
    with pytest.raises(InputError, match=said):
        team.map(f, x)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"out": (np.zeros(3), np.zeros(23))}, "23 rows"),
        ({"out": (np.zeros(23), None)}, "arrays as outputs"),
        ({"out": ()}, "arrays as outputs"),
        ({"out": ("a.h5::/x", np.zeros(23))}, "23 rows"),
        ({"out": (U, U[:, :2])}, "apart from each other"),
        ({"out": (U, np.zeros(23)), "halo": 1}, "out apart from x"),
        ({"x": (U, "a.h5::/x")}, "expected"),
        ({"schedule": "x"}, "schedule"),
        ({"mode": "x"}, "mode"),
        ({"halo": -1}, "halo"),
        ({"block_rows": 0}, "block_rows"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(team, arguments, said):
    given = {"f": polar, "x": (U, V), "out": (np.zeros((23, 4)), np.zeros((23, 4)))}
    with pytest.raises(InputError, match=said):
        team.map(**{**given, "params": (1.0,), **arguments})


def test_elements_that_are_left_are_found_with_the_row_number_too(team):
    def all_but_row_one(x, y, out, first):
        out[:] = x - y
        if len(out) > 1 - first >= 0:
            out[1 - first] = out[1 - first] * 0 + out[1 - first]
        for i in range(len(out)):
            if first + i != 1:
                out[i] = x[i]

    def leaves_row_one(x, y, out, first):
        for i in range(len(out)):
            if first + i != 1:
                out[i] = x[i] - y[i]

    team.map(all_but_row_one, (U, V), rows=True)
    with pytest.raises(InputError, match=r"left out\[1.* as it was"):
        team.map(leaves_row_one, (U, V), rows=True)


def test_a_function_that_was_checked_is_not_checked_again(team):
    calls = arrays.zeros(23)

    def counted(x, y, out, first):
        calls[first : first + len(x)] += 1
        out[:] = 0 * x

    team.map(counted, (U, V), rows=True)
    assert calls.max() > 1
    calls[:] = 0
    team.map(counted, (U, V), rows=True)
    np.testing.assert_array_equal(calls, 1)
