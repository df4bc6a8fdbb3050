"""Reductions along any axes, below the API: as NumPy's, and the same bits however rows are cut."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Field, Partial, Reduce
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.reductions.accumulator import Accumulator
from sharedcompute.operations.reductions.reduction import Reduction, cast_result, normal_axes
from sharedcompute.operations.reductions.rows import row_reduction
from sharedcompute.operations.reductions.tally import tally
from sharedcompute.operations.specs import ArraySpec
from tests.operations import reference

Array = np.ndarray[Any, np.dtype[Any]]
NAMES = tuple(reference.REDUCTIONS)
INDEXED = ("argmin", "argmax")
SHAPES = [(13,), (7, 300), (5, 4, 6), (3, 2, 3, 4), (4, 3, 1, 5), (5, 2, 700), (9, 1)]
DTYPES = ["f4", "f8", "i2", "?", "c8", "u8"]


def data(dtype: str, shape: tuple[int, ...], nans: bool = False) -> Array:
    rng = np.random.default_rng(0)
    if dtype == "?":
        return rng.random(shape) < 0.5
    if dtype[0] in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    x = rng.normal(size=shape).round(1)  # with ties, and with -0.0
    x = (x + 1j * rng.normal(size=shape) if dtype[0] == "c" else x).astype(dtype)
    if nans:
        x[rng.random(shape) < 0.2] = np.nan
    x.flags.writeable = False
    return x


def operation(name: str) -> Reduce:
    found = find(name, "reduce")
    assert isinstance(found, Reduce)
    return found


def across(made: Reduction, x: Array, strip: int, block: int) -> Array:
    """Reduce with axis 0, as a pass does: block by block, strip by strip."""
    kept = tally(made)
    blocks = -(-len(x) // block)
    states = kept.states(kept.slots(blocks, 1), np.empty)
    if kept.exact:
        kept.reset(states)
    accumulator = Accumulator(kept, states, 0)
    for number in range(blocks):
        accumulator.begin(number)
        end = min(len(x), (number + 1) * block)
        for start in range(number * block, end, strip):
            accumulator.add(x[start : min(start + strip, end)], start)
        accumulator.end()
    accumulator.finish()
    kept.combine_slots(states)
    return cast_result(made, made.result(kept.total(states)))


def within(made: Reduction, x: Array, strip: int) -> Array:
    """Reduce each row by itself, strip by strip."""
    stage = row_reduction(made.operation, made.params, made.spec, made.axes, made.keepdims)
    assert stage.row_shape is not None
    out = np.empty((len(x), *stage.row_shape), stage.dtype)
    for start in range(0, len(x), strip):
        stage.kernel(x[start : start + strip], out[start : start + strip], *stage.args)
    return out


def reduced(
    op: Reduce,
    x: Array,
    axes: tuple[int, ...],
    strip: int = 3,
    keepdims: bool = False,
    **given: Any,
) -> Array:
    params = bind(op.name, op.parameters, given)
    made = Reduction(op, params, ArraySpec(x.shape, x.dtype), axes, keepdims)
    made.check()
    return across(made, x, strip, 6) if made.across_rows else within(made, x, strip)


def expected(name: str, x: Array, axes: tuple[int, ...], **given: Any) -> Array | None:
    """The result by NumPy; None where it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axis: Any = axes[0] if len(axes) == 1 else axes
        try:
            return np.asarray(reference.REDUCTIONS[name](x, axis, **given))
        except ValueError:  # indices of nothing but NaN
            return None


def axes_of(ndim: int) -> list[tuple[int, ...]]:
    sizes = range(1, ndim + 1)
    return [axes for size in sizes for axes in itertools.combinations(range(ndim), size)]


