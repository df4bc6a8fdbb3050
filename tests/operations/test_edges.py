"""Data at the edges: NaN, infinities, -0.0, subnormals, the ends of integers, few rows or none.

The oracles are NumPy and SciPy where theirs is exact, and rational arithmetic for sums.
"""

from __future__ import annotations

import math
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage, stats

import sharedcompute as sc
from tests.engines.cases import EMPTY, REDUCTIONS, SCANS, TRANSFORMS

Array = np.ndarray[Any, Any]

nan, inf = np.nan, np.inf


def slow(*dtypes: str) -> list[Any]:
    """Dtypes whose kernels take a minute to compile."""
    return [pytest.param(name, marks=pytest.mark.faults) for name in dtypes]


DTYPES = ["f4", "i8", *slow("?", "i1", "u1", "i2", "u2", "i4", "u4", "u8", "f2", "f8")]
COMPLEX = slow("c8", "c16")
EXACT = ("count", "nan_count", "min", "max", "argmin", "argmax", "any", "all")


def columns(dtype: str) -> Array:
    """Seven rows; each column is one edge."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array([[0] * 7, [1] * 7, [0, 1, 0, 0, 1, 1, 0]]).T.astype(bool)
    if kind in "iu":
        info = np.iinfo(dtype)
        low, high = int(info.min), int(info.max)
        made = [
            [high] * 7,
            [low] * 7,
            [high, low, high, 1, 0, 3, low],
            [high - i for i in range(7)],
            [low + i for i in range(7)],
            [high] * 6 + [low],
            [1, 2, 3, 4, 5, 6, 0],
            [0] * 7,
        ]
        return np.array([np.array(c, object).astype(dtype) for c in made]).T.copy()
    if kind == "c":
        real = columns("f4" if dtype == "c8" else "f8")
        both = np.empty(real.shape, dtype)
        both.real, both.imag = real, np.roll(real, 3, axis=1)
        return both
    info_f = np.finfo(dtype)
    top, tiny, least = float(info_f.max), float(info_f.tiny), float(info_f.smallest_subnormal)
    floats = [
        [1] * 7,
        [0.1] * 7,
        [1, 2, nan, 0, -3, 5, 1],
        [nan, 1, 2, 3, 4, 5, 6],
        [1, 2, 3, 4, 5, 6, nan],
        [1, nan, 3, nan, 0, 0, 9],
        [nan] * 7,
        [1, inf, 2, 3, 4, 5, 6],
        [1, -inf, 2, 3, 4, 5, 6],
        [inf, 1, -inf, 2, 3, 4, 5],
        [inf] * 7,
        [inf, nan, 1, 2, 3, 4, -inf],
        [-0.0] * 7,
        [0.0, -0.0] * 3 + [0.0],
        [-0.0, nan] * 3 + [-0.0],
        [least, 2 * least, -least, 0, 3 * least, tiny, -tiny / 2],
        [least] * 7,
        [top / 8, 1, tiny, -top / 8, least, 3, -1],
        [top / 16] * 7,
        [1000 + i / 8 for i in range(7)],
    ]
    return np.array(floats).T.astype(dtype)


def single(x: Array) -> Array:
    """Half precision is computed in single precision."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def same(got: Any, want: Any) -> None:
    """Equal, NaN where NaN, and of one dtype."""
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(got, want)


