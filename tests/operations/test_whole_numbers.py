"""Parameters that meet whole numbers: none loses a digit, none wraps, none is taken for another."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import sharedcompute as sc

Array = np.ndarray[Any, Any]

DTYPES = ("b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
HARD = (0, 1, 2**24 + 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**400)
LEVELS = tuple(sorted({*HARD, *(-v for v in HARD), 127, 128, 255, 256, 65535, 2**31, 2**32 - 1}))
FLOATS = (0.5, -0.5, 1e300, -1e300, 2.0**53 + 2, 2.0**63, -(2.0**63), 2.0**64, math.inf, -math.inf)


def limits(dtype: str) -> tuple[int, int]:
    if np.dtype(dtype).kind == "b":
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def near(dtype: str) -> Array:
    """Numbers at the ends of the dtype, about zero, and where double precision has gaps."""
    least, most = limits(dtype)
    wanted = {w + d for w in (least, most, *LEVELS) for d in (-2, -1, 0, 1, 2)}
    return np.array(sorted(w for w in wanted if least <= w <= most), dtype)


def forms(value: float) -> list[Any]:
    """One number in all the ways in which it may be given."""
    made: list[Any] = [value, str(value)]
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        made += [np.asarray(value), np.asarray(value)[()]]
    return made


def threshold(x: Array, level: float, value: int) -> list[int]:
    """Python compares whole numbers with any number exactly."""
    return [v if v > level else value for v in map(int, x.tolist())]


def clipped(x: Array, lower: float, upper: float) -> list[Any] | None:
    """What lies within the bounds; None where the dtype has nothing there."""
    least, most = (Decimal(v) for v in limits(x.dtype.str))
    low, high = max(Decimal(lower), least), min(Decimal(upper), most)
    if high < low or math.ceil(low) > math.floor(high):
        return None
    low, high = math.ceil(low), math.floor(high)  # type: ignore[assignment]
    return np.clip(x.astype(object) * 1, low, high).tolist()


def check_threshold(dtype: str, level: Any, value: int) -> None:
    x = near(dtype)
    got = sc.map("threshold", x, level=level, value=value, engine="serial")
    want = float(level) if isinstance(level, str) and "." in level else level
    assert got.dtype == x.dtype
    assert got.tolist() == threshold(x, int(want) if isinstance(want, str) else want, value)


@pytest.mark.sample(3)
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_threshold_compares_all_digits_of_every_level(dtype: str) -> None:
    for level in (*LEVELS, *FLOATS):
        for given_as in forms(level) if level in (0.5, 2**53 + 1, 2**63) else [level]:
            check_threshold(dtype, given_as, limits(dtype)[1])


@pytest.mark.sample(4)
@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_is_numpys_for_every_bound_or_says_that_there_is_nothing_within(dtype: str) -> None:
    x = near(dtype)
    bounds = (*LEVELS, *FLOATS)
    for lower, upper in [(a, math.inf) for a in bounds] + [(-math.inf, b) for b in bounds]:
        want = clipped(x, lower, upper)
        if want is None:
            with pytest.raises(sc.InputError, match="a whole number between them"):
                sc.map("clip", x, lower=lower, upper=upper, engine="serial")
            continue
        got = sc.map("clip", x, lower=lower, upper=upper, engine="serial")
        assert got.dtype == x.dtype
        assert got.tolist() == want


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(DTYPES),
    st.one_of(st.integers(-(2**65), 2**65), st.floats(allow_nan=False)),
    st.one_of(st.integers(-(2**65), 2**65), st.floats(allow_nan=False)),
)
def test_any_bounds_and_levels_are_exact(dtype: str, lower: Any, upper: Any) -> None:
    x = near(dtype)
    if dtype != "b1":
        check_threshold(dtype, lower, 1)
    if lower <= upper and clipped(x, lower, upper) is not None:
        got = sc.map("clip", x, lower=lower, upper=upper, engine="serial")
        assert got.tolist() == clipped(x, lower, upper)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_value_beyond_the_edges_has_all_its_digits(dtype: str) -> None:
    """SciPy takes it for a double: here windows are cut and sorted by NumPy."""
    x = near(dtype)
    for cval in (*limits(dtype), 2**53 + 1, -(2**53) - 1):
        if limits(dtype)[0] <= cval <= limits(dtype)[1]:
            padded = np.pad(x, 1, constant_values=cval)
            want = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=-1)[:, 1]
            how: dict[str, Any] = {"size": 3, "mode": "constant", "engine": "serial"}
            for given_as in forms(cval):
                np.testing.assert_array_equal(sc.map("median", x, cval=given_as, **how), want)
            beside = sc.map("median", x[None], **how | {"size": (1, 3), "cval": cval})
            np.testing.assert_array_equal(beside[0], want)


FILTERS = ("gaussian", "uniform", "median", "sobel", "laplace")
FEW = [("gaussian", "u1"), ("uniform", "b1"), ("median", "u2"), ("sobel", "u2"), ("laplace", "i8")]


def check_beyond_the_edges(name: str, dtype: str) -> None:
    params: dict[str, Any] = {"gaussian": {"sigma": 1.0}, "sobel": {}, "laplace": {}}.get(
        name, {"size": 3}
    )
    params = params | {"mode": "constant"}
    least, most = limits(dtype)
    x = np.minimum(np.arange(20).reshape(4, 5) % 7, most).astype(dtype)
    scipys = getattr(ndimage, name if name in ("sobel", "laplace") else f"{name}_filter")
    # Doubles beyond 64 bits are anything in C, and SciPy has numbers beside true and false.
    edges = (least, most) if most < 2**31 and name not in ("sobel", "laplace") else ()
    for cval in (*edges, min(most, 100) if dtype != "b1" or not edges else least):
        if dtype == "b1" and name in ("sobel", "laplace"):
            continue
        want = scipys(x, **params, cval=cval)
        np.testing.assert_array_equal(sc.map(name, x, **params, cval=cval), want)
    for cval in (least - 1, most + 1, 0.5, math.nan, math.inf, 10**400):
        with pytest.raises(sc.InputError, match="cval must fit"):
            sc.map(name, x, **params, cval=cval)


@pytest.mark.parametrize(("name", "dtype"), FEW)
def test_a_value_beyond_the_edges_is_as_scipys_or_refused(name: str, dtype: str) -> None:
    check_beyond_the_edges(name, dtype)


@pytest.mark.faults
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FILTERS)
def test_every_value_beyond_the_edges_is_as_scipys_or_refused(name: str, dtype: str) -> None:
    check_beyond_the_edges(name, dtype)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_filters_of_short_numbers_wrap_as_scipys_do(dtype: str) -> None:
    """Many in a row: to vectors of 16 bits a processor has other conversions."""
    x = np.random.default_rng(0).integers(0, 120, (20, 33)).astype(dtype)
    np.testing.assert_array_equal(sc.map("sobel", x), ndimage.sobel(x))
    wide = np.tile([-5.0, -1.5, 300.7, 70000.0, -70000.0, 65535.0], 9)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(sc.map("cast", wide, dtype=dtype), wide.astype(dtype))


@pytest.mark.parametrize("cval", [1e39, -1e39, 10**400])
def test_a_value_that_would_become_infinite_is_refused(cval: float) -> None:
    with pytest.raises(sc.InputError, match="cval must fit float32"):
        sc.map("uniform", np.zeros(4, "f4"), mode="constant", cval=cval)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_scale_is_that_of_double_precision(dtype: str) -> None:
    x = near(dtype)
    for factor, offset in [(1, 0), (2**53 + 1, 0.5), (-0.5, 2**64), (1e300, -math.inf)]:
        got = sc.map("scale", x, factor=factor, offset=offset, engine="serial")
        with np.errstate(all="ignore"):
            want = x.astype(np.float64) * np.float64(factor) + np.float64(offset)
        np.testing.assert_array_equal(got, want)


def test_a_level_is_single_precision_where_the_data_are() -> None:
    """As NumPy compares them: 0.1 is equal to 0.1."""
    x = np.array([0.1, np.nextafter(np.float32(0.1), np.float32(1)), np.inf], "f4")
    for level in (0.1, 1e300, 10**400):
        want = np.where(x > np.float32(min(level, 1e38)), x, 0) if level == 0.1 else [0, 0, 0]
        np.testing.assert_array_equal(sc.map("threshold", x, level=level), want)
