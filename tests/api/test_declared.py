"""A callable of a declaration, an axis or an output that cannot be is named, in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc

X = np.arange(24.0).reshape(6, 4)


def ones(x: Any, out: Any, *_: Any) -> None:
    out[...] = 1


def fails(*_: Any) -> Any:
    return 1 / 0


WRONG: list[tuple[str, Callable[..., Any]]] = [
    *(("row_shape", lambda _p, _s, v=v: v) for v in (3, None, (2.5,), (-1,), "ab", [[1]])),
    *(("dtype", lambda _d, _p, v=v: v) for v in ("nope", object, 3, [1])),
    *(("arguments", lambda _p, _s, v=v: v) for v in (3, None, {"a": 1})),
    *((what, fails) for what in ("row_shape", "dtype", "arguments")),
    *((what, lambda: ()) for what in ("row_shape", "dtype", "arguments")),
]


def test_a_wrong_callable_of_a_map_names_itself() -> None:
    for what, given in WRONG:
        with pytest.raises(sc.InputError, match=f"^mine: expected {what} to ") as caught:
            sc.map(sc.Map("mine", ones, **{what: given}), X)  # type: ignore[arg-type]
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("build", [lambda _p, _s: None, lambda _p, _s: [3], lambda: (), fails])
def test_a_wrong_build_of_a_stencil_names_itself(build: Any) -> None:
    with pytest.raises(sc.InputError, match=r"^mine: expected build to "):
        sc.map(sc.Stencil("mine", build=build), X)


def test_what_gives_a_list_or_an_array_of_sides_is_right() -> None:
    for given in ([2], np.array([2]), (np.int32(2),)):
        found = sc.map(sc.Map("mine", ones, row_shape=lambda _p, _s, v=given: v), X)  # type: ignore[misc]
        assert found.shape == (6, 2)
    assert sc.map(sc.Map("mine", ones, dtype=lambda _d, _p: "f4"), X).dtype == np.float32  # type: ignore[return-value]
    assert sc.map(sc.Map("mine", ones, dtype=lambda _d, _p: ">f4"), X).dtype == np.float32  # type: ignore[return-value]


@pytest.mark.parametrize("dtype", ["f4", ">f4", np.float32, np.dtype("f4")])
def test_a_dtype_may_be_given_as_it_is(dtype: Any) -> None:
    found = sc.map(sc.Map("mine", ones, dtype=dtype), X)
    assert found.dtype == np.float32
    assert found.dtype.isnative
    assert sc.ops.sum(sc.map(sc.Map("mine", ones, dtype=dtype), sc.lazy(X))).dtype == np.float32
    assert sc.map(sc.Map("mine", lambda x: x / 3, dtype=dtype), X).dtype == np.float32


def test_several_outputs_have_a_dtype_each(tmp_path: Any) -> None:
    def both(x: Any, half: Any, whole: Any) -> None:
        half[...], whole[...] = x / 2, x

    split = sc.Map("split", both, outputs=2, dtype=("f4", np.int16))
    half, whole = sc.map(split, X)
    assert (half.dtype, whole.dtype) == (np.float32, np.int16)
    np.testing.assert_array_equal(half, X / 2)
    np.testing.assert_array_equal(whole, X)
    stored = sc.map(split, X, [f"{tmp_path}/o.h5::/half", f"{tmp_path}/o.h5::/whole"])
    assert [each.dtype for each in stored] == [np.float32, np.int16]


@pytest.mark.parametrize("dtype", ["nope", object, 3, [1], ("f4", "i4")])
def test_what_is_no_dtype_is_refused_where_a_map_is_declared(dtype: Any) -> None:
    with pytest.raises(sc.InputError, match=r"^mine: expected dtype to give a dtype") as caught:
        sc.Map("mine", ones, dtype=dtype)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("dtype", ["f4", ("f4",), ("f4", "i4", "i4")])
def test_dtypes_are_as_many_as_outputs(dtype: Any) -> None:
    with pytest.raises(sc.InputError, match=r"^mine: expected dtype to give a tuple of 2"):
        sc.Map("mine", ones, outputs=2, dtype=dtype)


def test_axes_are_numpys() -> None:
    for axis in (0, np.int64(0), "rows"):
        np.testing.assert_array_equal(sc.reduce("mean", X, axis=axis), X.mean(axis=0))
        np.testing.assert_array_equal(sc.stats(X, axis=axis)["max"], X.max(axis=0))
    for axis in (None, "all"):  # type: ignore[assignment]
        np.testing.assert_array_equal(sc.reduce("max", X, axis=axis), X.max(axis=None))
        np.testing.assert_array_equal(sc.stats(X, axis=axis)["max"], X.max())


@pytest.mark.parametrize("axis", [7, -4, True, "columns", (0, 0), 0.0])
def test_another_axis_is_refused(axis: Any) -> None:
    with pytest.raises(sc.InputError, match=r"axis: expected .*, got"):
        sc.reduce("mean", X, axis=axis)


def test_an_axis_in_either_words_makes_the_same_file(tmp_path: Any) -> None:
    for name, axis in (("a", 0), ("b", "rows")):
        sc.reduce("mean", X, tmp_path / name, axis=axis)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_array_as_the_output_of_a_reduction_is_told_what_to_do() -> None:
    for call in (
        lambda out: sc.reduce("mean", X, out),
        lambda out: sc.stats(X, out),
        lambda out: sc.fit("pca", X, out, n_components=1),
    ):
        with pytest.raises(
            sc.InputError, match=r"expected FILE::PATH, got ndarray \(4,\); .*out\["
        ):
            call(np.zeros(4))
    with pytest.raises(sc.InputError, match="expected FILE::PATH or an array, got list"):
        sc.map("scale", X, [1], factor=2.0)
