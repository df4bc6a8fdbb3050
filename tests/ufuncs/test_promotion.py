"""Dtypes of results, against those of NumPy's calls."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sharedcompute.ufuncs.functions import FUNCTIONS
from sharedcompute.ufuncs.promotion import power_operator, result_dtype
from tests.ufuncs.expressions import ATTRIBUTES, DTYPES

SCALARS: list[Any] = [True, 1, -1, 300, 2**40, 2**63, 2**70, 2.5, 1e300, 1j]
SCALARS += [np.int8(3), np.float32(2), np.float64(2), np.uint64(3), np.bool_(True)]
ALL = sorted({function.name for function in FUNCTIONS.values()})


@pytest.mark.sample(40)
@pytest.mark.parametrize("name", ALL)
def test_the_dtype_is_that_of_numpys_result(name: str) -> None:
    for operands in _operands(FUNCTIONS[name].operands):
        attributes = tuple((key, ATTRIBUTES[name][0]) for key in FUNCTIONS[name].attributes)
        arrays = [np.ones(3, x) if isinstance(x, np.dtype) else x for x in operands]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            wanted = _outcome(lambda: FUNCTIONS[name].call(*arrays, **dict(attributes)).dtype)
        got = _outcome(lambda: result_dtype(name, operands, attributes))
        if name == "where" and got is OverflowError:
            continue  # NumPy takes the low bits of what does not fit
        assert got == wanted, (name, operands)


def _operands(number: int) -> Iterator[tuple[Any, ...]]:
    """Yield dtypes and numbers, at least one dtype among them."""
    if number < 3:
        for operands in itertools.product([*DTYPES, *SCALARS], repeat=number):
            if any(isinstance(x, np.dtype) for x in operands):
                yield operands
        return
    for dtype in DTYPES[::3]:
        yield from itertools.product([dtype], DTYPES, [*DTYPES, 1, -1, 2.5, 1j, np.float32(2)])
        yield from itertools.product([dtype], [1, 2.5], DTYPES)


def _outcome(call: Any) -> Any:
    try:
        return call()
    except (TypeError, OverflowError, ValueError) as error:
        kinds = (TypeError, OverflowError, ValueError)
        return next(kind for kind in kinds if isinstance(error, kind))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [2, -1, 0.5, 3, 2.0, -1.0, 0, np.float64(0.5), np.int8(2)])
def test_the_operator_of_powers_is_numpys(dtype: np.dtype[Any], exponent: Any) -> None:
    x = np.random.default_rng(1).lognormal(0, 2, 100).astype(dtype)
    name = power_operator(dtype, exponent)
    operands: tuple[Any, ...] = (x, exponent) if name == "power" else (x,)
    with np.errstate(all="ignore"):
        wanted = _outcome(lambda: x**exponent)
        if isinstance(wanted, type):
            with pytest.raises(wanted):
                result_dtype(name, [getattr(a, "dtype", a) for a in operands])
            return
        got = FUNCTIONS[name].call(*operands)
    assert got.dtype == wanted.dtype
    assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("name", "operands", "error", "text"),
    [
        ("add", ("u1", 300), OverflowError, "Python integer 300 out of bounds for uint8"),
        ("bitwise_and", ("f8", "i8"), TypeError, "not defined for float64 and int64"),
        ("subtract", ("?", "?"), TypeError, "not defined for bool and bool"),
        ("power", ("i4", -2), ValueError, r"negative integer powers \(-2\)"),
        ("sqrt", ("f4", "f4"), TypeError, "sqrt takes 1 operands, not 2"),
        ("astype", ("f4",), TypeError, "astype needs dtype"),
        ("add", ("f4", "text"), TypeError, "an operand is a dtype or a number, not str"),
    ],
)
def test_what_does_not_go_is_said_in_one_line(
    name: str, operands: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    codes = ("u1", "f8", "i8", "?", "i4", "f4")
    given: list[Any] = [np.dtype(x) if x in codes else x for x in operands]
    with pytest.raises(error, match=text) as raised:
        result_dtype(name, given)
    assert "\n" not in str(raised.value)