def numpys(name: str, x: Array, skipna: bool) -> Array:
    """What NumPy says of each column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "count":
            return np.sum(x == x, axis=0)
        if name == "nan_count":
            return np.sum(x != x, axis=0)
        if name in ("any", "all"):
            # A NaN is true; where it is left out it decides nothing.
            left_out = (x != x) & skipna
            return np.any((x != 0) & ~left_out, axis=0) if name == "any" else np.all(x != 0, axis=0)
        if not skipna:
            return np.asarray(getattr(np, name)(x, axis=0))
        if name in ("min", "max"):
            return np.asarray(getattr(np, f"nan{name}")(x, axis=0))
        # Not numpy.nanargmin, which takes NaN for an infinity, and so for the least of [NaN, inf].
        found = getattr(np, name)
        return np.array(
            [np.flatnonzero(c == c)[found(c[c == c])] if (c == c).any() else -1 for c in x.T]
        )


@pytest.mark.sample(1)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("skipna", [False, True])
@pytest.mark.parametrize("block_rows", [1, 3])
def test_what_is_exact_is_that_of_numpy(dtype: str, skipna: bool, block_rows: int) -> None:
    x = columns(dtype)
    for name in EXACT:
        params = {} if "count" in name else {"skipna": skipna}
        got = sc.reduce(name, x, engine="serial", block_rows=block_rows, **params)
        want = numpys(name, single(x), skipna)
        same(got, want)
        for j in range(x.shape[1]):
            alone = sc.reduce(name, x[:, j : j + 1], axis="all", engine="serial", **params)
            same(alone, want[j])


@pytest.mark.parametrize("dtype", [*DTYPES, *COMPLEX])
@pytest.mark.parametrize("skipna", [False, True])
def test_sums_are_right_to_their_rounding(dtype: str, skipna: bool) -> None:
    """Whole numbers wrap as in NumPy; floats are within the bound of any order of addition."""
    x = columns(dtype)
    got = sc.reduce(["sum", "mean"], x, engine="serial", block_rows=3, skipna=skipna)
    if x.dtype.kind in "biu":
        same(got["sum"], x.sum(axis=0))
        means = [float(Fraction(sum(int(v) for v in c), 7)) for c in x.T.tolist()]
        np.testing.assert_allclose(got["mean"], means, rtol=1e-15, atol=1e-15 * abs(float(x.max())))
        return
    parts = [(x, got)]
    if x.dtype.kind == "c" and skipna:
        x = np.where(np.isnan(x), 0, x)  # left out whole
        known = np.maximum(sc.reduce("count", columns(dtype), engine="serial"), 1)
    else:
        known = np.maximum((x == x).sum(axis=0) if skipna else 7, 1)
    if x.dtype.kind == "c":
        sums = got["sum"]
        parts = [(x.real, {"sum": sums.real}), (x.imag, {"sum": sums.imag})]
    eps = float(np.finfo(got["sum"].dtype).eps)
    for part, found in parts:
        for j, column in enumerate(part.T.tolist()):
            kept = [v for v in column if not (skipna and math.isnan(v))]
            with np.errstate(all="ignore"):
                want = np.sum(np.array(kept)) if not np.isfinite(kept).all() else math.fsum(kept)
                want = float(np.array(want, found["sum"].dtype))
            bound = eps * abs(want) + 7 * 2.0**-52 * math.fsum(abs(v) for v in kept if v < inf)
            assert_near(found["sum"][j], want, bound)
            if "mean" in found and kept:
                n = int(np.broadcast_to(known, x.shape[1])[j])
                assert_near(found["mean"][j], want / n, bound / n + eps * abs(want / n))


def assert_near(got: Any, want: float, bound: float) -> None:
    if math.isfinite(want):
        assert abs(float(got) - want) <= bound + 5e-324, (got, want)
    else:
        np.testing.assert_equal(float(got), want)


def exact_deviation(column: list[float]) -> float:
    """By rational arithmetic."""
    if not np.isfinite(column).all() or not column:
        return nan
    values = [Fraction(v) for v in column]
    mean = sum(values) / len(values)
    square = sum((v - mean) ** 2 for v in values) / len(values)
    return float((Decimal(square.numerator) / Decimal(square.denominator)).sqrt())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("skipna", [False, True])
def test_deviations_are_right_to_the_rounding_of_the_mean(dtype: str, skipna: bool) -> None:
    x = columns(dtype)
    got = sc.reduce("std", x, engine="serial", block_rows=3, skipna=skipna)
    eps = max(float(np.finfo(got.dtype).eps), 1e-15)
    for j, column in enumerate(x.T.tolist()):
        kept = [float(v) for v in column if not (skipna and v != v)]
        want = exact_deviation(column if x.dtype.kind in "biu" else kept)
        if not want < 1e150:
            assert not float(got[j]) < 1e150  # squares overflow: infinite, as in NumPy
            continue
        # Squares of subnormals of double precision vanish.
        assert abs(float(got[j]) - want) <= 2 * eps * want + 4e-16 * abs(max(kept)) + 1e-160


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_whole_numbers_wrap_as_in_numpy(dtype: str) -> None:
    x = columns(dtype)
    with np.errstate(all="ignore"):
        wide = x.dtype.kind == "f"
        want = np.prod(x, axis=0, dtype=np.float64 if wide else None)
        got = sc.reduce("prod", x, engine="serial", block_rows=3)
        if wide:
            np.testing.assert_allclose(got, want.astype(got.dtype), rtol=1e-6)
        else:
            same(got, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("skipna", [False, True])
def test_scans_of_edges_are_those_of_numpy(dtype: str, skipna: bool) -> None:
    x = columns(dtype)
    double = {"dtype": np.float64} if x.dtype.kind == "f" else {}
    fill = {"cumsum": 0, "cumprod": 1}
    for name in SCANS:
        got = sc.scan(name, x, engine="serial", block_rows=3, skipna=skipna)
        with np.errstate(all="ignore"):
            if name == "cummax":
                same(got, (np.fmax if skipna else np.maximum).accumulate(single(x), axis=0))
                continue
            kept = np.where((x != x) & skipna, fill[name], x).astype(x.dtype)
            want = getattr(np, name)(kept, axis=0, **double)
        if not double:
            same(got, want)
            continue
        size = np.nancumsum(np.abs(np.where(np.isfinite(kept), kept, 0)), axis=0, dtype=np.float64)
        bound = 1e-15 * size if name == "cumsum" else 0
        with np.errstate(all="ignore"):
            low, high = (want - bound).astype(got.dtype), (want + bound).astype(got.dtype)
            step = np.abs(got) * (2e-7 if got.dtype == np.float32 else 4e-16)
            inside = (low - step <= got) & (got <= high + step)
        assert (inside | ((got != got) & (want != want)) | (got == low)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_maps_of_edges_are_those_of_numpy(dtype: str) -> None:
    x = columns(dtype)
    wide = x.astype(np.float64)
    floating = single(x).dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    how: dict[str, Any] = {"engine": "serial", "block_rows": 3}
    with np.errstate(all="ignore"):
        same(sc.map("scale", x, factor=2.5, offset=-1.0, **how), (wide * 2.5 - 1).astype(floating))
        same(sc.map("anomaly", x, mean=0.25, **how), (wide - 0.25).astype(floating))
        if x.dtype.kind != "b":
            same(sc.map("clip", x, lower=0, upper=3, **how), np.clip(single(x), 0, 3))
            same(sc.map("threshold", x, level=2, **how), np.where(x <= 2, 0, single(x)))
        for to in ("f4", "f8", "i8", "u1"):
            if x.dtype.kind != "f":
                same(sc.map("cast", x, dtype=to, **how), x.astype(to))


@pytest.mark.parametrize("dtype", ["f4", *slow("f8")])
def test_scores_of_edges_are_those_of_scipy(dtype: str) -> None:
    x = columns(dtype)
    got = sc.map("zscore", x, engine="serial", block_rows=3)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = stats.zscore(x.astype(np.float64), axis=0)
    mixed = np.nanmax(np.abs(np.where(np.isfinite(x), x, 0)), axis=0) > 1e30
    np.testing.assert_allclose(got[:, ~mixed], want[:, ~mixed], rtol=1e-6, atol=1e-6)


def test_columns_that_hardly_differ_have_no_score() -> None:
    for rows in (7, 33, 1000):
        x = np.full((rows, 3), (0.1, -1e9 / 3, 0.0))
        assert np.isnan(sc.map("zscore", x, engine="serial")).all()


@pytest.mark.parametrize("to", ["u1", *slow("i1", "i4", "u4", "u8")])
def test_casts_of_floats_cut_the_fraction_and_wrap_as_numpy(to: str) -> None:
    values = [0.0, -0.0, 0.9, -0.9, 1.5, -1.5, 127.9, 128, 255.9, 300, -1, -129.2, 65536.5, 2e9]
    x = np.array(values * 9).reshape(-1, 2)
    for block_rows in (1, 5, 63):
        with np.errstate(all="ignore"):
            same(sc.map("cast", x, dtype=to, engine="serial", block_rows=block_rows), x.astype(to))


@pytest.mark.parametrize("to", ["u1", *slow("i4", "u8")])
def test_casts_of_what_does_not_fit_do_not_depend_on_the_blocks(to: str) -> None:
    x = np.array([nan, inf, -inf, 1e300, -1e300, 2.0**64, -(2.0**63) * 3] * 40)
    whole = sc.map("cast", x, dtype=to, engine="serial", block_rows=len(x))
    for block_rows in (1, 3, 50):
        same(sc.map("cast", x, dtype=to, engine="serial", block_rows=block_rows), whole)


@pytest.mark.parametrize("dtype", ["f4", "u4", *slow("i4", "u1")])
@pytest.mark.parametrize("name", ["gaussian", "sobel", "laplace"])
def test_stencils_of_edges_are_those_of_scipy(dtype: str, name: str) -> None:
    """NaN and infinities spread as far as the window; whole numbers wrap."""
    x = columns(dtype)[:, ::-1].copy() if dtype == "f4" else columns(dtype)
    params: dict[str, Any] = {"sigma": 1.0} if name == "gaussian" else {"mode": "nearest"}
    filters: dict[str, Any] = {
        "gaussian": ndimage.gaussian_filter,
        "sobel": ndimage.sobel,
        "laplace": ndimage.laplace,
    }
    got = sc.map(name, x, engine="serial", block_rows=3, **params)
    with np.errstate(all="ignore"):
        want = filters[name](x, **params)
    if dtype == "f4":
        np.testing.assert_allclose(got, want, rtol=1e-6)
    elif name == "gaussian":  # rounding may fall on either side of a whole number
        assert (np.abs(got.astype(float) - want) <= 1).all()
    else:
        same(got, want)


def test_a_median_sorts_nan_last_and_keeps_the_digits_of_integers() -> None:
    x = columns("i8")
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((1, 1), (0, 0)), "edge"), 3, 0)
    got = sc.map("median", x, size=(3, 1), mode="nearest", engine="serial", block_rows=2)
    same(got, np.sort(windows, axis=-1)[..., 1])
    y = columns("f4")
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(y, ((1, 1), (0, 0)), "edge"), 3, 0)
    got = sc.map("median", y, size=(3, 1), mode="nearest", engine="serial", block_rows=2)
    same(got, np.sort(windows, axis=-1)[..., 1])


def test_a_nan_stays_within_the_windows_of_uniform() -> None:
    """SciPy's running sum carries it to the end of the line."""
    x = np.zeros(20)
    x[5] = nan
    got = sc.map("uniform", x, size=3, engine="serial", block_rows=4)
    assert np.flatnonzero(np.isnan(got)).tolist() == [4, 5, 6]


