"""A lazy array says what it is in one line, and in a small table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

import sharedcompute as sc

X = np.zeros((365, 91, 18), "f4")


def test_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("u", data=X, chunks=(7, 91, 18))
    x, y = sc.open(tmp_path / "in.h5"), sc.lazy(X)
    assert repr(x) == (
        f"<sharedcompute.LazyArray {tmp_path}/in.h5::/u shape (365, 91, 18) float32, "
        "chunks (7, 91, 18), 2.39 MB, 1 pass>"
    )
    assert repr(np.sqrt(x**2 + y**2)) == (
        "<sharedcompute.LazyArray sqrt(x0**2 + x1**2) shape (365, 91, 18) float32, "
        "chunks (7, 91, 18), 2.39 MB, 1 pass>"
    )
    assert repr(y.mean()) == (
        "<sharedcompute.LazyArray mean(x0, axis=(0, 1, 2)) shape () float32, 4 B, 1 pass>"
    )


def test_the_number_of_passes() -> None:
    x = sc.lazy(X)
    for array, passes in (
        (x * 2, 1),
        (x.mean(axis=0), 1),
        (x.mean(axis=0) * 2, 1),
        (x - x.mean(axis=1, keepdims=True), 1),
        (x - x.mean(axis=0), 2),
        ((x - x.mean(axis=0)).std(axis=(0, 2)), 2),
        ((x - x.mean(axis=0)) / (x - x.mean(axis=0)).std(), 3),
    ):
        assert f"{passes} pass{'es' * (passes > 1)}>" in repr(array)


def test_a_long_expression_is_cut_in_the_middle() -> None:
    x: Any = sc.lazy(X)
    for _ in range(50):
        x = np.sqrt(x + 1)
    text = repr(x)
    assert "\n" not in text
    assert len(text) < 200
    assert " ... " in text


def test_a_table_for_notebooks() -> None:
    text = sc.lazy(X)._repr_html_() + (sc.lazy(X) < 1)._repr_html_()
    assert text.startswith("<table>")
    for shown in ("365, 91, 18", "float32", "2.39 MB", "x0 &lt; 1", "passes"):
        assert shown in text


def test_a_plan_says_what_would_run() -> None:
    plan = sc.lazy(X).mean(axis=0).plan()
    assert "pass 1" in str(plan)
    np.testing.assert_array_equal(plan.run(), X.mean(axis=0))


def test_expressions_have_the_names_of_their_inputs() -> None:
    u, v = (sc.lazy(np.full((3, 2), fill)) for fill in (3.0, 4.0))
    speed = sc.expr("sqrt(u**2 + v**2)", u=u, v=v)
    assert "sqrt(u**2 + v**2)" in repr(speed)
    assert "t1 = sqrt(u**2 + v**2) * 2" in str((speed * 2).plan())
    assert "x0 * 2" in repr(u * 2)
    np.testing.assert_array_equal(speed.compute(), np.full((3, 2), 5.0))


def test_names_of_inputs_and_of_values_differ() -> None:
    first, other = (sc.lazy(np.full((3, 2), fill)) for fill in (1.0, 2.0))
    planned = str(sc.expr("t1 - x0.mean(axis=0)", t1=first, x0=other).plan())
    for line in ("r1 = mean(x0, axis=0)", "t2 = t1 - r1"):
        assert line in planned
    both = sc.expr("u + 1", u=first) * sc.expr("u + 1", u=other)
    assert "(u + 1) * (x1 + 1)" in repr(both)
