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