def jobs(dtype: str) -> list[tuple[Any, str, dict[str, Any]]]:
    """Every operation that takes the dtype."""
    floats = np.dtype(dtype).kind == "f"
    made: list[tuple[Any, str, dict[str, Any]]] = [(sc.scan, n, {}) for n in SCANS]
    for name, many in TRANSFORMS.items():
        for params in many:
            whole = {k: v for k, v in params.items() if k != "cval"}
            if not floats and name == "clip":
                whole = {"lower": 0, "upper": 3}
            if not (np.dtype(dtype).kind == "b" and name == "threshold"):
                made.append((sc.map, name, whole))
    return made


def bits(found: Any) -> Any:
    return [(a.dtype, a.shape, a.tobytes()) for a in map(np.asarray, found)]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_edges_have_the_same_bits_on_every_team(
    dtype: str, rows: int, teams: dict[int, sc.Team]
) -> None:
    x = sc.asarray(np.ascontiguousarray(columns(dtype)[:rows]))
    for block_rows in (1, 3):
        cut: dict[str, Any] = {"block_rows": block_rows}
        for axis in ("rows", "all"):
            found = [
                sc.reduce(REDUCTIONS, x, axis=axis, **how, **cut)
                for how in ({"engine": "serial"}, *({"team": team} for team in teams.values()))
            ]
            assert all(bits(f.values()) == bits(found[0].values()) for f in found)
        for call, name, params in jobs(dtype):
            want = call(name, x, engine="serial", **cut, **params)
            for team in teams.values():
                got = call(name, x, team=team, **cut, **params)
                assert bits([got]) == bits([want]), (name, params)


