"""A kernel that leaves its output as it was is found on the first rows, by each engine alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import h5py
import numba
import numpy as np
import pytest

import sharedcompute as sc

X = np.arange(20.0).reshape(10, 2)
N = 10


def names_another_array(x: Any, out: Any) -> None:
    out = x * 2  # noqa: F841


def leaves_a_column(x: Any, out: Any) -> None:
    out[:, 0] = x[:, 0]


def leaves_the_last_row(x: Any, out: Any) -> None:
    out[:-1] = x[:-1]


@numba.njit
def leaves_the_first_row(x: Any, out: Any) -> None:
    for i in range(1, x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j]


def leaves_what_is_large(x: Any, out: Any) -> None:
    np.copyto(out, x, where=x < 3)


UNWRITTEN: dict[Callable[..., None], str] = {
    names_another_array: "wrote nothing to out",
    leaves_a_column: r"left out\[0, 1\]",
    leaves_the_last_row: r"left out\[\d, 0\]",
    leaves_the_first_row: r"left out\[0, 0\]",
    leaves_what_is_large: r"left out\[1, 1\]",
}


def adds_up_in_zeros(x: Any, out: Any) -> None:
    for j in range(x.shape[1]):
        out += x[:, j : j + 1]


def gives_zeros(x: Any, out: Any) -> None:
    out[...] = 0


def adds_zeros(x: Any, out: Any) -> None:
    out += 0 * x


def draws(x: Any, out: Any) -> None:
    out[...] = np.random.default_rng().integers(0, 2, x.shape)


def leaves_where_it_is_told(x: Any, out: Any) -> None:
    np.multiply(x, 2, out=out, where=np.ones_like(x, bool))


def adds(x: Any, out: Any) -> None:
    out += x


def goes_up_to(x: Any, out: Any) -> None:
    np.maximum(out, x, out=out)


@numba.njit
def goes_up_to_what_is_larger(x: Any, out: Any) -> None:
    for i in range(len(x)):
        if x[i] > out[i]:  # noqa: PLR1730 - which NaN is not
            out[i] = x[i]


def adds_neighbours(x: Any, out: Any) -> None:
    out += x
    out += x[::-1]


ADDING = [adds, numba.njit(adds), goes_up_to, goes_up_to_what_is_larger, adds_neighbours]


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "x",
    [
        np.array([5, 0, 3]),
        np.array([2, 0, -2]),
        np.zeros(4, np.uint8),
        np.array([255, 0], np.uint8),
        np.array([True, False]),
        np.array([1.5, 0, -2, np.nan, np.inf]),
        np.full(3, np.nan),
        np.array([-np.inf, 0]),
    ],
    ids=str,
)
def test_a_kernel_that_adds_into_out_is_not_refused_whatever_it_adds(x: Any, team: sc.Team) -> None:
    for kernel in ADDING:
        want = np.zeros_like(x)
        getattr(kernel, "py_func", kernel)(x, want)  # type: ignore[operator]
        np.testing.assert_array_equal(sc.map(kernel, x, engine="serial"), want)
    np.testing.assert_array_equal(team.map(adds, x), x)


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "f4", "f8", "c16"])
@pytest.mark.sample(1)
def test_a_compiled_kernel_that_never_writes_is_refused(dtype: str, team: sc.Team) -> None:
    x = np.ones((3, 2), dtype)
    with pytest.raises(sc.InputError, match="wrote nothing to out"):
        sc.map(numba.njit(names_another_array), x, engine="serial")


@pytest.mark.slow
def test_a_kernel_of_explicit_signatures_is_judged_as_well(team: sc.Team) -> None:
    explicit = numba.njit("void(i8[::1], i8[::1])")
    assert team.map(explicit(adds), np.zeros(3, "i8")).tolist() == [0, 0, 0]
    with pytest.raises(sc.InputError, match="wrote nothing to out"):
        team.map(explicit(names_another_array), np.zeros(3, "i8"))


WRITTEN = [adds_up_in_zeros, gives_zeros, adds_zeros, draws, leaves_where_it_is_told]


def ways(team: sc.Team) -> dict[str, Callable[..., Any]]:
    """Every way to run a kernel of one's own."""
    halo = sc.Map("own", names_another_array).name

    def stencil(f: Any, **how: Any) -> Any:
        def inner(x: Any, out: Any) -> None:
            f(x[1:-1], out)

        return sc.map(sc.Stencil(halo, inner, halo=1), X, **how)

    return {
        "serial": lambda f: sc.map(f, X, engine="serial"),
        "local": lambda f: sc.map(f, X, team=team),
        "small blocks": lambda f: sc.map(f, X, team=team, block_rows=3),
        "Map": lambda f: sc.map(sc.Map(halo, f), X, engine="serial"),
        "Stencil": lambda f: stencil(f, engine="serial"),
        "Stencil, local": lambda f: stencil(f, team=team),
        "Team.map": lambda f: team.map(f, X),
        "Team.map, dynamic": lambda f: team.map(f, X, schedule="dynamic", block_rows=4),
        "Team.map, halo": lambda f: team.map(lambda x, out: f(x[2:-2], out), X, halo=2),
    }


