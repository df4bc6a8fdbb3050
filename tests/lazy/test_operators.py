"""Python's operators on lazy arrays are NumPy's."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc

RNG = np.random.default_rng(7)
SHAPE = (5, 4)
ARRAYS = {
    "b": RNG.random(SHAPE) < 0.5,
    "u1": RNG.integers(0, 200, SHAPE, "u1"),
    "i2": RNG.integers(-9, 9, SHAPE, "i2"),
    "i8": RNG.integers(-9, 9, SHAPE, "i8"),
    "f2": RNG.normal(size=SHAPE).astype("f2"),
    "f4": RNG.normal(size=SHAPE).astype("f4"),
    "f8": RNG.normal(size=SHAPE),
    "c8": (RNG.normal(size=SHAPE) + 1j * RNG.normal(size=SHAPE)).astype("c8"),
}
BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
    operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift,
]  # fmt: skip
UNARY = [operator.neg, operator.pos, operator.abs, operator.invert]
OTHERS = [2, 3.5, 2j, True, np.float32(1.5), np.int8(3), 0.5, -1]


def check_same(call: Callable[..., Any], *arrays: Any) -> None:
    """Compare with NumPy: the numbers, the dtype, or the kind of the error."""
    lazies = [sc.lazy(a) if isinstance(a, np.ndarray) else a for a in arrays]
    with np.errstate(all="ignore"):
        try:
            expected = call(*arrays)
        except (TypeError, ValueError, OverflowError) as problem:
            with pytest.raises(type(problem).__mro__[-3 if isinstance(problem, TypeError) else 0]):
                call(*lazies).compute()
            return
    found = call(*lazies)
    assert isinstance(found, sc.LazyArray)
    assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_array_equal(found.compute(), expected)


@pytest.mark.parametrize("op", UNARY, ids=lambda f: f.__name__)
def test_operators_of_one_array(op: Callable[..., Any]) -> None:
    for array in ARRAYS.values():
        check_same(op, array)


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_operators_of_two_arrays(op: Callable[..., Any]) -> None:
    for a in ARRAYS.values():
        for b in ARRAYS.values():
            check_same(op, a, b)


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_operators_with_numbers_on_either_side(op: Callable[..., Any]) -> None:
    for array in ARRAYS.values():
        for other in OTHERS:
            check_same(op, array, other)
            check_same(op, other, array)


def test_an_array_of_numpy_on_the_left_makes_a_lazy_array_too() -> None:
    a, b = ARRAYS["f8"], ARRAYS["f4"]
    found = a + sc.lazy(b)
    assert isinstance(found, sc.LazyArray)
    np.testing.assert_array_equal(found.compute(), a + b)


def test_shapes_are_broadcast() -> None:
    a, row, column = ARRAYS["f8"], np.arange(4.0), np.arange(5.0)[:, None]
    for other in (row, column, np.float64(2), np.ones((3, 1, 1))):
        check_same(operator.mul, a, other)


def test_products_of_matrices() -> None:
    a, b = ARRAYS["f8"], RNG.normal(size=(4, 3))
    np.testing.assert_allclose((sc.lazy(a) @ b).compute(), a @ b)
    np.testing.assert_allclose(np.asarray(a @ sc.lazy(b)), a @ b)
    np.testing.assert_allclose((sc.lazy(a) @ b[:, 0]).compute(), a @ b[:, 0])
    np.testing.assert_allclose((sc.lazy(a[0]) @ b).compute(), a[0] @ b)
    with pytest.raises(sc.InputError, match=r"\(5, 4\) and \(5, 4\)"):
        sc.lazy(a) @ a


def test_division_with_remainder() -> None:
    a = ARRAYS["i8"]
    quotient, rest = divmod(sc.lazy(a), 4)
    np.testing.assert_array_equal(quotient.compute(), a // 4)
    np.testing.assert_array_equal(rest.compute(), a % 4)
    assert [int(x) for x in divmod(7, sc.lazy(np.array(2)))] == [3, 1]


def test_operators_in_place_make_another_array() -> None:
    x = given = sc.lazy(ARRAYS["f8"])
    x += 1
    assert x is not given
    np.testing.assert_array_equal(x.compute(), ARRAYS["f8"] + 1)


def test_what_is_no_operand_is_a_type_error() -> None:
    for other in ("a", None, object(), {}):
        with pytest.raises(TypeError):
            sc.lazy(ARRAYS["f8"]) + other
    assert (sc.lazy(ARRAYS["f8"]) == "a") is False


def test_shapes_that_do_not_broadcast_are_both_shown() -> None:
    with pytest.raises(sc.InputError, match=r"broadcast .* got \(5, 4\) and \(3,\)"):
        sc.lazy(ARRAYS["f8"]) + np.ones(3)
    with pytest.raises(sc.InputError, match=r"\(5, 4\) and \(4, 4\)"):
        np.less(sc.lazy(ARRAYS["f8"]), np.ones((4, 4)))


def test_numbers_out_of_bounds_are_numpys_errors() -> None:
    x = sc.lazy(ARRAYS["u1"])
    with pytest.raises(OverflowError):
        x + 300
    assert (x < 300).all()
    with pytest.raises(ValueError, match="negative integer powers"):
        sc.lazy(ARRAYS["i8"]) ** -1


def test_it_has_no_hash_as_it_is_not_what_it_equals() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        {sc.lazy(ARRAYS["f8"])}