@pytest.mark.sample(3)
@pytest.mark.parametrize("shape", [*EMPTY, (1, 1), (1, 0), (0, 0), (3, 0, 2)], ids=str)
def test_data_with_no_rows_or_columns_or_one(shape: tuple[int, ...], team: sc.Team) -> None:
    x = np.ones(shape, np.float32)
    for how in ({"engine": "serial"}, {"team": team}):
        options: Any = how
        for call, name, params in jobs("f4"):
            if "axes" in params or len(shape) > 1 or name != "sobel":
                assert call(name, x, **options, **params).shape == shape, name
        for name in ("sum", "prod", "any", "all", "count"):
            same(
                sc.reduce(name, x, **options),
                np.sum(x == x, axis=0) if name == "count" else getattr(np, name)(x, axis=0),
            )
        for name in ("mean", "var", "std"):
            assert np.isnan(sc.reduce(name, x, axis="all", **options)) == (x.size == 0)
        for name in ("min", "argmax"):
            if x.size:
                assert sc.reduce(name, x, axis="all", **options) == getattr(np, name)(x)
            else:
                with pytest.raises(sc.InputError, match="no elements is not defined"):
                    sc.reduce(name, x, axis="all", **options)


@pytest.mark.sample(1)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("filters", [{}, {"chunks": (2, 3), "compression": "gzip"}], ids=str)
def test_edges_in_files_give_what_arrays_give(
    dtype: str, filters: dict[str, Any], tmp_path: Path, team: sc.Team
) -> None:
    x = columns(dtype)
    chunked = {**filters, "chunks": (2, min(3, x.shape[1]))} if filters else {}
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=x, **chunked)
    source = f"{tmp_path}/in.h5::/x"
    cut: dict[str, Any] = {"block_rows": 2}
    for how in ({"engine": "serial"}, {"team": team}):
        options: Any = how
        want = sc.reduce(REDUCTIONS, x, engine="serial", **cut)
        assert bits(sc.reduce(REDUCTIONS, source, **options, **cut).values()) == bits(want.values())
        for call, name, params in ((sc.map, "scale", {"factor": 1.0}), (sc.scan, "cumsum", {})):
            output = f"{tmp_path}/out.h5::/y"
            call(name, source, output, overwrite=True, **options, **cut, **params)
            want_rows = call(name, x, engine="serial", **cut, **params)
            with h5py.File(tmp_path / "out.h5") as file:
                assert bits([file["y"][()]]) == bits([want_rows])