@pytest.mark.parametrize("kernel", UNWRITTEN, ids=lambda f: f.__name__)
def test_a_kernel_that_does_not_write_all_of_out_is_refused(kernel: Any, team: sc.Team) -> None:
    for way, run in ways(team).items():
        with pytest.raises(sc.InputError, match=UNWRITTEN[kernel]) as caught:
            run(kernel)
        assert "out[...] = x * 2" in str(caught.value), way
        assert len(str(caught.value).splitlines()) == 1


def test_the_error_is_the_same_on_each_engine(team: sc.Team) -> None:
    said = set()
    for how in ({"engine": "serial"}, {"team": team}, {"team": team, "block_rows": 3}):
        with pytest.raises(sc.InputError) as caught:
            sc.map(leaves_a_column, X, **how)
        said.add(str(caught.value))
    assert len(said) == 1


@pytest.mark.parametrize("kernel", WRITTEN, ids=lambda f: f.__name__)
def test_a_kernel_that_writes_zeros_noise_or_sums_is_not_refused(
    kernel: Any, team: sc.Team
) -> None:
    for run in ways(team).values():
        found = run(kernel)
        if kernel is not draws:
            want = np.zeros_like(X)
            kernel(X, want)
            np.testing.assert_array_equal(found, want)


def test_a_kernel_that_leaves_nothing_zero_is_called_once_for_each_row() -> None:
    calls = []

    def kernel(x: Any, out: Any) -> None:
        calls.append(len(x))
        out[...] = x + 1

    sc.map(kernel, X, engine="serial")
    assert calls == [N]


def test_what_a_second_call_adds_to_arrays_that_it_was_given_is_not_kept() -> None:
    def kernel(x: Any, out: Any, counts: Any) -> None:
        counts += 1
        out[...] = 0

    class Counts:
        """Handed on as it is, where an array would be copied as a parameter."""

        made = np.zeros(1)

    op = sc.Map("counts", kernel, arguments=lambda params, spec: (Counts.made,))
    sc.map(op, X, engine="serial")
    assert Counts.made[0] == 1


def test_nor_what_it_adds_to_arrays_in_tuples_lists_and_dicts() -> None:
    class Pair(NamedTuple):
        one: Any
        two: Any

    def kernel(x: Any, out: Any, counts: Any) -> None:
        counts[0][0] += 1
        counts[1]["in"][0] += 1
        counts[2].two[0] += 1
        out[...] = 0

    first, second, third = made = np.zeros((3, 1))
    given = (first, {"in": [second]}, Pair(None, third))
    op = sc.Map("counts", kernel, arguments=lambda params, spec: (given,))
    sc.map(op, X, engine="serial")
    assert made.tolist() == [[1], [1], [1]]


def test_a_file_is_not_made_of_what_was_not_written(tmp_path: Any, team: sc.Team) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as f:
        f["x"] = X
    for how in ({"engine": "serial"}, {"team": team}):
        with pytest.raises(sc.InputError, match="left out"):
            sc.map(leaves_a_column, tmp_path / "in.h5", tmp_path / "out.h5", **how)
        assert [path.name for path in tmp_path.iterdir()] == ["in.h5"]