@pytest.mark.sample(6)
@pytest.mark.parametrize("nans", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_reductions_agree_with_numpy_along_any_axes(name: str, dtype: str, nans: bool) -> None:
    op, near = operation(name), 2e-6 if dtype in ("f4", "c8") else 1e-12
    if np.dtype(dtype).kind not in op.kinds:
        pytest.skip("not for this dtype")
    for shape in SHAPES:
        x = data(dtype, shape, nans)
        x = x[:, :5] if name == "prod" and shape[-1] > 100 else x
        for axes in axes_of(len(shape)):
            if name in INDEXED and len(axes) > 1:
                continue
            given = {"skipna": nans} if any(p.name == "skipna" for p in op.parameters) else {}
            want = expected(name, x, axes, **given)
            if want is None:
                continue
            got = reduced(op, x, axes, **given)
            assert got.shape == want.shape
            if name == "prod":
                with np.errstate(over="ignore"):
                    want = want.astype(got.dtype)
            np.testing.assert_allclose(got, want, near, near, err_msg=f"{shape} {axes}")


@pytest.mark.sample(6)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("name", NAMES)
def test_rows_have_the_same_bits_however_they_are_cut(name: str, dtype: str) -> None:
    for shape in [(7, 300), (9, 4, 6), (8, 2, 3, 4), (8, 2, 700)]:
        x = data(dtype, shape, nans=True)
        for axes in axes_of(len(shape)):
            if 0 in axes or (name in INDEXED and len(axes) > 1):
                continue
            whole = reduced(operation(name), x, axes, len(x))
            for strip in (1, 2, 3, 7):
                assert reduced(operation(name), x, axes, strip).tobytes() == whole.tobytes()


@pytest.mark.parametrize("axes", axes_of(3), ids=str)
def test_axes_may_be_kept_with_length_one(axes: tuple[int, ...]) -> None:
    x = data("f4", (5, 4, 6))
    got = reduced(operation("mean"), x, axes, keepdims=True)
    want = x.mean(axis=axes, keepdims=True, dtype="f8")
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, 2e-6, 1e-7)


@pytest.mark.parametrize("axes", [(1,), (0, 2), (0, 1), (1, 2)], ids=str)
def test_no_elements_give_what_they_give_in_numpy(axes: tuple[int, ...]) -> None:
    x = np.empty((3, 0, 4))
    for name in ("sum", "prod", "count", "any", "all"):
        want = expected(name, x, axes)
        np.testing.assert_array_equal(reduced(operation(name), x, axes), want)


@pytest.mark.parametrize("axes", axes_of(4), ids=str)
def test_a_users_reduction_runs_along_any_axes(axes: tuple[int, ...]) -> None:
    def add(x: Array, _skipna: bool, total: Array) -> None:
        total += np.abs(x).sum(axis=0)

    def combine(a: dict[str, Array], b: dict[str, Array], _skipna: bool) -> None:
        a["total"] += b["total"]

    partial = Partial(add, (Field("total", lambda _: np.dtype("f8")),), combine)
    norm = Reduce("norm", partial, lambda state, _: state["total"])
    x = data("f8", (5, 2, 3, 4))
    whole = reduced(norm, x, axes, 7)
    np.testing.assert_allclose(whole, np.abs(x).sum(axis=axes), 1e-13)
    if 0 not in axes:
        for strip in (1, 2, 3):
            assert reduced(norm, x, axes, strip).tobytes() == whole.tobytes()


@pytest.mark.parametrize("length", [1, 2, 7, 8, 511, 512, 513, 1000, 5000])
def test_narrow_data_far_from_zero_keep_their_spread_along_rows(length: int) -> None:
    x = (1e6 + np.random.default_rng(0).normal(size=(3, length))).astype("f8")
    want = (x - x.mean(axis=1, keepdims=True)).std(axis=1)
    np.testing.assert_allclose(reduced(operation("std"), x, (1,)), want, 1e-9)
    assert not reduced(operation("std"), np.full((3, length), np.float32(0.1)), (1,)).any()


def test_axes_are_counted_from_either_end() -> None:
    assert normal_axes(None, 3) == (0, 1, 2)
    assert normal_axes(-1, 3) == (2,)
    assert normal_axes((-1, 0), 3) == (0, 2)
    assert normal_axes((), 3) == ()


@pytest.mark.parametrize(("axis", "words"), [(3, "from -3 to 2"), ((1, -2), "different axes")])
def test_axes_that_are_not_there_are_refused(axis: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        normal_axes(axis, 3)


def test_an_index_is_along_one_axis() -> None:
    with pytest.raises(InputError, match="one axis"):
        reduced(operation("argmax"), data("f4", (3, 4, 5)), (0, 2))


@pytest.mark.parametrize("axes", axes_of(3), ids=str)
def test_what_is_in_memory_is_reduced_at_once(axes: tuple[int, ...]) -> None:
    x = data("f8", (5, 4, 6))
    found = sc.lazy(x).mean(axis=axes).compute()
    np.testing.assert_allclose(found, x.mean(axis=axes), 1e-13)


def test_a_number_is_its_own_sum() -> None:
    assert sc.lazy(np.full(1, 3, np.float32))[0].sum() == 3
