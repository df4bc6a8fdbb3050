"""NumPy's functions on lazy arrays give what they give for arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.api.lazy.functions import FUNCTIONS, PREDICATES
from sharedcompute.ufuncs.functions import FUNCTIONS as ELEMENTWISE

RNG = np.random.default_rng(3)
X = RNG.normal(size=(6, 4, 3)).round(2)
WITH_NAN = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
WHOLE = RNG.integers(-5, 5, (6, 4, 3))
COMPLEX = X + 1j * X[::-1]
MASK = X > 0
ODD = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-9]])
AXES: list[Any] = [None, 0, -1, (0, 2), (1, 2), (0, 1, 2), ()]

Case = Callable[[Any], Any]
REDUCTIONS = ("sum", "prod", "mean", "std", "var", "min", "max", "any", "all")
NANS = ("nansum", "nanprod", "nanmean", "nanstd", "nanvar", "nanmin", "nanmax")

PLACES = ("argmin", "argmax", "nanargmin", "nanargmax")


def along(name: str, axis: Any) -> Case:
    """Return a function of NumPy along an axis."""
    return lambda x: getattr(np, name)(x, axis=axis)


CASES: dict[str, list[Case]] = {
    **{name: [along(name, (0, 1))] for name in (*REDUCTIONS, *NANS)},
    **{name: [along(name, None), along(name, 1)] for name in (*PLACES, "amin", "amax", "ptp")},
    "cumsum": [np.cumsum, lambda x: np.cumsum(x, axis=1)],
    "cumprod": [lambda x: np.cumprod(x, axis=0), lambda x: np.cumprod(x, 2, np.complex128)],
    "where": [lambda x: np.where(x > 0, x, 0), lambda x: np.where(MASK, 1, x), np.where],
    "select": [
        lambda x: np.select([x > 1, x > 0, x[0] > -1], [x, x[:, :1], 2]),
        lambda x: np.select([x > 1, MASK], [x.astype("f4"), 1.5], default=np.nan),
        lambda x: np.select([x[0, 0] > 0], [1], 2**40),
        lambda x: np.select([x > 1], [1, 2]),
        lambda x: np.select([x], [x]),
    ],
    "average": [
        np.average,
        lambda x: np.average(x, axis=1, weights=[1, 2, 3, 4]),
        lambda x: np.average(x, weights=np.abs(X)),
        lambda x: np.average(x, axis=(0, 2), weights=np.abs(X), keepdims=True),
        lambda x: np.average(x, axis=0, weights=np.arange(6), returned=True)[1],
        lambda x: np.average(x, axis=(2, 0), weights=np.arange(18).reshape(3, 6)),
    ],
    "count_nonzero": [lambda x: np.count_nonzero(x, axis=0), lambda x: np.count_nonzero(x > 0)],
    "clip": [
        lambda x: np.clip(x, -0.5, 0.5),
        lambda x: np.clip(x, None, X[0]),
        lambda x: np.clip(x, 0, None),
    ],
    "round": [lambda x: np.round(x, 1), np.round],
    "around": [lambda x: np.around(x, 1)],
    "isclose": [
        lambda x: np.isclose(x, X + 1e-9),
        lambda x: np.isclose(np.concatenate([x[0, :2, :1].T, x[0, :2, 1:2].T], 1), X[0, 0, :1]),
    ],
    "nan_to_num": [np.nan_to_num, lambda x: np.nan_to_num(x * np.inf, nan=-1)],
    "real": [np.real, lambda x: np.real(x * 1j)],
    "imag": [np.imag, lambda x: np.imag(x * 1j)],
    "astype": [lambda x: np.astype(x, np.float32)],
    "copy": [np.copy],
    "expand_dims": [lambda x: np.expand_dims(x, (0, -1))],
    "squeeze": [lambda x: np.squeeze(x[:, :1]), lambda x: np.squeeze(x[:1, :1], axis=1)],
    "reshape": [lambda x: np.reshape(x, (6, -1)), lambda x: np.reshape(x, 72)],
    "ravel": [np.ravel],
    "moveaxis": [lambda x: np.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, (2, 0), (0, 1))],
    "transpose": [np.transpose, lambda x: np.transpose(x, (0, 2, 1))],
    "permute_dims": [lambda x: np.permute_dims(x, (0, 2, 1))],
    "matrix_transpose": [np.matrix_transpose],
    "swapaxes": [lambda x: np.swapaxes(x, 0, -1)],
    "broadcast_to": [
        lambda x: np.broadcast_to(x, (1, 6, 4, 3)),
        lambda x: np.broadcast_to(x, (2, 6, 4, 3)),
    ],
    "concatenate": [
        lambda x: np.concatenate([x, WHOLE], axis=1),
        lambda x: np.concatenate([X, x]),
        lambda x: np.concatenate([x, x], axis=None),
    ],
    "stack": [lambda x: np.stack([x, X], axis=1), lambda x: np.stack([x, x])],
    "flip": [np.flip, lambda x: np.flip(x, (0, 2))],
    "roll": [lambda x: np.roll(x, 2, axis=1), lambda x: np.roll(x, -1, 0), lambda x: np.roll(x, 5)],
    "diff": [
        np.diff,
        lambda x: np.diff(x, 2, axis=0),
        lambda x: np.diff(x, prepend=0),
    ],
    "unstack": [lambda x: np.unstack(x, axis=1)[2]],
    "dot": [lambda x: np.dot(x, np.ones((3, 2))), lambda x: np.dot(x.astype("i2"), 2)],
    "tensordot": [
        lambda x: np.tensordot(x, np.ones((3, 2)), 1),
        lambda x: np.tensordot(x, np.ones((4, 3, 2)), 2),
    ],
    "cumulative_sum": [
        lambda x: np.cumulative_sum(x, axis=1),
        lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    ],
    "cumulative_prod": [lambda x: np.cumulative_prod(x, axis=0)],
    "zeros_like": [np.zeros_like],
    "ones_like": [np.ones_like],
    "full_like": [lambda x: np.full_like(x, 7)],
}
KNOWN = ("shape", "ndim", "size", "result_type", "iscomplexobj", "isrealobj", "empty_like")
"""What is known without computing."""


def check_same(call: Case, x: Any, exact: bool = False) -> None:
    """Compare the function of a lazy array with that of the array."""
    try:
        with np.errstate(all="ignore"):
            expected = call(x)
    except (TypeError, ValueError) as problem:
        kind = ValueError if isinstance(problem, ValueError) else TypeError
        with pytest.raises(kind):
            call(sc.lazy(x)).compute()
        return
    found = call(sc.lazy(x))
    if isinstance(expected, tuple):
        found, expected = found[0], expected[0]
    assert isinstance(found, sc.LazyArray)
    assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
    check = np.testing.assert_array_equal if exact else np.testing.assert_allclose
    check(found.compute(), expected, **({} if exact else {"rtol": 1e-12, "atol": 1e-13}))  # type: ignore[operator]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_are_numpys(name: str) -> None:
    if not hasattr(np, name):
        pytest.skip(f"this NumPy has no {name}")
    for call in CASES[name]:
        for x in (WITH_NAN, X) if name.startswith("nan") else (X, WHOLE):
            check_same(call, x)


def test_each_function_has_a_case() -> None:
    named = {getattr(np, name) for name in (*CASES, *KNOWN) if hasattr(np, name)}
    assert set(FUNCTIONS) == named


@pytest.mark.parametrize("name", [*REDUCTIONS, *NANS])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_reductions_along_any_axes_are_numpys(name: str) -> None:
    function = getattr(np, name)
    for x in (WITH_NAN if name in NANS else X, WHOLE, MASK, COMPLEX, X.astype("f4")):
        if x.dtype.kind == "c" and "m" in name[:4]:
            continue
        for axis in AXES:
            tolerance = {"rtol": 1e-6 if x.dtype == "f4" else 1e-12, "atol": 1e-12}
            for keepdims in (False, True):
                found = function(sc.lazy(x), axis=axis, keepdims=keepdims)
                expected = function(x, axis=axis, keepdims=keepdims)
                assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
                np.testing.assert_allclose(found.compute(), expected, **tolerance)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "std", "var", "any", "all"])
def test_elements_may_be_left_out_of_reductions(name: str) -> None:
    function, where = getattr(np, name), X > -0.5
    for x in (X, WHOLE):
        for axis in (None, 0, (0, 1), 2):
            for mask in (where, where[:1], where[0, :, 0][:, None]):
                try:
                    with np.errstate(all="ignore"):
                        expected = function(x, axis=axis, where=mask)
                except RuntimeWarning:
                    continue
                found = function(sc.lazy(x), axis=axis, where=mask)
                assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
                np.testing.assert_allclose(found.compute(), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["min", "max", "nanmin", "nanmax"])
@pytest.mark.parametrize("x", [X, WITH_NAN, WHOLE, X.astype("f2")], ids=["f8", "nan", "i8", "f2"])
def test_ends_are_of_chosen_elements_and_an_initial_one(name: str, x: np.ndarray) -> None:
    function = getattr(np, name)
    for axis in (None, 0, (0, 1), 2):
        for given in (
            {"where": X > 0.5, "initial": 0},
            {"where": MASK[0, :, 0][:, None], "initial": -3, "keepdims": True},
            {"initial": 1},
        ):
            check_same(lambda v, a=axis, g=given: function(v, axis=a, **g), x, exact=True)  # type: ignore[misc]


def test_ends_of_chosen_elements_are_methods_and_parts_of_expressions() -> None:
    x = sc.lazy(X)
    want = X.max(axis=1, where=MASK, initial=-1)
    np.testing.assert_array_equal(x.max(axis=1, where=MASK, initial=-1).compute(), want)
    found = sc.expr("max(x, axis=1, where=x > 0, initial=-1)", x=x)
    np.testing.assert_array_equal(found.compute(), want)
    np.testing.assert_array_equal(x.min(where=x > 0, initial=9).compute(), X[MASK].min())


@pytest.mark.parametrize("name", ["min", "max"])
def test_ends_of_chosen_elements_have_an_initial_one(name: str) -> None:
    for call in (
        lambda: getattr(sc.lazy(X), name)(where=MASK),
        lambda: getattr(np, name)(sc.lazy(X), where=MASK),
        lambda: sc.reduce(name, X, where=MASK),
    ):
        with pytest.raises(sc.InputError, match=rf"{name}\(x, where=..., initial=...\)"):
            call()


@pytest.mark.parametrize("name", ["argmin", "argmax"])
def test_places_are_of_all_elements(name: str) -> None:
    with pytest.raises(sc.InputError, match=f"{name}: expected no where, as in NumPy"):
        sc.reduce(name, X, where=MASK)


def test_reductions_take_a_dtype() -> None:
    x = sc.lazy(X.astype("f4"))
    assert x.mean(dtype="f8").dtype == "f8"
    assert np.sum(sc.lazy(WHOLE), dtype="i4").dtype == "i4"
    np.testing.assert_allclose(x.sum(dtype="c8").compute(), X.astype("f4").sum(dtype="c8"), 1e-6)


def test_methods_are_the_functions() -> None:
    x = sc.lazy(WITH_NAN)
    for name in ("sum", "mean", "std", "var", "min", "max", "prod"):
        found = getattr(x, name)(axis=1, keepdims=True, skipna=True)
        expected = getattr(np, f"nan{name}")(WITH_NAN, axis=1, keepdims=True)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-12)
    np.testing.assert_allclose(sc.lazy(X).std(ddof=1).compute(), X.std(ddof=1))
    np.testing.assert_array_equal(sc.lazy(X).clip(0, 1).compute(), X.clip(0, 1))
    np.testing.assert_array_equal(sc.lazy(COMPLEX).conj().imag.compute(), -COMPLEX.imag)
    np.testing.assert_array_equal(sc.lazy(X).reshape(2, -1).compute(), X.reshape(2, -1))
    np.testing.assert_array_equal(sc.lazy(X).reshape((2, -1)).compute(), X.reshape(2, -1))
    np.testing.assert_array_equal(sc.lazy(X).transpose(1, 0, 2).compute(), X.transpose(1, 0, 2))
    np.testing.assert_array_equal(sc.lazy(X).T.compute(), X.T)
    np.testing.assert_array_equal(sc.lazy(X).ravel().compute(), X.ravel())
    np.testing.assert_array_equal(sc.lazy(X).astype("i2").compute(), X.astype("i2"))
    np.testing.assert_array_equal(sc.lazy(X).round(1).compute(), X.round(1))
    np.testing.assert_allclose(sc.lazy(X).ptp(axis=0).compute(), np.ptp(X, axis=0))
    np.testing.assert_allclose(sc.lazy(X).cumsum(axis=0).compute(), X.cumsum(axis=0))


@pytest.mark.parametrize("name", sorted({f.name for f in ELEMENTWISE.values()}))
def test_ufuncs_are_numpys_to_the_bit(name: str) -> None:
    function = getattr(np, name, None)
    if not isinstance(function, np.ufunc):
        pytest.skip("no ufunc")
    for x in (X, WHOLE, MASK, COMPLEX, ODD, X.astype("f2"), WHOLE.astype("u1")):
        call: Case = function if function.nin == 1 else lambda v: function(v, v[:, :1])
        if function.nin <= 2:
            check_same(call, x, exact=True)


def test_methods_of_ufuncs() -> None:
    x = sc.lazy(X)
    np.testing.assert_allclose(np.add.reduce(x).compute(), np.add.reduce(X))
    np.testing.assert_allclose(np.add.reduce(x, axis=(1, 2)).compute(), X.sum(axis=(1, 2)))
    np.testing.assert_array_equal(np.maximum.reduce(x, axis=None).compute(), X.max())
    np.testing.assert_array_equal(
        np.logical_or.reduce(x > 2, axis=1).compute(), (X > 2).any(axis=1)
    )
    np.testing.assert_allclose(
        np.asarray(np.add.accumulate(x, axis=2)), np.add.accumulate(X, axis=2)
    )
    np.testing.assert_array_equal(
        np.multiply.outer(x[0, 0], x[0, 0]).compute(), np.multiply.outer(X[0, 0], X[0, 0])
    )
    np.testing.assert_array_equal(np.add(x, 1, dtype="f4").compute(), np.add(X, 1, dtype="f4"))
    assert [part.dtype for part in np.modf(x)] == [X.dtype, X.dtype]


def test_an_array_is_not_written_to() -> None:
    x, out = sc.lazy(X), np.empty_like(X)
    with pytest.raises(sc.InputError, match="out="):
        np.sqrt(x, out=out)
    with pytest.raises(sc.InputError, match="out="):
        np.add.reduce(X, out=x)
    with pytest.raises(sc.InputError, match="out="):
        np.mean(x, axis=0, out=out[0])
    with pytest.raises(TypeError):
        x[0] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    "write",
    [
        lambda x: np.copyto(x, X),
        lambda x: np.put(x, [0], 1),
        lambda x: np.putmask(x, X > 0, 1),
        lambda x: np.place(x, X > 0, [1]),
        lambda x: np.fill_diagonal(x[0], 1),
        lambda x: np.copyto(dst=x, src=X),
    ],
)
def test_functions_that_write_do_not_take_a_lazy_array(write: Case) -> None:
    with pytest.raises(sc.InputError, match="not written to"):
        write(sc.lazy(X))


def test_a_lazy_array_is_copied_into_an_array() -> None:
    out = np.empty_like(X)
    np.copyto(out, sc.lazy(X) * 2)
    np.testing.assert_array_equal(out, X * 2)


def test_one_number_is_formatted_and_rounded_as_pythons() -> None:
    mean = sc.lazy(X).mean()
    assert f"{mean:.3f}" == f"{X.mean():.3f}"
    assert f"{mean}" == str(mean)
    assert round(mean, 2) == round(float(X.mean()), 2)
    assert isinstance(round(mean), int)
    with pytest.raises(TypeError, match="one element"):
        f"{sc.lazy(X):.3f}"


def test_what_is_known_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sc.lazy(COMPLEX)
    monkeypatch.setattr("sharedcompute.api.lazy.runs.Runs.compute", lambda *_: 1 / 0)
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((6, 4, 3), 3, 72, 4)
    assert np.iscomplexobj(x)
    assert not np.isrealobj(x)
    assert np.result_type(x, np.float32) == np.complex128
    assert np.empty_like(x).shape == x.shape


def test_predicates_are_computed() -> None:
    x = sc.lazy(X)
    assert np.allclose(x, X + 1e-12)
    assert not np.allclose(X, x + 1)
    assert np.array_equal(x, X)
    assert not np.array_equal(x, X[0])
    assert set(PREDICATES) == {np.allclose, np.array_equal}


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sort(x, axis=0),
        lambda x: np.median(x, axis=1),
        lambda x: np.quantile(x, 0.3),
        lambda x: np.linalg.norm(x, axis=0),
        np.unique,
        lambda x: np.histogram(x, 4)[0],
        lambda x: np.gradient(x, axis=0),
        lambda x: np.einsum("ijk,jk->i", x, x[0]),
        lambda x: np.pad(x, 1),
        lambda x: np.interp(x, [0, 1], [1, 2]),
        lambda x: np.split(x, 2)[1],
        lambda x: np.take(x, [0, 2], axis=1),
        lambda x: np.vstack([x[0], x[1]]),
        lambda x: np.sum(x, initial=3.0),
    ],
)
def test_what_has_no_lazy_form_is_computed_at_once(call: Case) -> None:
    check_same(call, X)
