"""Parameters of operations: what each accepts, as text from a command line or as a Python value."""

from __future__ import annotations

import contextlib
import difflib
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute import wording
from sharedcompute.errors import InputError
from sharedcompute.options import RESERVED
from sharedcompute.validation.arrays import plain_array


class _Required:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()

Kind = Callable[[Any], Any]
"""Turns what was given into the value; raises ValueError that says what was expected."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation.

    Parameters
    ----------
    name : str
    kind : callable
        Converts a value, or its text, and checks its range; raises ValueError.
    doc : str
        One line for ``sharedcompute ops``.
    default : object
        `REQUIRED` where there is none. None stands for "worked out from the data".
    """

    name: str
    kind: Kind
    doc: str
    default: Any = REQUIRED

    def __post_init__(self) -> None:
        if self.name in RESERVED:
            raise InputError(
                f"{self.name!r} is an option of every job: name the parameter otherwise"
            )


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error line: the name that was probably meant, or all that there are."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(names) if names else "none is known"


def bind(
    operation: str, declared: tuple[Parameter, ...], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The value of every declared parameter, checked; the one place where they are checked."""
    by_name = {p.name: p for p in declared}
    for name in given:
        if name not in by_name:
            raise InputError(
                f"{operation} has no parameter {name!r}: {nearest(name, by_name)}"
                if by_name
                else f"{operation} takes no parameters, got {name!r}: leave it out"
            )
    return {p.name: _value(operation, p, given.get(p.name, p.default)) for p in declared}


def _value(operation: str, parameter: Parameter, value: Any) -> Any:
    if value is REQUIRED:
        raise InputError(
            f"{operation} needs the parameter {parameter.name!r} ({parameter.doc}): "
            f"give {wording.parameter(parameter.name)}"
        )
    if value is None and parameter.default is None:
        return None
    try:
        return parameter.kind(value)
    except (ValueError, TypeError) as problem:
        told = problem.text if isinstance(problem, InputError) else problem
        raise InputError(f"{operation}: parameter {parameter.name!r}: {told}") from None


def number(value: Any) -> float:
    """Any real number, in double precision."""
    try:
        return float(value)
    except (ValueError, TypeError):
        raise ValueError(f"expected a number, got {value!r}") from None
    except OverflowError:
        raise ValueError("expected a number that double precision holds, got more") from None


def digits(value: Any) -> int | float:
    """Any real number. Whole ones keep all digits: above 2**53 double precision has not all."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return int(value)
    with contextlib.suppress(TypeError):
        return operator.index(value)
    return number(value)


def positive(value: Any) -> float:
    """A number above zero."""
    result = number(value)
    if not 0 < result < np.inf:
        raise ValueError(f"expected a number above 0, got {value!r}")
    return result


def not_negative(value: Any) -> float:
    """A number from zero on."""
    result = number(value)
    if not 0 <= result < np.inf:
        raise ValueError(f"expected a number of at least 0, got {value!r}")
    return result


def comparable(value: Any) -> int | float:
    """A number that others can be compared with: not NaN. Whole numbers keep all their digits."""
    result = digits(value)
    if isinstance(result, float) and math.isnan(result):
        raise ValueError(f"expected a number, got {value!r}")
    return result


def integer(value: Any) -> int:
    """A whole number."""
    try:
        result = int(value)
        exact = isinstance(value, str) or result == value
    except (ValueError, TypeError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(f"expected a whole number, got {value!r}")
    return result


def count(value: Any) -> int:
    """A whole number from one on."""
    result = integer(value)
    if result < 1:
        raise ValueError(f"expected a whole number of at least 1, got {value!r}")
    return result


def order(value: Any) -> int:
    """A whole number from zero on."""
    result = integer(value)
    if result < 0:
        raise ValueError(f"expected a whole number of at least 0, got {value!r}")
    return result


def boolean(value: Any) -> bool:
    """True or false, in words too."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    word = str(value).lower()
    if word not in words:
        raise ValueError(f"expected true or false, got {value!r}")
    return words[word]


def choice(*names: str) -> Kind:
    """One of some names."""

    def one_of(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"expected one of {', '.join(names)}, got {value!r}")
        return str(value)

    return one_of


def numeric_dtype(value: Any) -> np.dtype[Any]:
    """A NumPy dtype of numbers or booleans."""
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


def sequence(kind: Kind) -> Kind:
    """One value of `kind`, or several: ``2`` or ``2,0,1`` in text, a list or tuple in Python."""

    def values(value: Any) -> Any:
        if isinstance(value, str):
            parts = [part.strip() for part in value.strip("[]()").split(",") if part.strip()]
            return kind(parts[0]) if len(parts) == 1 else tuple(kind(part) for part in parts)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, list | tuple | range):
            return tuple(kind(part) for part in value)
        return kind(value)

    return values


@dataclass(frozen=True)
class ArrayOr:
    """The kind of a parameter that is one of some words, or what `array` takes."""

    words: tuple[str, ...]

    def __call__(self, value: Any) -> Any:
        """The word, or the array, or the address of one."""
        if isinstance(value, str) and value in self.words:
            return value
        if isinstance(value, str) and not any(mark in value for mark in ("::", "/", ".")):
            words = ", ".join(self.words)
            raise ValueError(f"expected one of {words}, an array or an address, got {value!r}")
        return array(value)


def is_address(kind: Kind | None, value: Any) -> bool:
    """Whether a parameter was given as an address: text that is no number, where arrays go."""
    if not isinstance(value, str) or (kind is not array and not isinstance(kind, ArrayOr)):
        return False
    words = kind.words if isinstance(kind, ArrayOr) else ()
    return value not in words and isinstance(array(value), str)


def array(value: Any) -> Any:
    """An array, a number, or the address of a dataset (read when the plan is made)."""
    if isinstance(value, str):
        try:
            value = digits(value)
        except ValueError:
            return value
    result = plain_array(value)
    if result.dtype == object and not result.shape:
        # A whole number of more than 64 bits.
        result = np.asarray(number(value))
    if result.dtype.kind not in "biuf":
        raise ValueError(f"expected an array of real numbers or an address, got {result.dtype}")
    return result.astype(result.dtype.newbyteorder("="), copy=False)