SPECIAL = (nan, inf, -inf, 0.0, -0.0, 5e-324, -1e-310, 1e306, 1.0, -1.0, 1e16)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.one_of(st.sampled_from(SPECIAL), st.floats(-1e6, 1e6)),
    ),
    st.integers(1, 9),
    st.booleans(),
)
def test_any_floats_are_reduced_as_by_numpy(x: Array, block_rows: int, skipna: bool) -> None:
    names = ("min", "max", "argmin", "argmax", "any", "all", "sum")
    got = sc.reduce(names, x, engine="serial", block_rows=block_rows, skipna=skipna)
    for name in names[:-1]:
        same(got[name], numpys(name, x, skipna))
    for found, column in zip(got["sum"], x.T.tolist(), strict=True):
        kept = [v for v in column if not (skipna and v != v)]
        size = math.fsum(abs(v) for v in kept if math.isfinite(v)) if kept else 0.0
        with np.errstate(all="ignore"):
            want = float(np.sum(kept)) if not np.isfinite(kept).all() else math.fsum(kept)
        assert_near(found, want, len(x) * 2.0**-52 * size)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(1, 9)
)
def test_any_integers_are_added_up_as_by_numpy(x: Array, block_rows: int) -> None:
    how: dict[str, Any] = {"engine": "serial", "block_rows": block_rows}
    got = sc.reduce(("sum", "prod", "min", "max", "argmin", "argmax"), x, **how)
    for name, values in got.items():
        same(values, getattr(np, name)(x, axis=0))
    for name in ("cumsum", "cumprod"):
        same(sc.scan(name, x, **how), getattr(np, name)(x, axis=0))
