"""What functions return: rows for each result, or nothing where they fill their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.validation.arrays import plain_array

Array = NDArray[Any]

TRIED = 2
"""The rows on which a function is tried: with one alone, a row could pass for rows."""


def as_results(returned: object) -> tuple[object, ...]:
    """Return what a function has returned as several results: a tuple is several, else one."""
    return returned if isinstance(returned, tuple) else (returned,)


def returned_rows(value: object, count: int, start: int, name: str) -> Array:
    """Return a result as an array of `count` rows.

    Raises
    ------
    InputError
        It has another number of rows.
    """
    expected = f"expected {count} rows, as many as it was given from row {start} on"
    if value is None:
        raise InputError(
            f"{name} returned None: {expected}, or a function that fills outputs, which it takes "
            "after its inputs"
        )
    rows = plain_array(value)
    if rows.ndim == 0 or len(rows) != count:
        got = "a single value" if rows.ndim == 0 else f"{len(rows)}"
        raise InputError(f"{name} returned {got}: {expected}")
    return rows


def store_returned(returned: object, outs: Sequence[Array], start: int, name: str) -> None:
    """Copy returned rows to the outputs."""
    results = as_results(returned)
    if len(results) != len(outs):
        raise InputError(
            f"{name} returned {len(results)} results: expected {len(outs)}, one for each output"
        )
    for value, out in zip(results, outs, strict=True):
        rows = returned_rows(value, len(out), start, name)
        if rows.shape != out.shape or not np.can_cast(rows.dtype, out.dtype, "same_kind"):
            raise InputError(
                f"{name} returned rows of shape {rows.shape[1:]} and dtype {rows.dtype} from row "
                f"{start} on: expected {out.shape[1:]} and {out.dtype}, as out has; convert them"
            )
        np.copyto(out, rows, casting="same_kind")


def check_nothing_returned(returned: object, outs: Sequence[Array], name: str) -> None:
    """Refuse a function that returns results, as it has not written them to its outputs."""
    for value in as_results(returned):
        is_out = isinstance(value, np.ndarray) and any(np.may_share_memory(value, o) for o in outs)
        if value is not None and not is_out:
            raise InputError(
                f"{name} returned a value: expected a function that writes into its outputs, which "
                "it takes after its inputs; or omit them from its parameters"
            )
