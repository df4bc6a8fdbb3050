"""sharedcompute.xp has what the Array API standard has, version 2024.12."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sharedcompute as sc

xp: Any = sc.xp
X = np.arange(12.0).reshape(3, 4)

CREATION = """arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones
    ones_like tril triu zeros zeros_like"""
DTYPES = """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64
    complex128"""
ELEMENTWISE = """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift
    bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh
    divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf isnan
    less less_equal log log1p log2 log10 logaddexp logical_and logical_not logical_or logical_xor
    maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder
    round sign signbit sin sinh square sqrt subtract tan tanh trunc"""
OTHERS = """take take_along_axis matmul matrix_transpose tensordot vecdot broadcast_arrays
    broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack
    tile unstack argmax argmin count_nonzero nonzero searchsorted where unique_all unique_counts
    unique_inverse unique_values argsort sort cumulative_prod cumulative_sum max mean min prod std
    sum var all any diff astype can_cast finfo iinfo isdtype result_type"""
CONSTANTS = "e inf nan newaxis pi"
ATTRIBUTES = "dtype device mT ndim shape size T"
METHODS = """__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__
    __dlpack_device__ __eq__ __float__ __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__
    __invert__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__
    __pow__ __rshift__ __sub__ __truediv__ __xor__ to_device"""


@pytest.mark.parametrize("name", f"{CREATION} {DTYPES} {ELEMENTWISE} {OTHERS} {CONSTANTS}".split())
def test_it_has_the_names_of_the_standard(name: str) -> None:
    assert hasattr(xp, name)
    assert name in dir(xp)


def test_arrays_have_what_the_standard_gives_them() -> None:
    x = sc.lazy(X)
    assert not [name for name in f"{ATTRIBUTES} {METHODS}".split() if not hasattr(x, name)]
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match=r"2024\.12"):
        x.__array_namespace__(api_version="1999.1")
    with pytest.raises(AttributeError, match="no 'sine'"):
        xp.sine  # noqa: B018


@pytest.mark.parametrize("name", ELEMENTWISE.split())
def test_functions_of_elements_are_numpys(name: str) -> None:
    x = np.array([[0.5, 0.25], [0.75, 0.1]])
    if name.startswith("bitwise"):
        x = np.array([[1, 5], [2, 3]])
    args: tuple[Any, ...] = (
        (x, x[:1])
        if function_of(name).__class__ is np.ufunc and function_of(name).nin == 2
        else (x,)
    )
    if name == "acosh":
        args = (x + 1,)
    if name == "clip":
        args = (x, 0.2, 0.6)
    found = function_of(name)(*(sc.lazy(a) if isinstance(a, np.ndarray) else a for a in args))
    expected = function_of(name)(*args)
    assert isinstance(found, sc.LazyArray)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.compute(), expected)


def function_of(name: str) -> Any:
    return getattr(xp, name)


@pytest.mark.parametrize("name", DTYPES.split())
def test_dtypes_are_numpys(name: str) -> None:
    x = xp.asarray([0, 1], dtype=getattr(xp, name))
    assert x.dtype == getattr(xp, name) == np.dtype(name)
    assert xp.astype(x, xp.complex128).dtype == xp.complex128


def test_arrays_are_made() -> None:
    made = {
        "arange": (xp.arange(3), np.arange(3)),
        "arange of three": (xp.arange(1, 7, 2), np.arange(1, 7, 2)),
        "asarray": (xp.asarray([[1, 2]]), np.array([[1, 2]])),
        "eye": (xp.eye(2, 3, k=1), np.eye(2, 3, 1)),
        "from_dlpack": (xp.from_dlpack(X), X),
        "full": (xp.full((2, 2), 7, dtype=xp.int8), np.full((2, 2), 7, "i1")),
        "full_like": (xp.full_like(sc.lazy(X), 2), np.full_like(X, 2)),
        "linspace": (xp.linspace(0, 1, 5), np.linspace(0, 1, 5)),
        "ones": (xp.ones((2, 3)), np.ones((2, 3))),
        "ones_like": (xp.ones_like(sc.lazy(X)), np.ones_like(X)),
        "zeros": (xp.zeros(3, dtype=xp.int64), np.zeros(3, "i8")),
        "zeros_like": (xp.zeros_like(sc.lazy(X)), np.zeros_like(X)),
        "empty": (xp.empty((2, 2)).shape, (2, 2)),
        "empty_like": (xp.empty_like(sc.lazy(X)).shape, (3, 4)),
        "tril": (xp.tril(sc.lazy(X)), np.tril(X)),
        "triu": (xp.triu(sc.lazy(X), k=1), np.triu(X, 1)),
        "meshgrid": (xp.meshgrid(xp.arange(2), xp.arange(3))[1], np.meshgrid([0, 1], [0, 1, 2])[1]),
    }
    for name, (found, expected) in made.items():
        np.testing.assert_array_equal(np.asarray(found), expected, err_msg=name)
    with pytest.raises(sc.InputError, match="cpu"):
        xp.ones(3, device="cuda")


def test_other_functions_are_numpys() -> None:
    x, y = sc.lazy(X), np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0]])
    lazy_y = sc.lazy(y)
    pairs: list[tuple[Any, Any]] = [
        (xp.sort(lazy_y), np.sort(y)),
        (xp.sort(lazy_y, descending=True), -np.sort(-y)),
        (xp.argsort(lazy_y, axis=0), np.argsort(y, axis=0)),
        (xp.argsort(lazy_y, descending=True), np.argsort(-y, stable=True)),
        (xp.take(x, xp.asarray([0, 2]), axis=1), X[:, [0, 2]]),
        (xp.concat([x, x], axis=1), np.concatenate([X, X], axis=1)),
        (xp.permute_dims(x, (1, 0)), X.T),
        (xp.matrix_transpose(x), X.T),
        (xp.tile(x, (1, 2)), np.tile(X, (1, 2))),
        (xp.repeat(x, 2, axis=0), np.repeat(X, 2, axis=0)),
        (xp.unique_values(lazy_y), np.unique(y)),
        (xp.unique_counts(lazy_y).counts, np.unique_counts(y).counts),
        (xp.nonzero(x)[1], np.nonzero(X)[1]),
        (xp.searchsorted(xp.arange(5), xp.asarray([2, 3])), [2, 3]),
        (xp.std(x, axis=0, correction=1), X.std(axis=0, ddof=1)),
        (xp.var(x, correction=1, keepdims=True), X.var(ddof=1, keepdims=True)),
        (xp.vecdot(x, x), (X * X).sum(axis=-1)),
        (xp.matmul(x, x.T), X @ X.T),
        (xp.linalg.norm(x), np.linalg.norm(X)),
        (xp.fft.fft(x), np.fft.fft(X)),
        (xp.broadcast_arrays(x, xp.ones((1, 4)))[1], np.ones((3, 4))),
        (xp.broadcast_to(x, (2, 3, 4)), np.broadcast_to(X, (2, 3, 4))),
        (xp.take_along_axis(x, xp.argsort(x, axis=1), axis=1), X),
        (xp.unstack(x)[1], X[1]),
        (xp.moveaxis(x, 0, 1), X.T),
        (xp.diff(x, axis=0), np.diff(X, axis=0)),
        (xp.tensordot(x, x.T, axes=1), X @ X.T),
        (xp.count_nonzero(x, axis=1), np.count_nonzero(X, axis=1)),
    ]
    for number, (found, expected) in enumerate(pairs):
        assert isinstance(found, sc.LazyArray), number
        np.testing.assert_allclose(found.compute(), expected, err_msg=str(number))


def test_what_is_known_of_dtypes() -> None:
    x = sc.lazy(X.astype("f4"))
    assert xp.result_type(x, xp.float64) == xp.float64
    assert xp.result_type(x, 1.0) == xp.float32
    assert xp.can_cast(x, xp.float64)
    assert not xp.can_cast(xp.float64, xp.int8)
    assert xp.isdtype(x.dtype, "real floating")
    assert (xp.finfo(x).bits, xp.iinfo(xp.int16).max) == (32, 32767)
    assert "default_device" not in dir(xp)
    assert xp.__array_namespace_info__().default_device() == "cpu"


def test_arrays_go_to_other_libraries() -> None:
    x = sc.lazy(X) + 1
    np.testing.assert_array_equal(np.from_dlpack(x), X + 1)
    assert x.to_device("cpu") is x
    with pytest.raises(sc.InputError, match="cpu"):
        x.to_device("cuda")
