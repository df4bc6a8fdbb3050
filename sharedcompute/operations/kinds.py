"""Kinds of parameters: what each accepts, as text from a command line or as a Python value.

A kind carries its type as well, for signatures (`Kind.annotation`) and for help (`Kind.text`).
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sharedcompute.validation.arrays import plain_array

Convert = Callable[[Any], object]
"""Returns the value, converted and checked; raises ValueError with what was expected."""


class Numeric(Protocol):
    """A number, as Python and NumPy have them: conversion refuses those that lack one of these."""

    def __float__(self) -> float:
        """Return it in double precision."""

    def __int__(self) -> int:
        """Return it without its fraction."""

    def __index__(self) -> int:
        """Return it as it is, where it is whole."""


Given = str | Numeric


@dataclass(frozen=True)
class Kind:
    """A converter, and the type of what it accepts.

    Parameters
    ----------
    convert : callable
        Converts a value, or its text, and checks its range; raises ValueError.
    annotation : str
        The type in Python, as in a signature.
    text : str
        The type in words, as in a docstring.
    """

    convert: Convert
    annotation: str
    text: str

    def __call__(self, value: object) -> object:
        """Convert and check a value."""
        return self.convert(value)


@dataclass(frozen=True)
class ArrayKind(Kind):
    """The kind of a parameter that takes an array, or the address of one.

    Parameters
    ----------
    words : tuple of str
        Words that stand for something else than an address.
    """

    words: tuple[str, ...] = ()


def type_of(kind: Convert) -> tuple[str, str]:
    """Return the type that a kind accepts, in Python and in words; of any callable too."""
    if isinstance(kind, Kind):
        return kind.annotation, kind.text
    if kind in (bool, float, int, str):
        return kind.__name__, kind.__name__
    return "object", "object"


def is_address(kind: Convert | None, value: object) -> bool:
    """Return whether a value is an address: text that is no number, where arrays go."""
    if not isinstance(value, str) or not isinstance(kind, ArrayKind):
        return False
    return value not in kind.words and isinstance(array(value), str)


def _number(value: Given) -> float:
    """Return any real number in double precision."""
    try:
        return float(value)
    except (ValueError, TypeError):
        raise ValueError(f"expected a number, got {value!r}") from None
    except OverflowError:
        raise ValueError("expected a number that double precision holds, got more") from None


number = Kind(_number, "float", "float")


def _digits(value: Given) -> int | float:
    """Return any real number. Whole ones keep all digits: those above 2**53 are no float."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return int(value)
        return _number(value)
    with contextlib.suppress(TypeError):
        return operator.index(value)
    return _number(value)


digits = Kind(_digits, "float", "int or float")


def _positive(value: Given) -> float:
    """Return a number above zero."""
    result = _number(value)
    if not 0 < result < np.inf:
        raise ValueError(f"expected a number above 0, got {value!r}")
    return result


positive = Kind(_positive, "float", "float above 0")


def _not_negative(value: Given) -> float:
    """Return a number from zero on."""
    result = _number(value)
    if not 0 <= result < np.inf:
        raise ValueError(f"expected a number of at least 0, got {value!r}")
    return result


not_negative = Kind(_not_negative, "float", "float of at least 0")


def _comparable(value: Given) -> int | float:
    """Return a number that others can be compared with: not NaN. Whole ones keep all digits."""
    result = _digits(value)
    if isinstance(result, float) and math.isnan(result):
        raise ValueError(f"expected a number, got {value!r}")
    return result


comparable = Kind(_comparable, "float", "int or float")


def _integer(value: Given) -> int:
    """Return a whole number."""
    try:
        result = int(value)
        exact = isinstance(value, str) or result == value
    except (ValueError, TypeError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(f"expected a whole number, got {value!r}")
    return result


integer = Kind(_integer, "int", "int")


def _count(value: Given) -> int:
    """Return a whole number from one on."""
    result = _integer(value)
    if result < 1:
        raise ValueError(f"expected a whole number of at least 1, got {value!r}")
    return result


count = Kind(_count, "int", "int of at least 1")


def _order(value: Given) -> int:
    """Return a whole number from zero on."""
    result = _integer(value)
    if result < 0:
        raise ValueError(f"expected a whole number of at least 0, got {value!r}")
    return result


order = Kind(_order, "int", "int of at least 0")


def _boolean(value: object) -> bool:
    """Return true or false, from words too."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    word = str(value).lower()
    if word not in words:
        raise ValueError(f"expected true or false, got {value!r}")
    return words[word]


boolean = Kind(_boolean, "bool", "bool")


def choice(*names: str) -> Kind:
    """Return the kind that is one of some names."""

    def one_of(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"expected one of {', '.join(names)}, got {value!r}")
        return str(value)

    listed = ", ".join(map(repr, names))
    return Kind(one_of, f"Literal[{listed}]", f"{{{listed}}}")


def _numeric_dtype(value: DTypeLike) -> np.dtype[Any]:
    """Return a NumPy dtype of numbers or booleans."""
    try:
        dtype = np.dtype(value)
    except TypeError:
        raise ValueError(f"expected a NumPy dtype such as f4 or uint16, got {value!r}") from None
    # numba has no arithmetic for half precision: it is read, and widened, but not made.
    if dtype == np.float16:
        raise ValueError(f"expected a dtype of single precision or more, got {value!r}")
    if dtype.kind not in "biufc" or dtype.itemsize > 16 or dtype == np.longdouble:
        raise ValueError(f"expected a dtype of numbers up to float64/complex128, got {value!r}")
    native: np.dtype[Any] = dtype.newbyteorder("=")
    return native


numeric_dtype = Kind(_numeric_dtype, "DTypeLike", "dtype")


def sequence(kind: Kind) -> Kind:
    """Return the kind of one value, or several: ``2,0,1`` in text, a list or tuple in Python."""

    def values(value: object) -> object:
        if isinstance(value, str):
            parts = [part.strip() for part in value.strip("[]()").split(",") if part.strip()]
            return kind(parts[0]) if len(parts) == 1 else tuple(kind(part) for part in parts)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, list | tuple | range):
            return tuple(kind(part) for part in value)
        return kind(value)

    one = kind.annotation
    return Kind(values, f"{one} | Sequence[{one}]", f"{one} or sequence of {one}")


def _array(given: Any) -> NDArray[Any] | str:
    """Return an array, a number, or the address of a dataset (read when the plan is made)."""
    value: object = given
    if isinstance(given, str):
        try:
            value = _digits(given)
        except ValueError:
            return given
    result = plain_array(value)
    if result.dtype == object and not result.shape:
        # A whole number of more than 64 bits.
        result = np.asarray(_number(given))
    if result.dtype.kind not in "biuf":
        raise ValueError(f"expected an array of real numbers or an address, got {result.dtype}")
    return result.astype(result.dtype.newbyteorder("="), copy=False)


array = ArrayKind(_array, "ArrayLike | str", "array_like or address")


def array_or(*words: str) -> ArrayKind:
    """Return the kind that is one of some words, or what `array` takes."""

    def word_or_array(value: object) -> object:
        if isinstance(value, str) and value in words:
            return value
        if isinstance(value, str) and not any(mark in value for mark in ("::", "/", ".")):
            listed = ", ".join(words)
            raise ValueError(f"expected one of {listed}, an array or an address, got {value!r}")
        return array(value)

    text = f"{{{', '.join(map(repr, words))}}}, {array.text}"
    return ArrayKind(word_or_array, array.annotation, text, words)
