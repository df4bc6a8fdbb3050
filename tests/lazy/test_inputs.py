"""Named operations take expressions, and arrays take results."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest

import sharedcompute as sc

U, V = (np.random.default_rng(seed).normal(size=(90, 7, 5)).astype("f4") for seed in range(2))
SPEED = np.sqrt(U**2 + V**2)


@pytest.fixture
def speed(tmp_path: Path) -> sc.LazyArray:
    with h5py.File(tmp_path / "wind.h5", "w") as file:
        file.create_dataset("u", data=U, chunks=(7, 7, 5), compression="gzip")
        file["v"] = V
        file["u"].attrs["units"] = "m/s"
    u, v = (sc.open(f"{tmp_path}/wind.h5::/{name}") for name in "uv")
    found: sc.LazyArray = np.sqrt(u**2 + v**2)  # type: ignore[assignment]
    return found


def test_an_expression_is_reduced_mapped_and_fitted_by_one_job(speed: sc.LazyArray) -> None:
    plan = sc.plan("reduce", "mean", speed)
    assert "sqrt(x0**2 + x1**2)" in str(plan)
    np.testing.assert_array_equal(plan.run(), sc.reduce("mean", SPEED, block_rows=7 * 13))
    np.testing.assert_array_equal(
        sc.map("gaussian", speed, sigma=1.0), sc.map("gaussian", SPEED, sigma=1.0)
    )
    np.testing.assert_allclose(sc.scan("cumsum", speed)[-1], SPEED.sum(0), 1e-5)
    fit = sc.fit("kmeans", speed.reshape(90, 35), n_clusters=2, random_state=0)
    assert len(fit.labels) == 90


def test_rows_of_an_expression(speed: sc.LazyArray) -> None:
    got = sc.reduce("max", speed, rows="10:20")
    np.testing.assert_array_equal(got, SPEED[10:20].max(axis=0))


def test_a_result_of_an_expression_has_no_units(speed: sc.LazyArray, tmp_path: Path) -> None:
    made = sc.map("scale", speed, f"{tmp_path}/out.h5::/s", factor=2)
    assert "units" not in made.attrs


def test_an_array_takes_a_result_in_place_and_may_be_read_by_it() -> None:
    out = sc.zeros(SPEED.shape, "f4")
    u = sc.asarray(U)
    np.sqrt(sc.lazy(u) ** 2 + V**2).store(out)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(out, SPEED)
    (sc.lazy(u) * 2).store(u)
    np.testing.assert_array_equal(u, U * 2)


def test_an_array_of_another_shape_takes_nothing() -> None:
    with pytest.raises(sc.InputError, match="output has shape"):
        (sc.lazy(U) * 2).store(np.zeros(3))


def test_a_plan_is_drawn_with_a_box_for_each_value(speed: sc.LazyArray) -> None:
    plan = (speed - speed.mean(axis=0)).std(axis=(0, 2)).plan()
    drawn = ElementTree.fromstring(plan.to_svg())
    words = " ".join(drawn.itertext())
    assert words.count("pass ") == 2
    for value in ("x0 = ", "x1 = ", "t1 = sqrt(x0**2 + x1**2)", "r1 = mean(t1, axis=0)", "t2 = "):
        assert value in words