def test_what_out_holds_is_kept_where_it_is_given(team: sc.Team) -> None:
    """In shared memory, in private memory, and in another byte order."""
    for out in (sc.asarray(X + 5), X + 5, (X + 5).astype(">f8"), sc.asarray((X + 5).astype(">f8"))):
        assert team.map(leaves_a_column, X, out=out) is out
        np.testing.assert_array_equal(out, np.column_stack([X[:, 0], X[:, 1] + 5]))
        team.map(adds_zeros, X, out=out)
        np.testing.assert_array_equal(out, np.column_stack([X[:, 0], X[:, 1] + 5]))


DTYPES = ["?", "i1", "u1", "i2", "u4", "i8", "f2", "f4", "f8", "c8", "c16", "M8[s]", "m8[us]", "S3"]
DTYPES += ["U2", "V5", "g", ">i4", ">f8", "i4,f8", "i4,(2,)f8"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_dtype_is_judged_by_what_its_elements_hold(dtype: str, team: sc.Team) -> None:
    x = np.zeros((6, 2), dtype)

    def copies(rows: Any, out: Any) -> None:
        out[...] = rows

    def skips(rows: Any, out: Any) -> None:
        out[:, 0] = rows[:, 0]

    def nothing(rows: Any, out: Any) -> None:
        out = rows  # noqa: F841

    np.testing.assert_array_equal(team.map(copies, x), x)
    with pytest.raises(sc.InputError, match="wrote nothing to out"):
        team.map(nothing, x)
    if np.dtype(dtype).kind in "fc" and dtype != "g":
        with pytest.raises(sc.InputError, match=r"left out\[0, 1\]"):
            team.map(skips, x)


@pytest.mark.parametrize(
    ("dtype", "part", "left"),
    [
        ("c8", "real", r"\.imag as"),
        ("i4,f8", "f0", r'\["f1"\] as'),
        ("i4,(2,)f8", "f0", r'\["f1"\] as'),
        ("f4,c16", "f0", r'\["f1"\]\.real as'),
    ],
)
def test_a_part_of_each_element_is_not_all_of_it(
    dtype: str, part: str, left: str, team: sc.Team
) -> None:
    def writes(rows: Any, out: Any) -> None:
        if part == "real":
            out.real = rows.real
        else:
            out[part] = rows[part]

    with pytest.raises(sc.InputError, match="left out" + left):
        team.map(writes, np.zeros(6, dtype))


def test_of_structures_the_element_or_its_field_is_named(team: sc.Team) -> None:
    def forgets_the_last(rows: Any, out: Any) -> None:
        out[:-1] = rows[:-1]

    def forgets_it_in_a_field(rows: Any, out: Any) -> None:
        out["f0"] = 1
        out["f1"][1:] = 1

    x = np.zeros(64, "i4,f8")
    with pytest.raises(sc.InputError, match=r"left out\[\d+\] as"):
        team.map(forgets_the_last, x)
    with pytest.raises(sc.InputError, match=r'left out\["f1"\]\[0\] as'):
        team.map(forgets_it_in_a_field, x)


def test_noise_of_one_byte_is_not_taken_for_what_was_left(team: sc.Team) -> None:
    def noise(rows: Any, out: Any) -> None:
        out[...] = np.random.default_rng().integers(0, 256, rows.shape, np.uint8)

    for _ in range(20):
        sc.map(noise, np.zeros((64, 1000), np.uint8), engine="serial")


def test_a_team_judges_a_function_once_for_each_dtype(team: sc.Team) -> None:
    judged = []

    def kernel(rows: Any, out: Any) -> None:
        out[...] = 0

    for x in (X, X, X.astype("f4"), X):
        team.map(kernel, x)
        judged.append(team._verified.knows(kernel, x.dtype))
    assert judged == [True] * 4
    assert not team._verified.knows(kernel, np.dtype("i4"))
    assert team.map(np.sqrt, np.zeros(3)).tolist() == [0, 0, 0]


def test_mapping_the_same_array_to_a_new_one_again_and_again(team: sc.Team) -> None:
    kernel = numba.njit(gives)
    x = sc.asarray(np.arange(4.0))
    for _ in range(3):
        assert team.map(kernel, x).tolist() == [0, 1, 2, 3]


def gives(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = x[i]
