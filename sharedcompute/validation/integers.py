"""Validation of integers: counts and indices."""

from __future__ import annotations

import operator
from typing import Any

from sharedcompute.errors import InputError


def whole(what: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Return a number of rows, ranks or permits as an int.

    NumPy integers are accepted; floats, even 3.0, and booleans are refused as likely mistakes.

    Raises
    ------
    InputError
        It is no integer, or not from `least` to `most`.
    """
    if type(value) is not int:
        try:
            number = None if type(value).__name__ in ("bool", "bool_") else operator.index(value)
        except TypeError:
            number = None
    else:
        number = value
    if number is None or number < least or (most is not None and number > most):
        bounds = f"from {least} up" if most is None else f"from {least} to {most}"
        raise InputError(f"expected {what} as a whole number {bounds}, got {value!r}")
    return number
